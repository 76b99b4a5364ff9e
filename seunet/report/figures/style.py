"""What all figures share: sizes, colours, markers and line styles per model, legends, saving."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.typing import LineStyleType

from seunet.data.marks import FIGURE, MARK
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic

if TYPE_CHECKING:
    from matplotlib.typing import LegendLocType, RcKeyType  # which matplotlib 3.10 lacks

COLUMN, PAGE = 3.4, 7.0  # inches: one column and the full width of a two-column paper
DPI = 300
LABEL_WIDTH = 26  # characters of a model's label in a line of the legend: two columns fit in COLUMN
INK = "0.25"  # grey of axes, grids' captions and reference lines

Look = dict[str, Any]  # keyword arguments of matplotlib: of a line, a text, …

RC: "dict[RcKeyType, Any]" = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "svg.hashsalt": "seunet",  # with no date in the metadata: the same tables give the same bytes
    "svg.fonttype": "path",
    "text.parse_math": False,  # a dollar in a name is a dollar
}

# Of seaborn's palette "colorblind", what is seen on white paper (not its yellow and its pink), and black. Written out,
# because a figure takes twice as long to draw where seaborn is imported.
BLUE, ORANGE, GREEN, RED, PURPLE, BROWN = "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161"
GREY, SKY = "#949494", "#56b4e9"
PALETTE = [BLUE, ORANGE, GREEN, RED, PURPLE, "#000000", SKY, BROWN, GREY]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p"]  # 10 against 9 colours: 90 distinct pairs

# Line styles without (False) and with (True) jittering; the second when the colours come again.
LINES: dict[bool, list[LineStyleType]] = {False: ["-", (0, (1, 0.8))], True: [(0, (3, 1.2)), (0, (4, 1, 1, 1))]}
BOUND = (0, (5, 2))  # of models that are told the scale


@dataclass(frozen=True)
class ModelStyle:
    """How one model looks in every figure.

    Training with scale jittering is dashed, with open markers. A model that is told the scale (`rescale: training`)
    is a bound for the others: a thin dashed line without markers.
    """

    label: str
    colour: str
    marker: str
    jitter: float | None
    round: int = 0  # how often the colours were used up before
    bound: bool = False

    @property
    def line(self) -> Look:
        """Keyword arguments of `Axes.plot`."""
        if self.bound:
            label = wrapped(self.label, LABEL_WIDTH)
            return {"label": label, "color": self.colour, "linestyle": BOUND, "linewidth": 0.7}
        jittered = self.jitter is not None
        return {
            "label": wrapped(self.label, LABEL_WIDTH),
            "color": self.colour,
            "marker": self.marker,
            "linestyle": LINES[jittered][self.round % 2],
            "markerfacecolor": "white" if jittered else self.colour,
            "markeredgecolor": self.colour,
            "markeredgewidth": 0.9 if jittered else 0.3,
        }


def model_styles(models: Mapping[str, Mapping[str, Any]]) -> dict[str, ModelStyle]:
    """Return a style per model by its place in `models`, the `models` section of the configuration.

    Used with the whole section, also for figures of a few models: so that a model looks the same everywhere.
    Of each model the keys `label`, `scale_jitter` (1 or none: no jittering) and `rescale` count.
    """
    styles = {}
    for i, (name, model) in enumerate(models.items()):
        jitter = model.get("scale_jitter") or 1
        styles[name] = ModelStyle(
            label=str(model.get("label", name)),
            colour=PALETTE[i % len(PALETTE)],
            marker=MARKERS[i % len(MARKERS)],
            jitter=jitter if jitter != 1 else None,
            round=i // len(PALETTE),
            bound=model.get("rescale") == "training",
        )
    return styles


def wrapped(text: str, width: int) -> str:
    """Return the text in lines of at most `width` characters, broken between words where possible."""
    return textwrap.fill(text, width, break_on_hyphens=False)


def shown_models(models: Iterable[str], present: Iterable[str], where: str) -> list[str]:
    """Return the models that have results, in the order of `models`; raise UserError when there is none."""
    present = set(present)
    shown = [name for name in models if name in present]
    if not shown:
        raise UserError(f"{where}: no result of any model in {', '.join(models)}; add a run of one of them")
    return shown


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """Return an empty figure in inches; by default it is laid out so that nothing overlaps."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout=layout)
    FigureCanvasAgg(figure)  # draws without a display
    return figure


def legend_below(figure: Figure, handles: Sequence[Artist], title: str | None = None) -> None:
    """Put the legend under the axes in as many columns as fit, and make the figure taller by its height."""
    width, height = figure.get_size_inches()
    place: LegendLocType = "outside lower center" if figure.get_layout_engine() else "lower center"
    for columns in range(min(6, len(handles)), 0, -1):
        legend = figure.legend(handles=handles, loc=place, ncols=columns, title=title, columnspacing=1.2)
        box = legend.get_window_extent()
        if box.width / DPI <= width - 0.1 or columns == 1:
            break
        legend.remove()
    figure.set_size_inches(width, height + box.height / DPI)


def save(figure: Figure, paths: Iterable[Path | str], title: str, commit: str | None = None) -> None:
    """Write the figure under every path (.png at 300 dpi, .svg), with title and commit in the metadata.

    The same figure gives the same bytes: no date, no version of the library that drew it.
    """
    for path in map(Path, paths):
        metadata: dict[str, str | None] = {"Title": title}
        if commit:
            metadata["Source"] = f"commit {commit}"
        if path.suffix == ".svg":
            metadata |= {"Date": None, "Creator": None}  # None: leave out
        elif path.suffix == ".png":
            metadata |= {"Software": None, MARK: FIGURE}
        else:
            raise UserError(f"{path}: figures are written as .png or .svg; change the suffix")
        with atomic(path) as temporary:
            figure.savefig(temporary, dpi=DPI, metadata=metadata)
