"""Consistency of predictions when an image is cut to another size: does the answer hang on a pixel more or less?"""

import math
from pathlib import Path

import matplotlib
from matplotlib.ticker import MultipleLocator

from seunet.report.figures import style
from seunet.report.figures.axes import Models, Paths, band_note, draw_band, unit_limits
from seunet.report.tables import CROPS_COLUMNS
from seunet.runtime.tables import read_table

TICKS = 8  # at most, at multiples of a power of two: networks halve images


def draw_crops(
    crops: Path | str,
    dataset: str,
    models: Models,
    paths: Paths,
    commit: str | None = None,
    modulo: int | None = None,
) -> None:
    """Draw the share of pixels that keep their class in a smaller crop against its side, a line per model.

    Args:
        crops: table with the columns CROPS_COLUMNS; `height` is the side of the crop in pixels.
        dataset: the one that is drawn.
        models: the whole `models` section of the configuration.
        paths: of the figure (.png, .svg).
        commit: of the code, for the metadata.
        modulo: draw against the residue of the side by this number, where sides span more than one period.

    Raises:
        UserError: the table is missing, or has nothing of this data set and these models.
    """
    table = read_table(crops, CROPS_COLUMNS, empty=True)
    table = table[table["dataset"] == dataset]
    if table.empty:
        draw_nothing(dataset, paths, commit)
        return
    styles = style.model_styles(models)
    shown = style.shown_models(models, table["model"], f"{crops}, data set '{dataset}'")
    table = table.assign(side=table["height"] % modulo if modulo else table["height"])
    # several sizes may have one residue: their mean is one value per seed
    table = table.groupby(["model", "seed", "side"], as_index=False)["consistency"].mean()
    with matplotlib.rc_context(style.RC):
        figure = style.new_figure(style.COLUMN, 2.35)
        axes = figure.subplots()
        for place, model in enumerate(shown):
            rows = table[table["model"] == model]
            every = max(1, rows["side"].nunique() // 8)
            line = styles[model].line | {"markevery": (every * place // len(shown), every)}
            draw_band(axes, rows, "side", "consistency", line)
        axes.set_title(dataset, loc="left")
        axes.set_ylabel("Pixels that keep their class")
        axes.set_xlabel(f"Side of the crop modulo {modulo}, pixels" if modulo else "Side of the crop, pixels")
        span = table["side"].max() - table["side"].min()
        axes.xaxis.set_major_locator(MultipleLocator(2 ** math.ceil(math.log2(max(span / TICKS, 1)))))
        unit_limits(axes)
        style.legend_below(figure, axes.get_lines()[: len(shown)], band_note(table, shown))
        style.save(figure, paths, f"{dataset}: consistency of crops", commit)


def draw_nothing(dataset: str, paths: Paths, commit: str | None) -> None:
    """Say that the images of a data set are too small to be cut."""
    with matplotlib.rc_context(style.RC):
        figure = style.new_figure(style.COLUMN, 1)
        figure.text(0.5, 0.5, "The images are too small to be cut to another size.", ha="center", va="center")
        style.save(figure, paths, f"{dataset}: consistency of crops", commit)
