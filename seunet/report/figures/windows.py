"""Windows of scales of lifted networks: what each would score, and which was chosen, at every test scale."""

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seunet.report.figures import style
from seunet.report.figures.axes import SCALE_LABEL, Models, Paths, block_title, mark_training, scale_axis
from seunet.report.tables import WINDOWS_COLUMNS, with_true_scale
from seunet.runtime.errors import UserError
from seunet.runtime.tables import read_table
from seunet.settings.metric import Metric

COLOURS = matplotlib.colormaps["viridis"]  # sequential and perceptually uniform
DARK = 0.55  # of the colours: numbers on darker ones are white
ROW, ABOVE, BELOW = 0.27, 0.32, 0.5  # inches: a window; the title of a panel; the last axis
DOT = 46  # area in square points of a window that was chosen for all images
SHARES = (0.1, 0.5, 1.0)  # in the legend
LEAST_SHARE = 0.005  # smaller ones have no dot
WIDTH = 2.3  # inches: all columns
DIGITS = 1.4  # width of two digits and the room around them, in sizes of the type
SMALLEST, LARGEST = 4.5, 6.5  # points: a number
MIN_WIDTH = 0.03  # in octaves: half the width of a column without neighbours


def draw_scales(
    windows: Path | str, dataset: str, models: Models, metric: Any, paths: Paths, commit: str | None = None
) -> None:
    """Draw the metric of each window of scales against the true test scale, a panel per lifted network.

    Args:
        windows: table with the columns WINDOWS_COLUMNS: `window` is a text such as 1-2, `iou` the score of the network
            with these scales alone, `chosen` the share of images for which it took them.
        dataset: the one that is drawn.
        models: the whole `models` section of the configuration.
        metric: that of the data set, for the name of the colours.
        paths: of the figure (.png, .svg).
        commit: of the code, for the metadata.

    Raises:
        UserError: the table is missing, or has nothing of this data set and these models.
    """
    table = read_table(windows, WINDOWS_COLUMNS)
    table = table[table["dataset"] == dataset]
    shown = style.shown_models(models, table["model"], f"{windows}, data set '{dataset}'")
    styles = style.model_styles(models)
    values = ["iou", "chosen"]
    means = with_true_scale(table).groupby(["model", "window", "true_scale"], as_index=False)[values].mean()
    panels = {model: means[means["model"] == model] for model in shown}
    with matplotlib.rc_context(style.RC | {"axes.grid": False}):
        figure, grid = stacked({model: rows["window"].nunique() for model, rows in panels.items()})
        colours = Normalize(*colour_range(means["iou"]))
        for axes, (model, rows) in zip(grid, panels.items(), strict=True):
            draw_panel(axes, rows, colours)
            look = styles[model]
            axes.set_title(look.label, loc="left", fontsize=7, pad=3, color=look.colour)
            scale_axis(axes, means["true_scale"])
            axes.set_xlim(*column_edges(np.unique(means["true_scale"]))[[0, -1]])
        for axes in grid[:-1]:
            axes.tick_params(axis="x", labelbottom=False)
        grid[-1].set_xlabel(SCALE_LABEL)
        bar = figure.colorbar(matplotlib.cm.ScalarMappable(colours, COLOURS), ax=list(grid), aspect=25, pad=0.02)
        bar.set_label(f"{Metric.parse(metric).name} of a window, %", fontsize=7)
        bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
        bar.outline.set_visible(False)
        block_title(grid[0], dataset)
        style.legend_below(figure, [dot_handle(share) for share in SHARES], "Share of images that chose a window")
        style.save(figure, paths, f"{dataset}: windows of scales", commit)


def stacked(rows: dict[str, int]) -> tuple[Figure, np.ndarray]:
    """Return a figure with a panel below another, as high as its number of windows asks."""
    heights = [ROW * count + ABOVE for count in rows.values()]
    figure = style.new_figure(style.COLUMN, sum(heights) + BELOW)
    grid = figure.subplots(len(heights), sharex=False, height_ratios=heights, squeeze=False)[:, 0]
    return figure, grid


def colour_range(scores: pd.Series) -> tuple[float, float]:
    """Return the ends of the colours: all scores, at least 0.1 apart; raise UserError where there is none."""
    if not np.isfinite(scores).any():
        raise UserError("windows of scales: no score is a number; run the evaluation again")
    low, high = scores.min(), scores.max()
    margin = max(0.0, 0.1 - (high - low)) / 2
    return max(0.0, low - margin), min(1.0, high + margin)


def draw_panel(axes: Axes, rows: pd.DataFrame, colours: Normalize) -> None:
    """Draw one network: a cell per window and scale in the colour of its score, a dot by how often it was chosen."""
    scores = rows.pivot_table("iou", "window", "true_scale", dropna=False)
    scores = scores.loc[sorted(scores.index, key=window_ends)]
    chosen = rows.pivot_table("chosen", "window", "true_scale", dropna=False).reindex_like(scores)
    scales = scores.columns.to_numpy()
    edges = column_edges(scales)
    axes.pcolormesh(edges, np.arange(len(scores) + 1) - 0.5, scores, cmap=COLOURS, norm=colours, linewidth=0)
    axes.set_yticks(range(len(scores)), [window.replace("-", "–") for window in scores.index])
    axes.set_ylabel("Scales")
    axes.tick_params(axis="y", length=0)
    widths, middles = column_points(edges), np.sqrt(edges[1:] * edges[:-1])
    size = float(np.clip(widths[widths >= SMALLEST].min(initial=LARGEST), SMALLEST, LARGEST))
    for (row, column), score in np.ndenumerate(scores.to_numpy()):
        if np.isfinite(score) and widths[column] >= SMALLEST:  # in narrower ones the colour has to say it
            ink = "white" if colours(score) < DARK else "black"
            place = (middles[column], row + 0.22)
            axes.text(*place, f"{100 * score:.0f}", ha="center", va="center", fontsize=size, color=ink)
    for (row, column), share in np.ndenumerate(chosen.to_numpy()):
        if np.isfinite(share) and share >= LEAST_SHARE:
            axes.scatter([middles[column]], [row - 0.2], s=DOT * share, **DOT_LOOK)
    mark_training(axes)


DOT_LOOK: style.Look = {"facecolor": "white", "edgecolor": "black", "linewidth": 0.5, "zorder": 3}


def dot_handle(share: float) -> Line2D:
    """Return the entry of the legend for a share of images."""
    look: style.Look = {"markerfacecolor": "white", "markeredgecolor": "black", "markeredgewidth": 0.5}
    return Line2D([], [], linestyle="none", marker="o", markersize=math.sqrt(DOT * share), label=f"{share:.0%}", **look)


def column_edges(scales: np.ndarray) -> np.ndarray:
    """Return the borders between columns, (K + 1,): halfway between scales on the logarithmic axis."""
    octaves = np.log2(scales)
    middles = (octaves[1:] + octaves[:-1]) / 2
    half = np.diff(octaves) / 2 if len(octaves) > 1 else np.array([0.25])
    ends = octaves[0] - max(half[0], MIN_WIDTH), octaves[-1] + max(half[-1], MIN_WIDTH)
    return 2 ** np.concatenate([[ends[0]], middles, [ends[1]]])


def column_points(edges: np.ndarray) -> np.ndarray:
    """Return the size in points, (K,), of the two digits that fit into each column."""
    octaves = np.diff(np.log2(edges))
    return octaves / max(octaves.sum(), 2) * WIDTH * 72 / DIGITS


def window_ends(window: str) -> tuple[float, ...]:
    """Return the numbers of a window such as 2-4, to sort by; raise UserError where it is none."""
    try:
        return tuple(float(end) for end in window.split("-"))
    except ValueError as error:
        raise UserError(f"window '{window}': expected scales such as 1-2 or 4; run the evaluation again") from error
