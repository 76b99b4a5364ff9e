"""Predictions of every model for a few test images at several scales."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from seunet.data.colours import CLASS_COLOURS
from seunet.data.source import IGNORED
from seunet.report.figures import style
from seunet.runtime.errors import UserError

BACKGROUND = "#e8e8e8"
ERROR = "#e0002d"  # of wrong pixels: a wash and a thin line around them; none of the classes has it
MAX_SCALES, MAX_IMAGES = 6, 3
# Inches: height of all panels on a page; panels when there is a choice of images, and at most; title and scales;
# between two panels; between two images.
MAX_HEIGHT, PANEL, HEADER, GAP, BLOCK_GAP = 8.5, (0.8, 1.1), 0.5, 0.04, 0.12
WASH, LINE = 0.3, 0.4  # opacity of the wash; width of the line in points
NAME_WIDTH, NAME_PAD = 18, 0.1  # characters of the name of a row in a line; inches beside it


def draw_predictions(
    samples: Mapping[str, Path | str],
    dataset: str,
    models: Mapping[str, Mapping[str, Any]],
    paths: Iterable[Path | str],
    commit: str | None = None,
) -> None:
    """Draw images, truth and predictions: a row per model below each image and its truth, a column per scale.

    Wrong pixels have a wash and a thin line in a colour of their own, so a panel without it is right everywhere.

    `samples` gives the sample file of each model (one seed each; see `load_samples`), `models` is the whole
    `models` section of the configuration. Shown are at most 6 scales and as many images as fit on a page (1
    to 3): those whose truth has most classes, whatever the predictions.
    """
    styles = style.model_styles(models)
    shown = style.shown_models(models, samples, f"samples of data set '{dataset}'")
    loaded = {model: load_samples(samples[model]) for model in shown}
    first = loaded[shown[0]]
    for model in shown:
        check_same_images(samples[shown[0]], first, samples[model], loaded[model])
    classes = [str(name) for name in first["classes"]]
    colours = class_colours(classes)
    scales = chosen_scales(first)
    images = chosen_images(first, scales, len(shown) + 2)
    ignored = any((first[f"mask_{scale}"][images] == IGNORED).any() for scale in scales)

    with matplotlib.rc_context(style.RC | {"axes.grid": False}):
        height, width = first[f"mask_{scales[-1]}"].shape[1:]  # the largest: least changed by rounding
        rows = (len(shown) + 2) * len(images)
        names = [style.wrapped(name, NAME_WIDTH) for name in ("Image", "Truth", *(styles[m].label for m in shown))]
        margin = widest(names) + NAME_PAD
        side = min(PANEL[1], (style.PAGE - margin) / len(scales), MAX_HEIGHT / rows * width / height)
        figure = style.new_figure(max(margin + side * len(scales), style.COLUMN), HEADER, layout=None)
        style.legend_below(figure, legend_handles(classes, colours, ignored))
        panels = grid(figure, (len(images), len(shown) + 2, len(scales)), margin, (side, side * height / width))
        for block, image in zip(panels, images, strict=True):
            for column, scale in enumerate(scales):
                draw_column(block[:, column], loaded, shown, image, scale, colours)
            for axes, name in zip(block[:, 0], names, strict=True):
                axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7, labelpad=3)
        for axes, scale in zip(panels[0, 0], scales, strict=True):
            axes.set_title(scale_title(first, scale), fontsize=min(7, side * 9), pad=3)
        place = (0.05 / figure.get_figwidth(), 1 - 0.04 / figure.get_figheight())
        figure.text(*place, dataset, va="top", fontweight="bold")
        style.save(figure, paths, f"{dataset}: predictions", commit)


def widest(names: list[str]) -> float:
    """Return the width of the widest of some texts, in inches."""
    figure = style.new_figure(style.PAGE, 1, layout=None)
    boxes = [figure.text(0, 0, name, fontsize=7).get_window_extent() for name in names]
    return max(box.width for box in boxes) / style.DPI


def grid(figure: Figure, shape: tuple[int, int, int], margin: float, panel: tuple[float, float]) -> np.ndarray:
    """Make the figure taller by panels of this size in inches; return them: shape (images, rows, columns)."""
    images, rows, _ = shape
    width, height = panel
    below = figure.get_figheight() - HEADER  # the legend
    full_width = figure.get_figwidth()
    full = HEADER + images * rows * height + (images - 1) * BLOCK_GAP + below + 0.08
    figure.set_size_inches(full_width, full)
    panels = np.empty(shape, object)
    for image, row, column in np.ndindex(panels.shape):
        left = margin + column * width
        bottom = full - HEADER - (image * rows + row + 1) * height - image * BLOCK_GAP
        size = ((width - GAP) / full_width, (height - GAP) / full)
        panels[image, row, column] = figure.add_axes((left / full_width, bottom / full, *size))
    return panels


def load_samples(path: Path | str) -> dict[str, np.ndarray]:
    """Read a sample file: scales (K,), classes (C,), image_i (n,h,w,c), mask_i, prediction_i (n,h,w).

    All uint8; sizes differ by scale. Raises UserError when the file is missing or lacks one of them.
    """
    try:
        # opened here: numpy leaves a damaged file open
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            samples = dict(file)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(f"{path}: missing or no sample file; run the evaluation that writes it") from error
    needed = ["scales", "classes"]
    needed += [f"{n}_{i}" for i in range(len(samples.get("scales", []))) for n in ("image", "mask", "prediction")]
    if missing := [name for name in needed if name not in samples]:
        raise UserError(f"{path}: array '{missing[0]}' is missing; delete the file and run the evaluation again")
    if not len(samples["scales"]) or not len(samples["image_0"]):
        raise UserError(f"{path}: holds no images; delete the file and run the evaluation again")
    return samples


def check_same_images(path_a: Path | str, a: dict, path_b: Path | str, b: dict) -> None:
    """Raise UserError unless two sample files hold the same images at the same scales."""
    masks = [f"mask_{i}" for i in range(len(a["scales"]))]
    if not all(name in b and np.array_equal(a[name], b[name]) for name in ["scales", "classes", *masks]):
        raise UserError(f"{path_b}: other images or scales than {path_a}; delete both and run the evaluation again")


def chosen_scales(samples: dict[str, np.ndarray]) -> list[int]:
    """Return indices of at most 6 scales, smallest first: each size once, spread evenly, 1 among them."""
    order = np.argsort(samples["scales"], kind="stable")
    by_size = {samples[f"mask_{i}"].shape[1:]: int(i) for i in order[::-1]}
    distinct = sorted(by_size.values(), key=lambda i: samples["scales"][i])
    if len(distinct) <= MAX_SCALES:
        return distinct
    logs = np.log2([samples["scales"][i] for i in distinct])
    wanted = np.linspace(logs[0], logs[-1], MAX_SCALES)
    wanted[1 + np.abs(wanted[1:-1]).argmin()] = 0  # the inner one nearest to the training scale becomes it
    return [distinct[i] for i in sorted({int(np.abs(logs - w).argmin()) for w in wanted})]


def chosen_images(samples: dict[str, np.ndarray], scales: list[int], rows_per_image: int) -> list[int]:
    """Return as many images as fit, those with most classes in the truth; predictions play no part."""
    truth = samples[f"mask_{scales[-1]}"]
    variety = [-len(np.setdiff1d(mask, [IGNORED])) for mask in truth]
    fitting = int(MAX_HEIGHT / PANEL[0] / rows_per_image)
    return sorted(np.argsort(variety, kind="stable")[: max(1, min(MAX_IMAGES, fitting))].tolist())


def draw_column(
    panels: np.ndarray, loaded: dict[str, dict], shown: list[str], image: int, scale: int, colours: np.ndarray
) -> None:
    """Fill one column: the image, its truth and the predictions of all models at one scale."""
    samples = loaded[shown[0]]
    truth = samples[f"mask_{scale}"][image]
    show(panels[0], displayable(samples[f"image_{scale}"][image]))
    show(panels[1], painted(truth, colours))
    hatch(panels[1], truth)
    for axes, model in zip(panels[2:], shown, strict=True):
        prediction = np.where(truth == IGNORED, IGNORED, loaded[model][f"prediction_{scale}"][image])
        show(axes, painted(prediction, colours))
        mark_errors(axes, prediction != truth)
        hatch(axes, truth)


def show(axes: Axes, rgb: np.ndarray) -> None:
    """Show an image (h,w,3) over the unit square of the axes: all scales have the same size on paper."""
    axes.imshow(rgb, extent=(0, 1, 0, 1), aspect="auto")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.4)


def mark_errors(axes: Axes, wrong: np.ndarray) -> None:
    """Wash the wrong pixels (h,w), and draw a thin line around them; the colour below stays that of the answer."""
    if not wrong.any():
        return
    wash = np.zeros((*wrong.shape, 4))
    wash[wrong] = (*to_rgb(ERROR), WASH)
    axes.imshow(wash, extent=(0, 1, 0, 1), aspect="auto", interpolation="nearest")
    if not wrong.all():
        axes.contour(*centres(wrong), wrong, [0.5], colors=ERROR, linewidths=LINE)


def hatch(axes: Axes, truth: np.ndarray) -> None:
    """Hatch the ignored pixels of the truth (h,w)."""
    if (ignored := truth == IGNORED).any():
        axes.contourf(*centres(truth), ignored, [0.5, 1.5], colors="none", hatches=["//////"])


def centres(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x (w,) and y (h,) of the centres of the pixels of a mask shown over the unit square."""
    height, width = mask.shape
    return (np.arange(width) + 0.5) / width, 1 - (np.arange(height) + 0.5) / height


def painted(mask: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return a mask (h,w) of class indices in colours, (h,w,3) uint8; ignored pixels are grey."""
    table = np.full((256, 3), 190, np.uint8)
    table[: len(colours)] = colours
    return table[mask]


def displayable(image: np.ndarray) -> np.ndarray:
    """Return an image (h,w,c) uint8 as (h,w,3): RGB as it is, anything else by its first channel in grey.

    Grey images are stretched to full contrast, without which a microscope image may show nothing in print.
    """
    if image.shape[-1] == 3:
        return image
    low, high = np.percentile(image[..., :1], [0.5, 99.5])
    grey = (image[..., :1] - low) / max(high - low, 1) * 255
    return np.repeat(grey.clip(0, 255).astype(np.uint8), 3, axis=-1)


def class_colours(classes: list[str]) -> np.ndarray:
    """Return the colour of each class, (C,3) uint8; a class called background is pale, whatever its index."""
    if len(classes) > len(CLASS_COLOURS) + 1:
        import seaborn  # slow to import, and seldom needed

        palette = seaborn.husl_palette(len(classes), l=0.7).as_hex()
    else:
        palette = [*CLASS_COLOURS, CLASS_COLOURS[0]]
    others = iter(palette)
    names = [BACKGROUND if name.lower() == "background" else next(others) for name in classes]
    return np.array([[round(255 * c) for c in to_rgb(name)] for name in names], np.uint8)


def scale_title(samples: dict[str, np.ndarray], scale: int) -> str:
    """Return the true scale, as far as a tested scale 1 is in the file, and the size in pixels."""
    height, width = samples[f"mask_{scale}"].shape[1:]
    at_one = np.abs(samples["scales"] - 1).argmin()
    full = samples[f"mask_{at_one}"].shape[1] / samples["scales"][at_one]
    true = height / full
    return f"×{true:.3g}\n{height}×{width} px"


def legend_handles(classes: list[str], colours: np.ndarray, ignored: bool) -> list[Patch]:
    """Return the legend: a patch for each class, the marks of errors, and the hatching if needed."""
    handles = [
        Patch(facecolor=colour / 255, edgecolor=style.INK, linewidth=0.4, label=name)
        for name, colour in zip(classes, colours, strict=True)
    ]
    handles.append(Patch(facecolor=(*to_rgb(ERROR), WASH), edgecolor=ERROR, linewidth=LINE, label="wrong pixels"))
    if ignored:
        handles.append(Patch(facecolor=str(190 / 255), hatch="//////", linewidth=0, label="ignored"))
    return handles
