"""Targets of docs/reproduction.md, and whether the evidence meets them; see `reproduction`."""

import math
from collections.abc import Callable, Iterator

import pandas as pd
from reproduction_tables import digits, half_width, signed

PLAIN, OCTAVE, JITTER = "seunet-windows", "seunet-windows-jitter1.4", "seunet-windows-jitter2"


def target_table(scores: pd.DataFrame) -> Iterator[str]:
    """Yield a line per target: what is measured, mean over seeds with its 95 % interval, and whether it is met."""
    yield "| data set | what | measured | target | met |"
    yield "|---|---|---|---|---|"
    for dataset, what, measure, target, met in TARGETS:
        values = measure(Runs(scores[scores["dataset"] == dataset]))
        if len(values):
            mean, half = values.mean(), half_width(values)
            shown = f"{signed(mean)} ± {digits(half)}" if len(values) > 1 else f"{signed(mean)} (one seed)"
            verdict = "yes" if met(mean, half) else "**no**"
            yield f"| {dataset} | {what} | {shown.removeprefix('+')} | {target} | {verdict} |"


class Runs:
    """The scores of one data set."""

    def __init__(self, scores: pd.DataFrame):
        self.scores = scores

    def at(self, model: str, scale: float) -> pd.Series:
        """Return the score of each seed at the true scale nearest to a scale."""
        rows = self.scores[self.scores["model"] == model]
        if rows.empty:
            return pd.Series(dtype=float)
        nearest = min(rows["true_scale"].unique(), key=lambda true: abs(math.log2(true / scale)))
        return rows[rows["true_scale"] == nearest].set_index("seed")["iou"]

    def lead(self, model: str, other: str, scale: float) -> pd.Series:
        """Return by how much a model is ahead of another at a scale, of each seed that both have."""
        return (self.at(model, scale) - self.at(other, scale)).dropna()

    def drop(self, model: str, low: float, high: float) -> pd.Series:
        """Return how far each seed's lowest score between two scales lies from its score at scale 1."""
        rows = self.scores[(self.scores["model"] == model) & self.scores["true_scale"].between(low - 0.02, high)]
        return (rows.groupby("seed")["iou"].min() - self.at(model, 1)).dropna()


def at_least(bound: float) -> Callable[[float, float], bool]:
    """Return whether a mean reaches a bound."""
    return lambda mean, half: mean >= bound


def surely_above(bound: float) -> Callable[[float, float], bool]:
    """Return whether the whole interval lies above a bound."""
    return lambda mean, half: mean - half > bound


TARGETS = [
    ("reef", "SEU-Net, windows, no jitter, at ×2", lambda r: r.at(PLAIN, 2), "≥ .85", at_least(0.85)),
    ("reef", "… at ×4", lambda r: r.at(PLAIN, 4), "≥ .85", at_least(0.85)),
    ("reef", "… the worst training at ×2", lambda r: r.at(PLAIN, 2).nsmallest(1), "≥ .85", at_least(0.85)),
    ("reef", "windows, jitter 2, at ×1", lambda r: r.at(JITTER, 1), "≥ .87", at_least(0.87)),
    ("reef", "… lowest from ×1 to ×8, from its own ×1", lambda r: r.drop(JITTER, 1, 8), "≥ −.03", at_least(-0.03)),
    (
        "reef",
        "… ahead of U-Net, jitter 2, at ×½",
        lambda r: r.lead(JITTER, "unet-jitter2", 0.5),
        "> 0",
        surely_above(0),
    ),
    ("reef", "… at ×.63", lambda r: r.lead(JITTER, "unet-jitter2", 0.625), "> 0", surely_above(0)),
    ("reef", "windows, jitter 1.4, at ×1", lambda r: r.at(OCTAVE, 1), "≥ .87", at_least(0.87)),
    ("reef", "… lowest from ×½ to ×8, from its own ×1", lambda r: r.drop(OCTAVE, 0.5, 8), "≥ −.03", at_least(-0.03)),
    (
        "reef",
        "… ahead of U-Net, jitter 2, at ×½",
        lambda r: r.lead(OCTAVE, "unet-jitter2", 0.5),
        "> 0",
        surely_above(0),
    ),
    (
        "hela",
        "windows, no jitter, lowest from ×.35 to ×4, from its own ×1",
        lambda r: r.drop(PLAIN, 0.35, 4),
        "≥ −.04",
        at_least(-0.04),
    ),
    ("hela", "… ahead of U-Net at ×1.41", lambda r: r.lead(PLAIN, "unet", 1.41), "> 0", surely_above(0)),
    ("hela", "… ahead of U-Net, jitter 2, at ×4", lambda r: r.lead(PLAIN, "unet-jitter2", 4), "> 0", surely_above(0)),
    ("hela", "… against U-Net at ×1", lambda r: r.lead(PLAIN, "unet", 1), "≥ −.03", at_least(-0.03)),
    (
        "hela",
        "windows, jitter 1.4, lowest from ×.35 to ×4, from its own ×1",
        lambda r: r.drop(OCTAVE, 0.35, 4),
        "≥ −.04",
        at_least(-0.04),
    ),
    (
        "pet",
        "windows, jitter 2, lowest from ×½ to ×4, from its own ×1",
        lambda r: r.drop(JITTER, 0.5, 4),
        "≥ −.03",
        at_least(-0.03),
    ),
    (
        "pet",
        "windows, jitter 1.4, lowest from ×½ to ×4, from its own ×1",
        lambda r: r.drop(OCTAVE, 0.5, 4),
        "≥ −.03",
        at_least(-0.03),
    ),
    ("pet", "… against U-Net at ×1", lambda r: r.lead(OCTAVE, "unet", 1), "≥ −.03", at_least(-0.03)),
]
