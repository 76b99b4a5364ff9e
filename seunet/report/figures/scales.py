"""One image at several scales: what the network was shown, what it answered, and which of its scales won."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from seunet.report.figures import style

PANEL = 1.35  # inches: width of a panel
HEADER, NAME, BAR = 0.42, 0.75, 0.75  # inches: title and numbers; names of the rows; bars of the winning scales


def draw_image_at_scales(
    title: str, image: np.ndarray, answers: Sequence[Mapping], classes: Sequence[str], colours: np.ndarray
) -> Image.Image:
    """Return the picture: a column per scale, with the image, the classes, and bars of the winning scales.

    image: (H, W, 3) uint8. answers: mappings with the keys scale, size, classes (H, W), agreement, overlap and winners.
    colours: (256, 3) uint8, of the classes.
    """
    winners = any(answer["winners"] for answer in answers)
    height = PANEL * min(2.0, max(0.4, image.shape[0] / image.shape[1]))
    rows = [height, height] + [BAR] * winners
    with matplotlib.rc_context(style.RC | {"axes.grid": False}):
        figure = style.new_figure(NAME + PANEL * len(answers), HEADER + sum(rows) + 0.35)
        axes = figure.subplots(len(rows), len(answers), squeeze=False, height_ratios=rows)
        for column, answer in zip(axes.T, answers, strict=True):
            show(column[0], shown_at(image, answer["size"]))
            show(column[1], colours[answer["classes"] % len(colours)])
            column[0].set_title(heading(answer))
            if winners:
                bars(column[2], answer["winners"])
        for axis, name in zip(axes[:, 0], ("shown", "answer", "scale\nthat won"), strict=False):
            axis.set_ylabel(name, rotation=0, ha="right", va="center", labelpad=8)
        figure.suptitle(style.wrapped(title, 20 * len(answers)), fontsize=9)
        present = np.unique(np.concatenate([np.unique(answer["classes"]) for answer in answers]))
        handles = [Patch(color=colours[i % len(colours)] / 255, label=classes[i]) for i in present]
        style.legend_below(figure, handles)
        return as_image(figure)


def heading(answer: Mapping) -> str:
    """Return what stands above a column."""
    height, width = answer["size"]
    first = f"×{answer['scale']:g}   {height} × {width}"
    if answer["scale"] == 1:
        return f"{first}\nthe reference\n"
    return f"{first}\n{answer['agreement']:.0%} of pixels agree\noverlap {answer['overlap']:.2f}"


def shown_at(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image as coarse as the network was shown it; a larger one as it is."""
    height, width = size
    if height * width >= image.shape[0] * image.shape[1]:
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def show(axis: Axes, pixels: np.ndarray) -> None:
    """Show an image without ticks, in the same frame whatever its number of pixels."""
    axis.imshow(pixels, interpolation="nearest", extent=(0, 1, 0, 1), aspect="auto")
    axis.set(xticks=[], yticks=[])


def bars(axis: Axes, winners: Mapping[float, float]) -> None:
    """Draw the share of pixels that each scale of the network decided."""
    names = [f"{scale:.3g}" for scale in winners]
    axis.bar(names, list(winners.values()), color=style.BLUE, width=0.7)
    axis.set(ylim=(0, 1), yticks=[0, 1], yticklabels=["0", "1"])
    axis.tick_params(length=2)


def as_image(figure: Figure) -> Image.Image:
    """Return a figure as pixels."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=200)
    with Image.open(buffer) as image:
        return image.convert("RGB")
