"""Timing of alternatives in turn, and the row of the table that comes of it."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

REPETITIONS = 7


@dataclass(frozen=True)
class Row:
    """One ratio and the target that it should stay below (or, for a speed-up, above)."""

    what: str
    measured: float
    target: float
    unit: str = "×"
    higher_is_better: bool = False

    @property
    def met(self) -> bool:
        """Tell whether the target is met."""
        return self.measured >= self.target if self.higher_is_better else self.measured <= self.target

    def as_json(self) -> dict:
        """Return the row for the record."""
        return asdict(self) | {"met": self.met}

    def as_text(self) -> str:
        """Return the row for a Markdown table."""
        sign = "≥" if self.higher_is_better else "≤"
        verdict = "met" if self.met else "missed"
        return f"| {self.what} | {self.measured:.2f} {self.unit} | {sign} {self.target:g} | {verdict} |"


def medians(alternatives: Mapping[str, Callable[[], object]], repetitions: int = REPETITIONS) -> dict[str, float]:
    """Return the median wall time of each alternative, in seconds.

    One call each to warm up; then all in turn, so that a busy moment of the machine meets each of them.
    """
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for function in alternatives.values():
        function()
    gc.disable()
    for _ in range(repetitions):
        for name, function in alternatives.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    gc.enable()
    return {name: statistics.median(values) for name, values in times.items()}
