"""Draw docs/figures/windows.png from docs/scores/windows-validation.csv: python docs/windows.py, from the root."""

from pathlib import Path

import matplotlib

from seunet.report.figures import style
from seunet.report.figures.axes import scale_axis
from seunet.runtime.tables import read_table

HERE = Path(__file__).parent
RULES = {
    "most information": ("most information", "#0173b2", "-"),
    "least entropy": ("least entropy", "#de8f05", "-"),
    "best agreement of neighbours": ("best agreement of neighbours", "#cc78bc", "-"),
    "maximum over all scales": ("maximum over all scales", "#949494", "-"),
}
JITTERS = {
    "none": ("no jitter", "#0173b2", "-"),
    "1/1.41 to 1.41, log": ("jitter within an octave", "#029e73", "--"),
    "1/2 to 2, linear": ("jitter 2", "#d55e00", "--"),
}
DATASETS = {"reef": "reef, mean IoU", "hela": "HeLa, IoU of cells", "pet": "Pet, mean IoU"}

table = read_table(HERE / "scores" / "windows-validation.csv")
with matplotlib.rc_context(style.RC):
    figure = style.new_figure(style.PAGE, 4.1)
    grid = figure.subplots(2, len(DATASETS), sharex=False)
    for column, (dataset, title) in enumerate(DATASETS.items()):
        rows = table[table["dataset"] == dataset]
        jitter = "none" if (rows["jitter"] == "none").any() else "1/2 to 2, linear"
        for axes, key, lines, part in (
            (grid[0, column], "rule", RULES, rows[rows["jitter"] == jitter]),
            (grid[1, column], "jitter", JITTERS, rows[rows["rule"] == "most information"]),
        ):
            for value, (label, colour, line) in lines.items():
                curve = part[part[key] == value].sort_values("scale")
                if len(curve):
                    axes.plot(
                        curve["scale"], curve["metric"], line, color=colour, label=label, marker="o", markersize=2.5
                    )
            scale_axis(axes, rows["scale"])
            axes.set_ylim(0, 1)
        grid[0, column].set_title(f"{title}{'' if jitter == 'none' else ' (jitter 2)'}", loc="left", fontsize=8)
    grid[0, 0].set_ylabel("Which window answers")
    grid[1, 0].set_ylabel("Most information, by jitter")
    figure.supxlabel("Scale of the validation images, relative to training", fontsize=8)
    for row, legend in ((0, grid[0, 0]), (1, grid[1, 0])):
        legend.legend(fontsize=6, loc="lower right" if row else "lower center", frameon=False)
    style.save(figure, [HERE / "figures" / "windows.png"], "Windows of scales")
