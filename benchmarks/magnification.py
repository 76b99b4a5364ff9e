"""Which rule finds the factor of a folder? Rules compared for trained networks, on images that are not of the test.

    python -m benchmarks.magnification RESULTS OUTPUT dataset/model/seed …

RESULTS: a folder `results` with prepared data sets and trained networks. OUTPUT: a folder for magnification-factors.csv
(every factor of every scale, all images together), magnification-rules.csv (every rule, for pools of 1 to 16 images:
how much is lost against the best factor, and how often the factor is further than half an octave from it) and
magnification-wrong.csv (the same of the rule that was built, by scale).
"""

import sys
from collections.abc import Callable, Iterator
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
from seunet.experiment.factor_search import Trial
from seunet.experiment.fingerprint import Fingerprint, fingerprint_of
from seunet.experiment.magnification import LEAST_SIDE, OCTAVES, PROBES, search_by_fingerprint, trial_of
from seunet.experiment.metrics import confusion_counts
from seunet.experiment.observation import Observation, finest_window_only, observe
from seunet.models.calling import sides_at, size_multiple
from seunet.runtime.tables import write_table

SCALES = (0.35, 0.5, 0.71, 1, 1.41, 2, 4)
FACTORS = tuple(2 ** (k / 2) for k in range(4, -8, -1))
IMAGES, POOLS, SIZES = 32, 20, (1, 2, 4, 8, 16)
UNSEEN = 10_000  # number of the first scene: validation has fewer
MULTIPLE = 8  # of sides, where a network says none
LARGEST = 3  # times the side of training: more is not shown
SMALL_LOSS = 0.02  # of the metric: a factor that loses less is not wrong
Rule = Callable[[Observation], float]
BUILT = "as find_magnification searches"


class Looks(dict[float, Observation | None]):
    """What a network sees in images (N, C, H, W) by the factor at which they are shown, found when it is asked for.

    None where images cannot be shown so. counts: (3, N, classes) of the answers, by factor.
    largest: side of what is shown at another factor than 1.
    """

    def __init__(self, model: torch.nn.Module, x: Tensor, y: Tensor, largest: int):
        super().__init__()
        self.model, self.batches, self.largest = model, list(zip(x.split(4), y.split(4), strict=True)), largest
        self.side = x.shape[-1]
        self.counts: dict[float, Tensor] = {}

    @torch.no_grad()
    def __missing__(self, factor: float) -> Observation | None:
        """Show the images at a factor."""
        side, _ = sides_at((self.side, self.side), factor, size_multiple(self.model))
        self[factor] = None
        if side >= LEAST_SIDE and (side <= self.largest or factor == 1):
            parts, counts = [], []
            for images, masks in self.batches:
                seen, logits = observe(self.model, rescale_image(images, (side, side)))
                parts.append(seen)
                answers = rescale_logits(logits, (self.side, self.side)).argmax(1)
                counts.append(confusion_counts(masks, answers, logits.shape[1]))
            self[factor], self.counts[factor] = Observation.join(parts), torch.cat(counts, 1)
        return self[factor]


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
    answers, layers = Fingerprint({}, known.answers), Fingerprint(known.layers)
    found: dict[str, Rule] = {
        "information": lambda seen: float(seen.information.mean()),
        "distance from validation images": lambda seen: -known.distance(seen),
        "half the information less distance": lambda seen: trial_of(1, seen, known).score,
        "information less distance": lambda seen: float(seen.information.mean()) - known.distance(seen),
        "answers alone": lambda seen: trial_of(1, seen, answers).score,
        "half the information less distance of layers": lambda seen: trial_of(1, seen, layers).score,
    }
    if running:
        found["distance from running statistics"] = lambda seen: -running.distance(seen)
    return found


def built(looks: Looks, pool: np.ndarray, known: Fingerprint) -> float:
    """Return the factor that `find_magnification` takes of a pool of images."""
    probes = pool[evenly_spaced(len(pool), PROBES)]

    def attempt(factor: float) -> Trial | None:
        seen = looks[factor]
        return trial_of(factor, select(seen, probes), known) if seen else None

    return search_by_fingerprint(attempt, OCTAVES, known, len(pool) == 1).factor


def taken(
    looks: Looks, pool: np.ndarray, known: Fingerprint, running: Fingerprint | None
) -> Iterator[tuple[str, float]]:
    """Yield every rule, and the factor that it takes of a pool of images."""
    seen = {factor: select(one, pool) for factor, one in shown(looks).items()}
    for rule, score in rules(known, running).items():
        scores = {factor: score(one) for factor, one in seen.items()}
        yield rule, max(scores, key=lambda factor: scores[factor])
    yield BUILT, built(looks, pool, known)


def shown(looks: Looks) -> dict[float, Observation]:
    """Return what is seen at the half octaves at which images can be shown."""
    seen = ((factor, looks[factor]) for factor in FACTORS)
    return {factor: one for factor, one in seen if one is not None}


def images_at(data: Prepared, scale: float) -> tuple[Tensor, Tensor]:
    """Return images and masks at a scale that neither training nor fingerprint has seen.

    Where the source is generated, they are drawn; else they are every second validation image, resampled.
    """
    side = rescaled_size(data.height, scale, MULTIPLE)
    if (data.folder / "test" / "rendered").exists():
        scenes = [shapes.draw_scene(0, f"val_{UNSEEN + i}", data.height) for i in range(IMAGES)]
        pairs = [rendering.render(scene, side, side) for scene in scenes]
        images, masks = (np.stack(parts) for parts in zip(*pairs, strict=True))
    else:
        images, masks = (half[evenly_spaced(len(half), IMAGES)] for half in (part[::2] for part in data.val))
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return rescale_image(x, (side, side)), rescale_mask(torch.from_numpy(masks), (side, side))


def score_of(data: Prepared, looks: Looks, factor: float) -> float:
    """Return the data set's metric of the answers to images shown at a factor."""
    tp, fp, fn = looks.counts[factor].sum(1).numpy()
    return data.metric.of_counts(tp, fp, fn, data.classes)


def measure(results: Path, dataset: str, name: str, seed: str) -> tuple[list[dict], list[dict]]:
    """Return for a network the rows of its factors, and those of what every rule takes of every pool."""
    data = Prepared(results / "datasets" / dataset)
    model, _ = load_model(results / "models" / dataset / name / seed)
    if not hasattr(model, "size_multiple"):
        model.size_multiple = MULTIPLE
    run = {"dataset": dataset, "model": name, "seed": seed.removeprefix("seed")}
    known = fingerprint_of(model, data, part=slice(1, None, 2))  # the other half of the validation images
    running = Fingerprint.of_running_statistics(model)
    factors, picks = [], []
    generator = np.random.default_rng(0)
    with finest_window_only(model):
        for scale in SCALES:
            looks = Looks(model, *images_at(data, scale), LARGEST * data.height)
            for factor, seen in shown(looks).items():
                cells = {"information": float(seen.information.mean()), "distance": known.distance(seen)}
                factors.append(run | {"scale": scale, "factor": factor, "iou": score_of(data, looks, factor)} | cells)
            best = max(shown(looks), key=lambda factor: score_of(data, looks, factor))
            count = sum(len(images) for images, _ in looks.batches)
            for size in (n for n in SIZES if n <= count):
                pools = [generator.choice(count, size, replace=False) for _ in range(POOLS)]
                for pool in pools:
                    for rule, factor in taken(looks, pool, known, running):
                        loss = score_of(data, looks, best) - score_of(data, looks, factor)
                        far = abs(np.log2(factor / best)) > 0.51 and loss > SMALL_LOSS
                        picks.append(run | {"scale": scale, "images": size, "rule": rule, "loss": loss, "wrong": far})
    return factors, picks


def main(results: Path, output: Path, networks: list[str]) -> None:
    """Measure the networks and write the three tables."""
    torch.set_num_threads(1)
    factors, picks = [], []
    for network in networks:
        more_factors, more_picks = measure(results, *network.split("/"))
        factors += more_factors
        picks += more_picks
        print(network, flush=True)
        keys = ["dataset", "model", "seed", "images", "rule"]
        by_scale = pd.DataFrame(picks).groupby([*keys, "scale"], sort=False).mean().reset_index()
        by_rule = by_scale.groupby(keys, sort=False).agg(
            mean_loss=("loss", "mean"), worst_loss=("loss", "max"), wrong=("wrong", "mean")
        )
        write_table(by_rule.round(4).reset_index(), output / "magnification-rules.csv")
        write_table(pd.DataFrame(factors).round(4), output / "magnification-factors.csv")
        built_alone = by_scale[by_scale["rule"] == BUILT].drop(columns="rule")
        write_table(built_alone.round(4), output / "magnification-wrong.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
