"""The graph of rules as an SVG: a rule below those that it needs."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TypedDict

from seunet.runtime.wording import counted

WIDTH, HEIGHT = 150, 34  # of a box
ACROSS, DOWN = 16, 34  # between boxes


class Rule(TypedDict):
    """A rule of a run: how many jobs it has, and the rules whose files they read."""

    jobs: int
    after: list[str]


def layers(rules: Mapping[str, Rule]) -> list[list[str]]:
    """Return the rules in rows: each in the row after the last of those that it needs."""
    depth: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((place(needed) for needed in rules[name]["after"] if needed in rules), default=-1)
        return depth[name]

    for name in rules:
        place(name)
    return [[name for name in rules if depth[name] == row] for row in range(max(depth.values(), default=-1) + 1)]


def draw_rules(rules: Mapping[str, Rule]) -> str:
    """Return the graph as an SVG; empty where there are no rules."""
    rows = layers(rules)
    if not rows:
        return ""
    width = max(map(len, rows)) * (WIDTH + ACROSS) + ACROSS
    places = {name: (x, y) for y, row in enumerate(rows) for name, x in zip(row, centres(row, width), strict=True)}
    height = len(rows) * (HEIGHT + DOWN) - DOWN + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'style="max-width: {width}px" aria-label="Graph of the rules"><g fill="none" stroke="#999">'
    ]
    for name, rule in rules.items():
        parts += [curve(places[needed], places[name]) for needed in rule["after"] if needed in rules]
    parts.append('</g><g font-size="13" text-anchor="middle" font-family="sans-serif">')
    for name, (x, row) in places.items():
        top = row * (HEIGHT + DOWN) + 2
        jobs = rules[name]["jobs"]
        parts.append(
            f'<rect x="{x - WIDTH / 2}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#eef3f8" '
            f'stroke="#0173b2"/><text x="{x}" y="{top + 15}">{escape(name)}</text>'
            f'<text x="{x}" y="{top + 28}" font-size="10" fill="#555">{counted(jobs, "job")}</text>'
        )
    return "".join([*parts, "</g></svg>"])


def centres(row: Sequence[str], width: float) -> list[float]:
    """Return the x of the boxes of a row, which stand in its middle."""
    start = (width - len(row) * (WIDTH + ACROSS) + ACROSS) / 2 + WIDTH / 2
    return [start + i * (WIDTH + ACROSS) for i in range(len(row))]


def curve(start: tuple[float, int], end: tuple[float, int]) -> str:
    """Return a line from the foot of a box to the head of another, given as x and row."""
    (x1, row1), (x2, row2) = start, end
    y1, y2 = row1 * (HEIGHT + DOWN) + HEIGHT + 2, row2 * (HEIGHT + DOWN) + 2
    return f'<path d="M{x1} {y1}C{x1} {y1 + DOWN},{x2} {y2 - DOWN},{x2} {y2}"/>'
