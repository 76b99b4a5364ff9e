"""Which rule finds the factor of a folder? Rules compared on *validation* images, for trained networks.

    python -m benchmarks.magnification RESULTS OUTPUT dataset/model/seed …

RESULTS: a folder `results` with prepared data sets and trained networks. OUTPUT: a folder for magnification-factors.csv
(every factor of every scale, all images together) and magnification-rules.csv (every rule, for pools of 1 to 16 images:
how much is lost against the best factor, and how often the factor is further than half an octave from it).
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seunet import load_model
from seunet.data import rendering, shapes
from seunet.data.arrays import Prepared
from seunet.data.rescaling import rescale_image, rescale_logits, rescale_mask, rescaled_size
from seunet.data.sampling import evenly_spaced
from seunet.experiment.factor_search import Trial, search
from seunet.experiment.fingerprint import Fingerprint, fingerprint
from seunet.experiment.magnification import INFORMATION, LEAST_SIDE, OCTAVES, enough, least_gain
from seunet.experiment.metrics import confusion_counts
from seunet.experiment.observation import Observation, finest_window_only, observe
from seunet.runtime.tables import write_table

SCALES = (0.35, 0.5, 0.71, 1, 1.41, 2, 4)
FACTORS = tuple(2 ** (k / 2) for k in range(4, -8, -1))
IMAGES, POOLS, SIZES = 32, 20, (1, 2, 4, 8, 16)
LARGEST = 3  # times the side of training: more is not shown
SMALL_LOSS = 0.02  # of the metric: a factor that loses less is not wrong
Rule = Callable[[Observation], float]
BUILT = "as find_magnification searches"


def select(seen: Observation, images: np.ndarray) -> Observation:
    """Return what was seen in some of the images."""
    count = len(seen.information)
    layers = {
        name: tuple(values.unflatten(0, (-1, count))[:, images].flatten(0, 1) for values in moments)
        for name, moments in seen.layers.items()
    }
    return Observation(layers, seen.answers[images], seen.information[images])


def rules(known: Fingerprint, running: Fingerprint | None) -> dict[str, Rule]:
    """Return every rule by name: what it makes largest."""
    answers = Fingerprint({}, known.answers)
    found: dict[str, Rule] = {
        "information": lambda seen: float(seen.information.mean()),
        "distance from validation images": lambda seen: -known.distance(seen),
        "half the information less distance": lambda seen: (
            INFORMATION * float(seen.information.mean()) - known.distance(seen)
        ),
        "information less distance": lambda seen: float(seen.information.mean()) - known.distance(seen),
        "answers alone": lambda seen: INFORMATION * float(seen.information.mean()) - answers.distance(seen),
    }
    if running:
        found["distance from running statistics"] = lambda seen: -running.distance(seen)
    return found


def built(found: Mapping[float, Observation], known: Fingerprint) -> float:
    """Return the factor that `find_magnification` takes, given what is seen at every factor that can be shown."""

    def attempt(factor: float) -> Trial | None:
        seen = next((seen for shown, seen in found.items() if math.isclose(shown, factor, rel_tol=1e-6)), None)
        if seen is None:
            return None
        gained, distance = float(seen.information.mean()), known.distance(seen)
        return Trial(factor, INFORMATION * gained - distance, gained, distance)

    factors = sorted(factor for factor in OCTAVES if factor <= 1 or known.layers or known.enlarges)
    return search(attempt, factors, least_gain(known), not known.enlarges, enough(known)).factor


def takes(known: Fingerprint, running: Fingerprint | None) -> dict[str, Callable[[Mapping[float, Observation]], float]]:
    """Return, by the name of the rule, what it takes of the factors at which images were shown."""

    def largest(score: Rule) -> Callable[[Mapping[float, Observation]], float]:
        return lambda found: max(found, key=lambda factor: score(found[factor]))

    by_score = {name: largest(score) for name, score in rules(known, running).items()}
    return by_score | {BUILT: lambda found: built(found, known)}


def images_at(data: Prepared, scale: float, multiple: int) -> tuple[Tensor, Tensor]:
    """Return validation images and masks at a scale: drawn anew where the source is generated, else resampled."""
    side = rescaled_size(data.height, scale, multiple)
    names = data.names["val"][:IMAGES]
    if (data.folder / "test" / "rendered").exists():
        pairs = [rendering.render(shapes.draw_scene(0, name, data.height), side, side) for name in names]
        images, masks = (np.stack(parts) for parts in zip(*pairs, strict=True))
    else:
        chosen = evenly_spaced(len(data.val[0]), IMAGES)
        images, masks = np.array(data.val[0][chosen]), np.array(data.val[1][chosen])
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return rescale_image(x, (side, side)), rescale_mask(torch.from_numpy(masks), (side, side))


@torch.no_grad()
def shown(
    model: torch.nn.Module, x: Tensor, y: Tensor, multiple: int, largest: int
) -> Iterator[tuple[float, Observation, Tensor]]:
    """Yield factor, what the network sees, and counts (3, N, classes), of images shown at every factor.

    largest: side of what is shown at another factor than 1.
    """
    side = x.shape[-1]
    for factor in FACTORS:
        size = max(multiple, round(side * factor / multiple) * multiple)
        if size < LEAST_SIDE or size > largest and factor != 1:
            continue
        parts, counts = [], []
        for images, masks in zip(x.split(4), y.split(4), strict=True):
            seen, logits = observe(model, rescale_image(images, (size, size)))
            parts.append(seen)
            back = rescale_logits(logits, (side, side)).argmax(1)
            counts.append(confusion_counts(masks, back, logits.shape[1]))
        yield factor, Observation.join(parts), torch.cat(counts, 1)


def score_of(data: Prepared, counts: Tensor) -> float:
    """Return the data set's metric of counts (3, N, classes)."""
    tp, fp, fn = counts.sum(1).numpy()
    return data.metric.of_counts(tp, fp, fn, data.classes)


def measure(results: Path, dataset: str, name: str, seed: str) -> tuple[list[dict], list[dict]]:
    """Return the rows of both tables for a network."""
    data = Prepared(results / "datasets" / dataset)
    model, about = load_model(results / "models" / dataset / name / seed)
    run, multiple = {"dataset": dataset, "model": name, "seed": seed.removeprefix("seed")}, 8
    whole = torch.from_numpy(np.array(data.val[0])).permute(0, 3, 1, 2).float() / 255
    known, running = fingerprint(model, whole.split(4)), Fingerprint.of_running_statistics(model)
    factors, picks = [], []
    generator = np.random.default_rng(0)
    with finest_window_only(model):
        for scale in SCALES:
            x, y = images_at(data, scale, multiple)
            found = {f: (seen, counts) for f, seen, counts in shown(model, x, y, multiple, LARGEST * data.height)}
            iou = {factor: score_of(data, counts) for factor, (_, counts) in found.items()}
            best = max(iou, key=lambda f: iou[f])
            for factor, (seen, _) in found.items():
                cells = {"information": float(seen.information.mean()), "distance": known.distance(seen)}
                factors.append(run | {"scale": scale, "factor": factor, "iou": iou[factor]} | cells)
            count = len(next(iter(found.values()))[0].information)
            for size in (n for n in SIZES if n <= count):
                pools = [generator.choice(count, size, replace=False) for _ in range(POOLS)]
                for rule, take in takes(known, running).items():
                    for pool in pools:
                        taken = take({factor: select(seen, pool) for factor, (seen, _) in found.items()})
                        loss = iou[best] - iou[taken]
                        far = abs(np.log2(taken / best)) > 0.51 and loss > SMALL_LOSS
                        picks.append(run | {"scale": scale, "images": size, "rule": rule, "loss": loss, "wrong": far})
    return factors, picks


def main(results: Path, output: Path, networks: list[str]) -> None:
    """Measure the networks and write both tables."""
    torch.set_num_threads(1)
    factors, picks = [], []
    for network in networks:
        rows = measure(results, *network.split("/"))
        factors += rows[0]
        picks += rows[1]
        print(network, flush=True)
        keys = ["dataset", "model", "seed", "images", "rule"]
        by_scale = pd.DataFrame(picks).groupby([*keys, "scale"], sort=False).mean().reset_index()
        table = by_scale.groupby(keys, sort=False).agg(
            mean_loss=("loss", "mean"), worst_loss=("loss", "max"), wrong=("wrong", "mean")
        )
        write_table(table.round(4).reset_index(), output / "magnification-rules.csv")
        write_table(pd.DataFrame(factors).round(4), output / "magnification-factors.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
