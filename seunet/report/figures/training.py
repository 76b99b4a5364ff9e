"""Loss and validation metric during training."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from seunet.report.figures import style
from seunet.report.figures.axes import band_note, draw_band, unit_limits
from seunet.report.tables import HISTORY_COLUMNS, Metrics
from seunet.runtime.tables import read_table
from seunet.settings.metric import Metric

LINE_WIDTH = 0.9  # points; thinner than where a curve has a dozen points


def draw_training_curves(
    history: Path | str,
    models: Mapping[str, Mapping[str, Any]],
    metrics: Metrics,
    paths: Iterable[Path | str],
    commit: str | None = None,
) -> None:
    """Draw training loss, validation loss and validation metric per epoch, a row of panels per data set.

    `history` is the table of `collect_history`; `models` the whole `models` section of the configuration,
    `metrics` the metric of each data set. Raises UserError when there is no history of any of the models.
    """
    table = read_table(history, HISTORY_COLUMNS)
    styles = style.model_styles(models)
    shown = style.shown_models(models, table["model"], str(history))
    datasets = list(table[table["model"].isin(shown)]["dataset"].unique())
    with matplotlib.rc_context(style.RC):
        figure = style.new_figure(style.PAGE, 1.9 * len(datasets) + 0.1)
        rows = figure.subplots(len(datasets), 3, squeeze=False)
        for panels, dataset in zip(rows, datasets, strict=True):
            curves = table[table["dataset"] == dataset]
            draw_row(panels, curves, {name: styles[name] for name in shown}, metrics.get(dataset, "mean_iou"))
            panels[0].set_title(dataset, loc="left")
        handles = [Line2D([], [], **styles[name].line | {"linewidth": LINE_WIDTH}) for name in shown]
        style.legend_below(figure, handles, band_note(table, shown))
        style.save(figure, paths, "Training curves", commit)


def draw_row(panels: Sequence[Axes], curves: pd.DataFrame, styles: Mapping[str, style.ModelStyle], metric: Any) -> None:
    """Draw the three panels of one data set; markers are few, and at other epochs for each model."""
    measures = {
        "loss": "Training loss (nats)",
        "val_loss": "Validation loss (nats)",
        "val_metric": f"Validation {Metric.parse(metric).name.replace('Mean', 'mean')}",
    }
    for axes, (column, name) in zip(panels, measures.items(), strict=True):
        for place, (model, look) in enumerate(styles.items()):
            runs = curves[curves["model"] == model]
            if runs.empty:
                continue
            every = max(1, runs["epoch"].nunique() // 6)
            markers = {"markevery": (every * place // len(styles), every), "linewidth": LINE_WIDTH}
            draw_band(axes, runs, "epoch", column, look.line | markers)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set(xlabel="Epoch", ylabel=name)
        if column == "val_metric":
            unit_limits(axes)
        else:
            log_axis(axes)


def log_axis(axes: Axes) -> None:
    """Make the y axis logarithmic with plain numbers where the loss falls far, or spikes."""
    low, high = axes.dataLim.intervaly
    if not 0 < 3 * low < high:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
