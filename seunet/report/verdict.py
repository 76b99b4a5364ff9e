"""One sentence about one network: how well it works at scale 1, and how far from there it keeps working."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from seunet.report.tables import with_true_scale

KEPT = 0.9  # a network works at a scale if it keeps this share of its metric at scale 1


def verdict(scores: pd.DataFrame, metric: str, warnings: Sequence[str] = ()) -> str:
    """Return a sentence about the scores of one network.

    Args:
        scores: rows of results/tables/scores.csv, of one run.
        metric: name of the metric in the column iou.
        warnings: of this run, see `seunet.experiment.degenerate`.
    """
    table = with_true_scale(scores).sort_values("true_scale")
    scales, values = table["true_scale"].to_numpy(), table["iou"].to_numpy()
    one = int(np.abs(np.log2(scales)).argmin())
    start, least = values[one], table["consistency"].min()
    if warnings:
        return f"Its scores say nothing: on these images this network {' and '.join(warnings)}."
    if not np.isfinite(start):
        return f"Nothing can be said: no pixel decides the metric ({metric}) at ×1."
    works = np.nan_to_num(values, nan=0.0) >= KEPT * start
    low, high = one - unbroken(works[one::-1]) + 1, one + unbroken(works[one:]) - 1
    reach = f"keeps at least {KEPT:.0%} of that from ×{scales[low]:.2g} to ×{scales[high]:.2g}"
    if low == high:
        reach = f"keeps {KEPT:.0%} of that at no other scale"
    worst = int(np.nanargmin(values))
    falls = f", and falls to {values[worst]:.3f} at ×{scales[worst]:.2g}" if not works[worst] else ""
    return f"{metric} is {start:.3f} at ×1, {reach}{falls}; at least {least:.0%} of the pixels keep their class."


def unbroken(works: Sequence[bool] | np.ndarray) -> int:
    """Return how many values are true before the first that is false."""
    return int(np.argmin([*works, False]))
