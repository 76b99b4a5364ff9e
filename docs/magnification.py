"""Draw two pictures of docs/figures from docs/scores: python docs/magnification.py, from the root.

magnification.png: score against factor, from magnification-factors.csv; own-factor.png: what factors of
their own give networks on test images, from magnification-test.csv.
"""

from pathlib import Path

import matplotlib
from matplotlib.ticker import NullLocator

from seunet.report.figures import style
from seunet.report.figures.axes import scale_axis
from seunet.report.tables import with_true_scale
from seunet.runtime.tables import read_table

HERE = Path(__file__).parent
DATASETS = {"reef": "generated scenes", "hela": "HeLa", "pet": "Pet"}
SCALES = {0.5: style.GREEN, 1: style.BLUE, 2: style.ORANGE, 4: style.RED}

table = read_table(HERE / "scores" / "magnification-factors.csv")
table = table[(table["model"] == "unet") & (table["seed"] == 0)]
with matplotlib.rc_context(style.RC):
    figure = style.new_figure(style.PAGE, 3.4)
    grid = figure.subplots(2, len(DATASETS), sharex=True, sharey="row")
    for column, (dataset, title) in enumerate(DATASETS.items()):
        for scale, colour in SCALES.items():
            rows = table[(table["dataset"] == dataset) & (table["scale"] == scale)].sort_values("factor")
            score = 0.5 * rows["information"] - rows["distance"]
            best = score.idxmax() if len(score) else None
            for axes, values in ((grid[0, column], score), (grid[1, column], rows["iou"])):
                axes.plot(rows["factor"], values, color=colour, marker="o", markersize=2, label=f"×{scale:g}")
                if best is not None:
                    axes.plot(rows["factor"][best], values[best], color=colour, marker="*", markersize=9)
                axes.set_xscale("log", base=2)
                axes.set_xticks([0.125, 0.25, 0.5, 1, 2, 4], ["⅛", "¼", "½", "1", "2", "4"])
                axes.xaxis.set_minor_locator(NullLocator())
        grid[0, column].set_title(title, loc="left", fontsize=8)
        grid[0, column].set_ylim(-0.6, 0.4)
        grid[1, column].set_ylim(0, 1)
    grid[0, 0].set_ylabel("Score, nats")
    grid[1, 0].set_ylabel("IoU")
    grid[1, 1].set_xlabel("Factor of their own pixels at which images are shown")
    style.legend_below(figure, grid[0, 0].get_lines()[::2], title="Scale of the images, relative to training")
    style.save(figure, [HERE / "figures" / "magnification.png"], "Score against factor")

RUNS = {  # model: label, colour, line
    "unet": ("U-Net as it is", style.GREY, "-"),
    "unet-one-factor": ("U-Net, one factor for all images", style.BLUE, "-"),
    "unet-own-factor": ("U-Net, a factor for each image", style.BLUE, "--"),
    "seunet-windows-jitter1.4": ("SEU-Net, windows, as it is", style.ORANGE, "-"),
    "windows-own-factor": ("SEU-Net, windows, a factor for each", style.ORANGE, "--"),
    "unet-known": ("U-Net, scale known", style.GREEN, ":"),
}
UNITS = {"reef": "Generated scenes, mean IoU", "hela": "HeLa, IoU of the cells", "pet": "Pet, mean IoU"}

table = read_table(HERE / "scores" / "magnification-test.csv")
with matplotlib.rc_context(style.RC):
    figure = style.new_figure(style.PAGE, 2.3)
    grid = figure.subplots(1, len(UNITS))
    for axes, (dataset, title) in zip(grid, UNITS.items(), strict=True):
        rows = with_true_scale(table[table["dataset"] == dataset])
        for model, (label, colour, line) in RUNS.items():
            scales = rows[rows["model"] == model].groupby("true_scale")["iou"]
            mean = scales.mean()
            axes.plot(mean.index, mean, line, color=colour, label=label, marker="o", markersize=2)
            axes.fill_between(mean.index, scales.min(), scales.max(), color=colour, alpha=0.15, linewidth=0)
        scale_axis(axes, rows["true_scale"])
        axes.set_ylim(0, 1)
        axes.set_title(title, loc="left", fontsize=8)
    grid[1].set_xlabel("Scale of the test images, relative to training")
    style.legend_below(figure, grid[0].get_lines()[: len(RUNS)])
    style.save(figure, [HERE / "figures" / "own-factor.png"], "A factor of their own")
