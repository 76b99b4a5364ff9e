"""Loss and validation metric during training."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from seunet.figures import style
from seunet.figures.curves import band_note, draw_band, metric_name, unit_limits
from seunet.tables import HISTORY_COLUMNS, Metric, read_table


def draw_training_curves(
    history: Path | str,
    models: Mapping[str, Mapping[str, Any]],
    metrics: Mapping[str, Metric],
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
        for (loss, val_loss, metric), dataset in zip(rows, datasets, strict=True):
            rows_of_dataset = table[table["dataset"] == dataset]
            for axes, column in ((loss, "loss"), (val_loss, "val_loss"), (metric, "val_metric")):
                for place, model in enumerate(shown):
                    curves = rows_of_dataset[rows_of_dataset["model"] == model]
                    if not curves.empty:
                        every = max(1, curves["epoch"].nunique() // 6)
                        line = styles[model].line | {"markevery": (every * place // len(shown), every)}
                        draw_band(axes, curves, "epoch", column, line | {"linewidth": 0.9})
                axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
                axes.set_xlabel("Epoch")
            for axes, name in (
                (loss, "Training loss (nats)"),
                (val_loss, "Validation loss (nats)"),
            ):
                log_axis(axes)
                axes.set_ylabel(name)
            metric.set_ylabel(
                f"Validation {metric_name(metrics.get(dataset, 'mean_iou')).replace('Mean', 'mean')}"
            )
            unit_limits(metric)
            loss.set_title(dataset, loc="left")
        handles = {line.get_label(): line for axes in rows.flat for line in axes.get_lines()}
        ordered = [handles[styles[model].label] for model in shown]
        style.legend_below(figure, ordered, band_note(table, shown))
        style.save(figure, paths, "Training curves", commit)


def log_axis(axes: Axes) -> None:
    """Make the y axis logarithmic with plain numbers where the loss falls far, or spikes."""
    low, high = axes.dataLim.intervaly
    if not 0 < 3 * low < high:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
