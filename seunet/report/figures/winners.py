"""Where an answer comes from: the scale that won at each pixel of one test image, at several sizes of it."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.patches import Patch

from seunet.report.figures import style
from seunet.report.figures.axes import Models, Paths
from seunet.report.figures.gallery import (
    NAME_WIDTH,
    chosen_images,
    chosen_scales,
    displayable,
    load_samples,
    scale_title,
    show,
)

PANEL = 0.62  # inches: side of a picture


def draw_winners(
    samples: Mapping[str, Path | str], dataset: str, models: Models, paths: Paths, commit: str | None = None
) -> None:
    """Draw the scale that each pixel's answer comes from: a row per lifted network, a column per size of the image.

    Args:
        samples: the sample file of each model (see `gallery.load_samples`); those without `winner_i` are left out.
        dataset: its name.
        models: the whole `models` section of the configuration.
        paths: of the figure (.png, .svg).
        commit: of the code, for the metadata.

    Raises:
        UserError: no file has winners.
    """
    loaded = {model: load_samples(path) for model, path in samples.items()}
    lifted = {model: found for model, found in loaded.items() if "winner_0" in found}
    shown = style.shown_models(models, lifted, f"samples of data set '{dataset}', winning scales")
    first = lifted[shown[0]]
    scales = chosen_scales(first)
    image = chosen_images(first, scales, 3)[0]
    count = 1 + max(int(found[f"winner_{i}"].max()) for found in lifted.values() for i in scales)
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 1, count))
    colours = (255 * shades[:, :3]).round().astype(np.uint8)
    styles = style.model_styles(models)
    with matplotlib.rc_context(style.RC | {"axes.grid": False}):
        figure = style.new_figure(max(style.COLUMN, 1.2 + PANEL * len(scales)), 0.5 + PANEL * (len(shown) + 1))
        panels = figure.subplots(len(shown) + 1, len(scales), squeeze=False)
        for column, scale in enumerate(scales):
            show(panels[0, column], displayable(first[f"image_{scale}"][image]))
            panels[0, column].set_title(scale_title(first, scale), fontsize=6, pad=3)
            for axes, model in zip(panels[1:, column], shown, strict=True):
                show(axes, colours[lifted[model][f"winner_{scale}"][image]])
        for axes, name in zip(panels[:, 0], ["Image", *(styles[model].label for model in shown)], strict=True):
            axes.set_ylabel(style.wrapped(name, NAME_WIDTH), rotation=0, ha="right", va="center", fontsize=6.5)
        handles = [Patch(color=colour / 255, label=f"scale {s + 1}") for s, colour in enumerate(colours)]
        style.legend_below(figure, handles, f"{dataset}: scale that won at a pixel, 1 the finest")
        style.save(figure, paths, f"{dataset}: winning scales", commit)
