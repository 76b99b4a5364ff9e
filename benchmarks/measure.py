"""Timing of alternatives in turn, and the row of the table that comes of it."""

import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

REPETITIONS = 11


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
        """Return the row for a Markdown table; a missed target is bold."""
        sign, unit = "≥" if self.higher_is_better else "≤", "" if self.unit == "×" else f" {self.unit}"
        value = f"{self.measured:.2f}" if self.measured < 100 else f"{self.measured:.0f}"
        measured = f"{value}{unit}" if self.met else f"**{value}{unit}**"
        return f"| {self.what} | {measured} | {sign} {self.target:g}{unit} |"


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


def least(
    alternatives: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Return the least time of each alternative in rounds in which all take turns: for those of many seconds."""
    times: dict[str, list[float]] = {name: [] for name in alternatives}
    for _ in range(rounds):
        for name, function in alternatives.items():
            start = clock()
            function()
            times[name].append(clock() - start)
    return {name: min(values) for name, values in times.items()}


@contextmanager
def uncompiled() -> Iterator[None]:
    """Let the layers run in torch alone."""
    before = os.environ.get("SEUNET_COMPILED")
    os.environ["SEUNET_COMPILED"] = "0"
    try:
        yield
    finally:
        del os.environ["SEUNET_COMPILED"]
        os.environ |= {} if before is None else {"SEUNET_COMPILED": before}


@contextmanager
def without_slurm() -> Iterator[dict[str, str]]:
    """Give an environment in which scontrol fails at once.

    Where Slurm is installed and its controller does not answer, Snakemake's Slurm plugin waits nine seconds for
    scontrol when it is imported, whatever the executor.
    """
    with tempfile.TemporaryDirectory() as folder:
        scontrol = Path(folder, "scontrol")
        scontrol.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        scontrol.chmod(0o755)
        yield os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
