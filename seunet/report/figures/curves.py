"""Metric and consistency against the scale of the test images."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from seunet.report.figures import style
from seunet.report.figures.axes import (
    SCALE_LABEL,
    Models,
    Paths,
    band_note,
    block_title,
    draw_band,
    mark_training,
    scale_axis,
    unit_limits,
)
from seunet.report.tables import SCORES_COLUMNS, with_true_scale
from seunet.runtime.errors import UserError
from seunet.runtime.tables import read_table
from seunet.settings.metric import Metric

TOGETHER = 6  # curves in a panel, at most: the bands of more hide each other
PANELS = 4  # beside each other, at most
TITLE_WIDTH = 30  # characters of a model's label above its panel, in a line


def draw_iou(
    scores: Path | str,
    dataset: str,
    models: Models,
    metric: Any,
    paths: Paths,
    commit: str | None = None,
    ceiling: float | None = None,
) -> None:
    """Draw the data set's metric against the true scale of the test images, a curve per model.

    `scores` is the table of `collect_scores`; `models` the whole `models` section of the configuration
    (label, architecture, scale_jitter), whose order gives the colours; `metric` as there. `ceiling` is what the
    labels themselves allow, a thin dotted line. Raises UserError when the data set has no results.
    """
    draw_scores(scores, dataset, models, list(models), "iou", Metric.parse(metric).name, paths, commit, ceiling=ceiling)


def draw_consistency(scores: Path | str, dataset: str, models: Models, paths: Paths, commit: str | None = None) -> None:
    """Draw the share of pixels that keep their class when the scale changes. Arguments as `draw_iou`."""
    name = "Consistency with scale ×1"
    draw_scores(scores, dataset, models, list(models), "consistency", name, paths, commit)


def draw_augmentation(
    scores: Path | str, dataset: str, models: Models, metric: Any, paths: Paths, commit: str | None = None
) -> None:
    """Draw SEU-Nets against U-Nets with and without scale jittering, and the scales each was trained on.

    Arguments as `draw_iou`. Other networks appear only when they were trained with jittering.
    """
    styles = style.model_styles(models)
    compared = [
        name for name, model in models.items() if styles[name].jitter or model.get("architecture") in ("unet", "seunet")
    ]
    name = Metric.parse(metric).name
    draw_scores(scores, dataset, models, compared, "iou", name, paths, commit, training_scales=True)


def draw_scores(
    scores: Path | str,
    dataset: str,
    models: Models,
    chosen: list[str],
    column: str,
    name: str,
    paths: Paths,
    commit: str | None,
    training_scales: bool = False,
    ceiling: float | None = None,
) -> None:
    """Draw `column` of the score table for the chosen models, and the scales each was trained on if asked.

    Up to TOGETHER models share a panel; more have one each, with the others in grey.
    """
    table = read_table(scores, SCORES_COLUMNS)
    table = table[table["dataset"] == dataset]
    if table.empty:
        raise UserError(f"{scores}: no scores of data set '{dataset}'; add a run of it")
    table = with_true_scale(table)
    styles = style.model_styles(models)
    shown = style.shown_models(chosen, table["model"], f"{scores}, data set '{dataset}'")
    curves = Curves(dataset, table, column, name, {model: styles[model] for model in shown}, training_scales, ceiling)
    with matplotlib.rc_context(style.RC):
        figure = draw_together(curves) if len(shown) <= TOGETHER else draw_apart(curves)
        style.save(figure, paths, f"{dataset}: {name} against test scale", commit)


@dataclass(frozen=True)
class Curves:
    """What is drawn: a column of a data set's scores, its name for the axis, and the looks of the models."""

    dataset: str
    table: pd.DataFrame
    column: str
    name: str
    looks: dict[str, style.ModelStyle]
    training_scales: bool
    ceiling: float | None = None

    def draw(self, axes: Axes, model: str) -> None:
        """Draw the curve of one model."""
        draw_band(axes, self.table[self.table["model"] == model], "true_scale", self.column, self.looks[model].line)

    def draw_ceiling(self, axes: Axes) -> list[Line2D]:
        """Draw what the labels allow, where it is given; return the line for the legend."""
        if self.ceiling is None:
            return []
        label = "ceiling of the labels"
        return [axes.axhline(self.ceiling, color=style.INK, linewidth=0.7, linestyle=":", label=label)]

    def note(self) -> str | None:
        """Return what line and band mean."""
        return band_note(self.table, list(self.looks))


def draw_together(curves: Curves) -> Figure:
    """Return a figure with all models in one panel."""
    strip = 0.09 * len(curves.looks) + 0.12 if curves.training_scales else 0
    figure = style.new_figure(style.COLUMN, 2.35 + strip)
    if curves.training_scales:
        axes, below = figure.subplots(2, sharex=True, height_ratios=[1.75, strip])
        draw_training_scales(below, list(curves.looks.values()))
        axes.tick_params(axis="x", length=0)
    else:
        axes = below = figure.subplots()
    for model in curves.looks:
        curves.draw(axes, model)
    handles = [*axes.get_lines(), *curves.draw_ceiling(axes)]
    axes.set(ylabel=curves.name)
    axes.set_title(curves.dataset, loc="left")
    unit_limits(axes)
    mark_training(axes)
    scale_axis(below, curves.table["true_scale"])
    below.set_xlabel(SCALE_LABEL)
    style.legend_below(figure, handles, curves.note())
    return figure


def draw_apart(curves: Curves) -> Figure:
    """Return a figure with a panel per model on the same axes.

    In every panel the means of the others are grey lines; that of the first model is a thin one in its colour.
    """
    rows = math.ceil(len(curves.looks) / PANELS)
    figure = style.new_figure(style.PAGE, 1.45 * rows + 0.2)
    grid = figure.subplots(rows, PANELS, sharey=True, squeeze=False)
    means = curves.table.pivot_table(curves.column, "true_scale", "model")
    first, *others = curves.looks
    thin: style.Look = {"color": curves.looks[first].colour, "linewidth": 0.9, "label": curves.looks[first].label}
    pale: style.Look = {"color": "0.82", "linewidth": 0.7, "label": "other models", "zorder": 1}
    for axes, (model, look) in zip(grid.flat, curves.looks.items(), strict=False):
        for other in others:
            axes.plot(means.index, means[other], **pale)
        axes.plot(means.index, means[first], **thin)
        curves.draw(axes, model)
        ceiling = curves.draw_ceiling(axes)
        axes.set_title(style.wrapped(look.label, TITLE_WIDTH), loc="left", fontsize=7, pad=3, color=look.colour)
        if curves.training_scales and look.jitter:
            axes.axvspan(1 / look.jitter, look.jitter, color="0.93", linewidth=0, zorder=0)
        mark_training(axes)
        scale_axis(axes, curves.table["true_scale"])
    unit_limits(*grid.flat)
    for unused in grid.flat[len(curves.looks) :]:
        unused.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel(curves.name)
    block_title(grid[0, 0], curves.dataset)
    handles: list[Artist] = [Line2D([], [], **thin), Line2D([], [], **pale), *ceiling]
    if curves.training_scales:
        handles.append(Patch(color="0.93", label="scales of its training, where jittered"))
    style.legend_below(figure, handles, ". ".join([SCALE_LABEL, *filter(None, [curves.note()])]))
    return figure


def draw_training_scales(axes: Axes, styles: list[style.ModelStyle]) -> None:
    """Draw for each model the interval of scales [1/r, r] that it was trained on, or a point at 1."""
    for row, model in enumerate(styles):
        reach = model.jitter or 1
        axes.plot([1 / reach, reach], [row, row], color=model.colour, linewidth=2, solid_capstyle="butt")
        axes.plot([1], [row], **model.line)
    mark_training(axes)
    axes.set(ylim=(len(styles) - 0.4, -0.6), yticks=[])
    axes.set_ylabel("Training\nscales", rotation=0, ha="right", va="center")
    axes.spines["left"].set_visible(False)
