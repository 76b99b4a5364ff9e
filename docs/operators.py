"""Draw the pictures of docs/method.md, sections 3 to 6 and 8: python docs/operators.py, from the root."""

from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from seunet.layers import GaussianLifting, ScaleCrossCorrelation, ScaleProjection, ScaleUpsample
from seunet.report.figures import style

FIGURES = Path(__file__).parent / "figures"
COLOURS = [style.BLUE, style.ORANGE, style.GREEN, style.RED]
SIDE = 17  # pixels of a drawn map
DISKS = {(12, 10): 1, (12, 32): 2, (16, 64): 4, (62, 28): 8, (62, 96): 16}  # centre (y, x): radius in pixels


def pixels(axes: Axes, title: str) -> None:
    """Draw a grid of pixels."""
    y, x = np.mgrid[:SIDE, :SIDE]
    axes.scatter(x, y, s=1.5, color="0.8", linewidths=0)
    axes.set(xlim=(-1.5, SIDE + 0.5), ylim=(SIDE + 0.5, -1.5), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=8)


def taps(figure: Figure) -> None:
    """Draw the nine taps of one kernel at every scale, and the lattice that they lie on."""
    for s, (axes, colour) in enumerate(zip(figure.subplots(1, 4), COLOURS, strict=True)):
        pixels(axes, f"s = {s}: taps {2**s} pixel{'s' * (s > 0)} apart")
        lattice = np.arange(SIDE // 2 % 2**s, SIDE, 2**s)
        y, x = (part.ravel() for part in np.meshgrid(lattice, lattice, indexing="ij"))
        axes.scatter(x, y, s=4, color=colour, linewidths=0, alpha=0.5)
        y, x = (SIDE // 2 + 2**s * part.ravel() for part in np.mgrid[-1:2, -1:2])
        axes.scatter(x, y, s=26, color=colour, linewidths=0)


def pooling(figure: Figure) -> None:
    """Draw what a pixel at a distance loses, in units of the scale, in both geometries."""
    for axes, (name, width) in zip(
        figure.subplots(1, 2, sharey=True),
        {"exact": lambda s: 2**s, "released": lambda s: 2 ** (s + 1) - 1}.items(),
        strict=True,
    ):
        for s, colour in enumerate(COLOURS):
            q = np.arange(-3, 4) * 2**s if name == "exact" else np.arange(-3 * 2**s, 3 * 2**s + 1)
            axes.plot(q / 2**s, -((q / width(s)) ** 2), "o-", color=colour, label=f"s = {s}", markersize=6 - 1.3 * s)
        axes.set_title(f"{name}: {'one parabola' if name == 'exact' else 'four different ones'}", loc="left")
        axes.set_xlabel("distance q / 2$^s$", parse_math=True)
    figure.axes[0].set_ylabel("penalty, c = 1")
    figure.axes[1].legend()


def upsampling(figure: Figure) -> None:
    """Draw a row of pixels and what upsampling by 2 makes of it, in both geometries."""
    row = torch.tensor([0.2, 0.3, 1.0, 0.6, 0.1, 0.4, 0.3])
    for axes, geometry in zip(figure.subplots(1, 2, sharey=True), ("exact", "released"), strict=True):
        up = ScaleUpsample(geometry=geometry)(row.expand(1, 1, 1, len(row), -1))[0, 0, 0, 2]
        axes.plot(2 * np.arange(len(row)), row, "o", color=style.INK, markersize=7, markerfacecolor="white")
        axes.plot(np.arange(len(up)), up, ".-", color=style.BLUE)
        shift = "every second pixel is the old one" if geometry == "exact" else "shifted by half a pixel"
        axes.set_title(f"{geometry}: {shift}", loc="left")
        axes.set_xlabel("pixel")


def projection(figure: Figure) -> None:
    """Draw disks of five sizes, what one kernel finds of them at each scale, and the maximum of these maps."""
    y, x = np.mgrid[:96, :128]
    disks = np.any([np.hypot(y - y0, x - x0) <= radius for (y0, x0), radius in DISKS.items()], 0).astype(np.float32)
    kernel = ScaleCrossCorrelation(1, 1, border="replicate")
    with torch.no_grad():
        kernel.weight.copy_(torch.eye(9)[4].reshape(3, 3) - 1 / 9)  # the centre less its surround
        maps = kernel(GaussianLifting(1, num_scales=4, geometry="exact")(torch.tensor(disks)[None, None])).relu()
        answer, winner = ScaleProjection("max")(maps)[0, 0], maps.argmax(0)[0, 0]
    colours = torch.tensor([to_rgb(colour) for colour in COLOURS])
    shown = [(x_s[0, 0], colour.expand(*disks.shape, 3)) for x_s, colour in zip(maps, colours, strict=True)]
    panels = figure.subplots(1, 6)
    panels[0].imshow(disks, cmap="gray_r")
    for axes, (values, colour) in zip(panels[1:], [*shown, (answer, colours[winner])], strict=True):
        axes.imshow(1 - (1 - colour) * (values / answer.max())[..., None])
    for axes, title in zip(panels, ("f", *(f"x(s, ·), s = {s}" for s in range(4)), "Π(x)"), strict=True):
        axes.set(xticks=[], yticks=[])
        axes.set_title(title)


def pyramid(figure: Figure) -> None:
    """Draw the maps of both layouts at every scale, a cell for a pixel."""
    for row, (axes, layout) in enumerate(zip(figure.subplots(2, 1), ("dense", "pyramid"), strict=True)):
        left = 0
        for s, colour in enumerate(COLOURS):
            side = SIDE - 1 if row == 0 else (SIDE - 1) // 2**s
            ends = np.arange(side + 1)
            axes.vlines(left + ends, 0, side, color=colour, linewidth=0.5)
            axes.hlines(ends, left, left + side, color=colour, linewidth=0.5)
            axes.text(left + side + 0.5, side / 2, f"s = {s}\n{side} × {side}", va="center", fontsize=7)
            left += SIDE + 6
        axes.set(xlim=(0, 4 * (SIDE + 6)), ylim=(SIDE - 0.5, -0.5), xticks=[], yticks=[], aspect="equal")
        axes.spines[:].set_visible(False)
        axes.set_ylabel(layout)


if __name__ == "__main__":
    with matplotlib.rc_context(style.RC | {"axes.grid": False}):
        for draw, height in ((taps, 1.8), (pooling, 2.0), (upsampling, 1.8), (projection, 1.1), (pyramid, 2.5)):
            figure = style.new_figure(style.PAGE, height)
            draw(figure)
            style.save(figure, [FIGURES / f"{draw.__name__}.png"], draw.__name__)
