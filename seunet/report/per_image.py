"""Scores of single images: a table, and which images are the worst."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seunet.report.claims import load_counts
from seunet.runtime.errors import UserError
from seunet.runtime.tables import write_table
from seunet.settings.metric import Metric

PER_IMAGE_COLUMNS = ["file", "scale", "class", "iou"]
WORST = 5  # images that are named


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
