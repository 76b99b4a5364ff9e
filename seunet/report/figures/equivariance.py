"""Equivariance of trained networks: the error of every stage under a change of scale."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from seunet.report.figures import style
from seunet.report.figures.axes import band_note, block_title, draw_band, power_label
from seunet.report.tables import EQUIVARIANCE_COLUMNS
from seunet.runtime.errors import UserError
from seunet.runtime.tables import read_table

SMALLER, LARGER = ("Blues", "v"), ("Oranges", "^")  # hue and marker of images that shrank and that grew
NEAR, FAR = 0.5, 0.95  # shades of the hue, from the nearest to the furthest scale
PANELS = 5  # beside each other, at most
PANEL = 1.4  # inches: the height of a row of panels, names of stages included
TICKS = [m * 10.0**e for e in range(-6, 4) for m in (1, 2, 5)]
LABEL_WIDTH = 24  # characters of a model's label in a line
NOT_LEARNED = "lifting"  # not drawn: its small errors, of the image's brightness above all, would stretch the axis
LOWEST = 1e-4  # a smaller error, such as none, is drawn here: the axis is logarithmic


def draw_equivariance(
    errors: Path | str, models: Mapping[str, Mapping[str, Any]], paths: Iterable[Path | str], commit: str | None = None
) -> None:
    """Draw the relative error of every stage, a line per scale: a panel per model, a block of them per data set.

    `errors` is the table of `collect_equivariance`, `models` the whole `models` section of the configuration. All
    panels have the same axes. Raises UserError when no model has results, or no scale any error.
    """
    table = read_table(errors, EQUIVARIANCE_COLUMNS)
    styles = style.model_styles(models)
    shown = style.shown_models(models, table["model"], str(errors))
    table = table[table["model"].isin(shown) & (table["stage"] != NOT_LEARNED)]
    # Places count back from the logits, where networks of any depth meet.
    last = table.groupby(["dataset", "model"])["position"].transform("max")
    table = table.assign(place=table["position"] - last, error=table["error"].clip(lower=LOWEST))
    looks = scale_looks(table[np.isfinite(table["error"])]["scale"])
    if not looks:
        raise UserError(f"{errors}: no error at any scale; choose equivariance_scales that fit the size of the images")
    with matplotlib.rc_context(style.RC):
        blocks = dict(iter(table.groupby("dataset", sort=False)))
        names = {name: [model for model in shown if model in set(rows["model"])] for name, rows in blocks.items()}
        figure, panels = grid(names)
        for (dataset, model), axes in panels.items():
            rows = blocks[dataset]
            draw_panel(axes, rows[rows["model"] == model], looks)
            axes.set_title(style.wrapped(styles[model].label, LABEL_WIDTH), loc="left", fontsize=7, pad=3)
            if model == names[dataset][0]:
                block_title(axes, dataset)
        share_axes(panels, table)
        handles = [Line2D([], [], label=factor(scale), **look) for scale, look in looks.items()]
        note = ["Size of the images relative to training", *filter(None, [band_note(table, shown)])]
        style.legend_below(figure, handles, ". ".join(note))
        style.save(figure, paths, "Equivariance of trained networks", commit)


def grid(names: Mapping[str, list[str]]) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return a figure and its panels by data set and model: as few rows for each data set as fit."""
    most = max(map(len, names.values()))
    columns = math.ceil(most / math.ceil(most / PANELS))
    heights = [math.ceil(len(models) / columns) for models in names.values()]
    figure = style.new_figure(style.PAGE, PANEL * sum(heights) + 0.35 * len(names))
    axes = figure.subplots(sum(heights), columns, sharey=True, squeeze=False)
    panels: dict[tuple[str, str], Axes] = {}
    top = 0
    for (dataset, models), height in zip(names.items(), heights, strict=True):
        block = axes[top : top + height].ravel()
        panels |= {(dataset, model): panel for model, panel in zip(models, block, strict=False)}
        for unused in block[len(models) :]:
            unused.remove()
        top += height
    return figure, panels


def scale_looks(scales: Iterable[float]) -> dict[float, style.Look]:
    """Return the line of each scale, smallest first: the darker, the further from 1; hue and marker tell which way."""
    looks = {}
    for (hue, marker), side in ((SMALLER, [s for s in scales if s < 1]), (LARGER, [s for s in scales if s > 1])):
        ordered = sorted(set(side), key=lambda scale: abs(math.log(scale)))
        shades = [(NEAR + FAR) / 2] if len(ordered) == 1 else np.linspace(NEAR, FAR, len(ordered))
        for scale, shade in zip(ordered, shades, strict=True):
            colour = matplotlib.colors.to_hex(matplotlib.colormaps[hue](shade))
            looks[scale] = {"color": colour, "marker": marker, "markersize": 3, "linewidth": 1}
    return dict(sorted(looks.items()))


def draw_panel(axes: Axes, rows: pd.DataFrame, looks: Mapping[float, style.Look]) -> None:
    """Draw one model: a line per scale over its stages."""
    for scale, look in looks.items():
        at_scale = rows[rows["scale"] == scale]
        if np.isfinite(at_scale["error"]).any():
            draw_band(axes, at_scale, "place", "error", look)
    stages = rows.drop_duplicates("place").sort_values("place")
    labels = [name.replace("encoder", "enc.").replace("decoder", "dec.") for name in stages["stage"]]
    axes.set_xticks(stages["place"], labels, rotation=90, fontsize=6)
    axes.tick_params(axis="x", length=2, pad=1)


def share_axes(panels: Mapping[Any, Axes], table: pd.DataFrame) -> None:
    """Give all panels the same axes: stages up to the logits, and errors on a logarithmic axis."""
    errors = table["error"][np.isfinite(table["error"])]
    low, high = errors.min() / 1.3, errors.max() * 1.3
    for axes in panels.values():
        axes.set_xlim(table["place"].min() - 0.5, 0.5)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(FixedLocator([tick for tick in TICKS if low <= tick <= high]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_ylim(low, high)
        if (place := axes.get_subplotspec()) and place.is_first_col():
            axes.set_ylabel("Relative error")


def factor(scale: float) -> str:
    """Return a scale as ×½, ×4 or ×1.5."""
    power = math.log2(scale)
    return power_label(int(power)) if power.is_integer() else f"×{scale:g}"
