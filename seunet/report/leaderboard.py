"""The row of docs/leaderboard.md: what a change of scale leaves of one network."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from seunet.report.sentences import KEPT, working_range
from seunet.report.tables import with_true_scale

AT = {"×½": 0.5, "×1": 1.0, "×2": 2.0, "×4": 4.0}  # columns
NEAR = 1.1  # a tested scale stands for one of these if no further away
OCTAVE = 2.0  # beyond it lies what no training of the page has shown
HEADER = f"| network | {' | '.join(AT)} | beyond an octave | keeps {KEPT:.0%} |"


def row(scores: pd.DataFrame) -> dict[str, float]:
    """Return the columns of the row of one network.

    Args:
        scores: rows of results/tables/scores.csv, of one run, or the mean of several.

    Returns:
        IoU at the scales of `AT`; `beyond`, its mean over the scales below ×½ and above ×2; `from` and `to`, the ends
        of the unbroken stretch of scales about ×1 that keep 90 % of the IoU there. NaN for what was not tested.
    """
    table = with_true_scale(scores).sort_values("true_scale")
    scales, values = table["true_scale"].to_numpy(), table["iou"].to_numpy()
    found = {}
    for name, scale in AT.items():
        nearest = np.abs(np.log(scales / scale)).argmin()
        is_near = max(scales[nearest] / scale, scale / scales[nearest]) <= NEAR
        found[name] = float(values[nearest]) if is_near else math.nan
    beyond = values[(scales < 1 / OCTAVE / NEAR) | (scales > OCTAVE * NEAR)]
    mean = float(beyond.mean()) if len(beyond) else math.nan
    ends = math.nan, math.nan
    one = int(np.abs(np.log(scales)).argmin())
    if len(scales) > 1 and values[one] > 0:  # not NaN either
        low, high = working_range(values, one)
        ends = float(scales[low]), float(scales[high])
    return {**found, "beyond": mean, "from": ends[0], "to": ends[1]}


def line(name: str, values: Mapping[str, float]) -> str:
    """Return a row as a line of a table of Markdown, under `HEADER`."""
    return f"| {name} | {' | '.join(cells_of(values, (*AT, 'beyond')))} |"


def cells_of(values: Mapping[str, float], keys: Sequence[str]) -> list[str]:
    """Return the cells of some columns of a row, and of the stretch; nothing for what was not tested."""
    cells = ["" if math.isnan(values[key]) else f"{values[key]:.3f}".removeprefix("0") for key in keys]
    return [*cells, "" if math.isnan(values["from"]) else f"×{values['from']:.2g} to ×{values['to']:.2g}"]
