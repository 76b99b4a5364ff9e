"""What figures of several kinds draw on their axes: means with their bands, scales, limits, titles."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from seunet.report.figures import style

SCALE_LABEL = "Scale of the test images, relative to training"
FRACTIONS = {-1: "½", -2: "¼", -3: "⅛"}
Paths = Iterable[Path | str]
Models = Mapping[str, Mapping[str, Any]]


def block_title(axes: Axes, dataset: str) -> None:
    """Write the name of the data set above the title of its first panel."""
    above = 16 + 8 * axes.get_title("left").count("\n")
    axes.annotate(dataset, (0, 1), (0, above), "axes fraction", "offset points", fontweight="bold")


def mark_training(axes: Axes) -> None:
    """Draw a line at the scale of the training images."""
    axes.axvline(1, color=style.INK, linewidth=0.7, linestyle=":", zorder=0.5)


def draw_band(axes: Axes, table: pd.DataFrame, x: str, y: str, line: style.Look) -> None:
    """Draw the mean over seeds as a line and, with several seeds, their minimum and maximum as a band."""
    finite = table[np.isfinite(table[y])]
    if table["seed"].nunique() == 1:
        means = finite.groupby(x)[y].mean()
        axes.plot(means.index, means, **line)
        return
    import seaborn  # a second of imports, which figures of one seed do without

    band = {"alpha": 0.18, "linewidth": 0}
    seaborn.lineplot(finite, x=x, y=y, errorbar=("pi", 100), err_kws=band, legend=False, ax=axes, **line)
    axes.set(xlabel="", ylabel="")  # instead of the names of columns


def band_note(table: pd.DataFrame, shown: list[str]) -> str | None:
    """Return what line and band mean, for the title of the legend; None when every model has one seed."""
    seeds = sorted(set(table[table["model"].isin(shown)].groupby("model")["seed"].nunique()))
    if seeds[-1] == 1:
        return None
    number = str(seeds[-1]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return f"Line: mean of {number} seeds; band: minimum to maximum"


def scale_axis(axes: Axes, scales: Iterable[float]) -> None:
    """Make the x axis a log2 axis over `scales` with ticks ×¼ ×½ ×1 ×2 ×4, the training scale marked."""
    low, high = math.log2(min([*scales, 0.5])), math.log2(max([*scales, 2]))
    margin = 0.04 * (high - low)
    powers = range(math.ceil(low - margin), math.floor(high + margin) + 1)
    axes.set_xscale("log", base=2)
    axes.set_xlim(2 ** (low - margin), 2 ** (high + margin))
    axes.set_xticks([2.0**p for p in powers], [power_label(p) for p in powers])
    axes.set_xticks([], minor=True)


def power_label(power: int) -> str:
    """Return ×¼ for −2, ×4 for 2, and so on; ×1 with the note that it is the training scale."""
    if power == 0:
        return "×1\n(training)"
    return f"×{FRACTIONS.get(power) or (2**power if power > 0 else f'1/{2**-power}')}"


def unit_limits(*panels: Axes) -> None:
    """Fit the y axes to all data, within [0, 1] and at least 0.1 wide: noise shall not fill the panel."""
    ends = np.array([axes.dataLim.intervaly for axes in panels])
    ends = ends[np.isfinite(ends).all(1)]
    low, high = (ends[:, 0].min(), ends[:, 1].max()) if len(ends) else (0, 1)
    margin = max(0.05 * (high - low), (0.1 - (high - low)) / 2)
    for axes in panels:
        axes.set_ylim(max(low - margin, -0.01), min(high + margin, 1.01))
