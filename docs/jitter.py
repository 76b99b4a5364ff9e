"""Draw docs/figures/jitter.png: which sizes of objects the windows of a network have learned. python docs/jitter.py"""

from pathlib import Path

import matplotlib
import numpy as np

from seunet.report.figures import style
from seunet.report.figures.axes import scale_axis

JITTERS = {  # name: the factors of training images, windows in training
    "no jitter, one window": (1, 1, 1),
    "jitter 1.4, one window": (2**-0.5, 2**0.5, 1),
    "jitter 1.4, two windows": (2**-0.5, 2**0.5, 2),
    "jitter 2, two windows": (0.5, 2, 2),
}
WINDOWS = 4  # at test
COLOURS = [style.BLUE, style.ORANGE, style.GREEN, style.RED]

with matplotlib.rc_context(style.RC):
    figure = style.new_figure(style.PAGE, 2.6)
    axes = figure.subplots()
    for row, (low, high, trained) in enumerate(JITTERS.values()):
        for j in range(WINDOWS):
            # window j sees an object of size a as one of size a / 2^j; two windows learn it at half its size too
            ends = np.array([low / 2 ** (trained - 1), high]) * 2**j * np.array([0.985, 1.015])
            place = row + 0.17 * (j - (WINDOWS - 1) / 2)
            axes.plot(ends, [place, place], color=COLOURS[j], linewidth=3.5, solid_capstyle="butt")
    for j, colour in enumerate(COLOURS):
        axes.plot([], [], color=colour, linewidth=3.5, label=f"window of scales {2**j}–{2 ** (j + 1)}")
    axes.set_yticks(range(len(JITTERS)), list(JITTERS))
    axes.set_ylim(len(JITTERS) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    scale_axis(axes, [0.3, 12])
    axes.set_xlabel("Scale of a test image at which a window sees what it learned")
    style.legend_below(figure, axes.get_legend_handles_labels()[0], None)
    style.save(figure, [Path(__file__).parent / "figures" / "jitter.png"], "Jitter and windows")
