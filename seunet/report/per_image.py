"""Scores of single images: a table, and which images are the worst."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seunet.report.claims import load_counts
from seunet.report.tables import Metrics
from seunet.runtime.errors import UserError
from seunet.runtime.tables import write_table
from seunet.settings.metric import Metric

PER_IMAGE_COLUMNS = ["file", "scale", "class", "iou"]
WORST_COLUMNS = ["dataset", "model", "seed", "file", "iou"]
WORST = 5  # images that are named


def collect_per_image(
    files: Iterable[Path | str],
    descriptions: Mapping[str, Path | str],
    metrics: Metrics,
    tables: Iterable[Path | str],
    worst: Path | str,
) -> None:
    """Write the table of every run, see `write_per_image`, and one of the worst images of all runs at scale 1.

    files: counts per image, `…/{dataset}/{model}/seed{seed}.npz`. descriptions: the dataset.json of each data set.
    tables: where the table of each file goes. In `worst`, `iou` is the metric of the data set, as in tables/scores.csv.
    """
    rows = []
    names = {dataset: names_of_test(Path(path)) for dataset, path in descriptions.items()}
    for counts, table in zip(map(Path, files), map(Path, tables), strict=True):
        dataset, model, seed = *counts.parts[-3:-1], int(counts.stem.removeprefix("seed"))
        write_per_image(counts, names[dataset], table)
        images = worst_images(counts, names[dataset], Metric.parse(metrics[dataset]))
        rows += [(dataset, model, seed, file, value) for file, value in images]
    write_table(pd.DataFrame(rows, columns=WORST_COLUMNS), worst)


def names_of_test(path: Path) -> list[str]:
    """Return the names of the test images of a prepared data set, in order, from its dataset.json."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["names"]["test"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: does not name the test images ({error}); delete it to prepare again") from error


def write_per_image(counts: Path, names: Sequence[str], path: Path) -> None:
    """Write the IoU of every image, scale and class, a row each, sorted by image.

    counts: the file of counts per image of an evaluation. names: of its images, in order. A class that is neither in
    the mask nor in the answer of an image has an empty cell. Raises UserError where there are other images than names.
    """
    found = counts_of(counts, names)
    iou = Metric().of_class(found["tp"], found["tp"] + found["fp"] + found["fn"]).swapaxes(0, 1)  # (N, K, C)
    index = pd.MultiIndex.from_product([names, found["scale"], found["classes"]], names=PER_IMAGE_COLUMNS[:3])
    write_table(pd.DataFrame({"iou": iou.ravel()}, index=index).reset_index(), path)


def worst_images(counts: Path, names: Sequence[str], metric: Metric, most: int = WORST) -> list[tuple[str, float]]:
    """Return the images of the lowest metric at scale 1, at most so many, the worst first; arguments as above.

    Images in which no pixel decides the metric are left out.
    """
    found = counts_of(counts, names)
    tp, fp, fn = (found[key][np.abs(found["scale"] - 1).argmin()] for key in ("tp", "fp", "fn"))  # (N, C) each
    values = metric(tp, tp + fp + fn, [str(name) for name in found["classes"]])
    order = [place for place in np.argsort(values, kind="stable") if np.isfinite(values[place])]
    return [(names[place], float(values[place])) for place in order[:most]]


def counts_of(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the counts of a file; UserError unless they are of so many images."""
    found = load_counts(path)
    if found["tp"].shape[1] != len(names):
        raise UserError(f"{path}: of {found['tp'].shape[1]} images, not {len(names)}; evaluate it again")
    return found
