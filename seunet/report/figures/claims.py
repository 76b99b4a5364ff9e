"""Claims with their intervals and verdicts: a forest plot, a row per claim and data set."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes

from seunet.report.claims import CLAIMS_COLUMNS, CONTRADICTED, SUPPORTED, UNDECIDED
from seunet.report.figures import style
from seunet.runtime.tables import read_table

# Told apart without colour: by the marker, and by the word beside it.
LOOKS: dict[str, style.Look] = {
    SUPPORTED: {"color": style.BLUE, "marker": "o", "markersize": 3.6},
    CONTRADICTED: {"color": style.RED, "marker": "D", "markersize": 3.2},
    UNDECIDED: {"color": "0.4", "marker": "o", "markersize": 3.6, "markerfacecolor": "white"},
}
ROW, GAP = 0.155, 0.1  # inches: a line of text or an interval; the space above each claim
LEFT, RIGHT, TOP, BOTTOM = 0.72, 0.7, 0.12, 0.42  # inches around the axes
TEXT_WIDTH = 56  # characters of a claim in a line of the figure
NAME_WIDTH = 11  # characters of a data set's name
REACH = 2.2  # the axis shows so many times the largest difference; what reaches further ends in an arrow
CAP = 0.035  # inches: half the height of the ends of an interval


def draw_claims(claims: Path | str, paths: Iterable[Path | str], commit: str | None = None) -> None:
    """Draw the table of `judge_claims`: under each claim a row per data set, with difference, interval and verdict.

    Raises UserError when there is no such table, or nothing in it.
    """
    table = read_table(claims, CLAIMS_COLUMNS)
    blocks = [(style.wrapped(text, TEXT_WIDTH), rows) for text, rows in table.groupby("claim", sort=False)]
    height = sum((text.count("\n") + 1 + len(rows)) * ROW + GAP for text, rows in blocks)
    note = seeds_note(table["seeds"])
    bottom = BOTTOM + 0.13 * note.count("\n")
    total = TOP + height + bottom
    with matplotlib.rc_context(style.RC):
        figure = style.new_figure(style.COLUMN, total, layout=None)
        width = style.COLUMN - LEFT - RIGHT
        axes = figure.add_axes((LEFT / style.COLUMN, bottom / total, width / style.COLUMN, height / total))
        axes.set(xlim=limits(table), ylim=(height, 0))  # y in inches from the top
        y = 0.0
        for text, rows in blocks:
            y = draw_block(axes, y + GAP, text, rows)
        finish(axes, note)
        style.save(figure, paths, "Claims", commit)


def draw_block(axes: Axes, y: float, text: str, rows: pd.DataFrame) -> float:
    """Draw a claim and its rows from y on, in inches from the top; return where they end."""
    width = style.COLUMN - LEFT - RIGHT
    place: style.Look = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 6.5}
    lines = ROW * (text.count("\n") + 1)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # hides the lines of the grid
    axes.text(0.05 / width - LEFT / width, y + lines / 2, text, bbox=box, **(place | {"fontsize": 7.5}))
    y += lines
    for row in rows.itertuples():
        middle, look = y + ROW / 2, LOOKS[row.verdict]
        draw_interval(axes, middle, row.estimate, row.low, row.high, look)
        name = row.dataset if len(row.dataset) <= NAME_WIDTH else row.dataset[: NAME_WIDTH - 1] + "…"
        axes.text(-0.08 / width, middle, name + "*" * (row.seeds == 1), ha="right", color=style.INK, **place)
        axes.text(1 + 0.08 / width, middle, row.verdict, color=look["color"], **place)
        y += ROW
    return y


def draw_interval(axes: Axes, y: float, estimate: float, low: float, high: float, look: style.Look) -> None:
    """Draw an estimate and its interval with caps, or arrows where it leaves the axis."""
    left, right = axes.get_xlim()
    line = {"color": look["color"], "linewidth": 1, "solid_capstyle": "butt"}
    axes.plot([max(low, left), min(high, right)], [y, y], **line)
    for end, edge, outside, arrow in ((low, left, low < left, "<"), (high, right, high > right, ">")):
        if outside:
            axes.plot([edge], [y], marker=arrow, color=look["color"], markersize=3, clip_on=False)
        else:
            axes.plot([end, end], [y - CAP, y + CAP], **line)
    axes.plot([estimate], [y], linestyle="none", **look)


def limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of the axis: all intervals, but no further than REACH times the largest difference."""
    largest = table["estimate"].abs().max()
    reach = REACH * max(largest, 0.01) if pd.notna(largest) else 1.0
    low = min(max(table["low"].min(), -reach), -0.15 * reach)
    high = max(min(table["high"].max(), reach), 0.15 * reach)
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def seeds_note(seeds: pd.Series) -> str:
    """Return how many seeds there are, and what an interval of one of them leaves out."""
    low, high = int(seeds.min()), int(seeds.max())
    if high == 1:
        return "\n* one seed: interval of the test images alone"
    counted = f"{high} seeds" if low in (1, high) else f"{low} to {high} seeds"
    return f", {counted}" + "\n* one seed: interval of the test images alone" * (low == 1)


def finish(axes: Axes, note: str) -> None:
    """Draw the line of no difference, and say what the axis and the intervals are."""
    axes.axvline(0, color=style.INK, linewidth=0.8, zorder=0.6)  # over the grid
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    width = style.COLUMN - LEFT - RIGHT
    axes.set_xlabel(
        f"Difference in the metric at unseen scales, 95 % interval{note}",
        x=(style.COLUMN / 2 - LEFT) / width,
        fontsize=7,
    )
    for text, side in (("against  ", "right"), ("  for the claim", "left")):
        axes.annotate(text, (0, 1), (0, 1), ("data", "axes fraction"), "offset points", ha=side, fontsize=6.5)
