"""Sentences about the scores of one network: how well it works at scale 1, and how far from there it keeps working."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from seunet.experiment.degenerate import Fault
from seunet.report.tables import with_true_scale

NOTICED = 0.005  # of a metric: smaller changes are none
KEPT = 0.9  # a network works at a scale if it keeps this share of its metric at scale 1


def describe_scores(scores: pd.DataFrame, metric: str, faults: Sequence[Fault] = ()) -> str:
    """Return a sentence about the scores of one network.

    Args:
        scores: rows of results/tables/scores.csv, of one run.
        metric: name of the metric in the column iou.
        faults: of this run. A fatal one takes the place of the sentence; the others follow it with a "but".
    """
    table = with_true_scale(scores).sort_values("true_scale")
    one = int(np.abs(np.log2(table["true_scale"])).argmin())
    start = table["iou"].iloc[one]
    if fatal := [str(fault) for fault in faults if fault.fatal]:
        return f"Its scores say nothing: on these images this network {' and '.join(fatal)}."
    if not np.isfinite(start):
        return f"Nothing can be said: no pixel decides the metric ({metric}) at ×1."
    said = f"{metric} is {start:.3f} at ×1"
    if len(table) > 1:
        said += (
            f", {describe_range(table, one)}; at least {table['consistency'].min():.0%} of the pixels keep their class"
        )
    return "; but it ".join([said, *map(str, faults)]) + "."


def describe_gain(scores: pd.DataFrame, found: pd.DataFrame, metric: str) -> str:
    """Return a sentence about the scores of a network at factors that it finds itself, beside those as it is.

    scores, found: rows of results/tables/scores.csv, of one run each, at the same scales.
    """
    tables = [with_true_scale(table).sort_values("true_scale").reset_index() for table in (scores, found)]
    scales, before, after = tables[0]["true_scale"], tables[0]["iou"], tables[1]["iou"]
    change = after - before
    if not change.abs().max() >= NOTICED:  # nor where no scale has both
        return f"{metric} is the same at every scale."
    said = []
    for words, i, is_noticed in (
        ("", change.argmax(), change.max() >= NOTICED),
        ("at worst, ", change.argmin(), change.min() <= -NOTICED),
    ):
        if is_noticed:
            said.append(f"{words}{metric} at ×{scales[i]:.2g} is {after[i]:.3f} instead of {before[i]:.3f}")
    return f"{'; '.join(said)}; over all scales the mean gain is {change.mean():+.3f}."


def describe_range(table: pd.DataFrame, one: int) -> str:
    """Return from which scale to which a network works, and where it is worst; one: the row of scale 1."""
    scales, values = table["true_scale"].to_numpy(), table["iou"].to_numpy()
    low, high = working_range(values, one)
    kept = f"keeps at least {KEPT:.0%} of that from ×{scales[low]:.2g} to ×{scales[high]:.2g}"
    if low == high:
        kept = f"keeps {KEPT:.0%} of that at no other scale"
    worst = int(np.nanargmin(values))
    falls = values[worst] < KEPT * values[one]
    return kept + (f", and falls to {values[worst]:.3f} at ×{scales[worst]:.2g}" if falls else "")


def working_range(values: np.ndarray, one: int) -> tuple[int, int]:
    """Return the first and last row of the unbroken stretch about a row whose values keep enough of the one there."""
    works = np.nan_to_num(values, nan=0.0) >= KEPT * values[one]
    return one - unbroken(works[one::-1]) + 1, one + unbroken(works[one:]) - 1


def unbroken(works: Sequence[bool] | np.ndarray) -> int:
    """Return how many values are true before the first that is false."""
    return int(np.argmin([*works, False]))
