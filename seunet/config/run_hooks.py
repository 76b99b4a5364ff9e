"""What the Snakefile does when a run begins and ends, beside the record of `runtime.provenance`."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seunet.config.figures import left_over

NAMED = 6  # files that are named; the others are counted


def rules_of(dag: Any) -> dict[str, dict[str, Any]]:
    """Return how many jobs each rule of a run has, and the rules whose files they read, from Snakemake's DAG."""
    jobs: dict[str, int] = {}
    needed: dict[str, set[str]] = {}
    for job in dag.jobs:
        jobs[job.rule.name] = jobs.get(job.rule.name, 0) + 1
        needed.setdefault(job.rule.name, set()).update(other.rule.name for other in dag.job_dependencies(job))
    return {name: {"jobs": count, "after": sorted(needed[name])} for name, count in sorted(jobs.items())}


def errors_left(folder: Path) -> str:
    """Return what jobs left in a folder, one after the other."""
    return "".join(f"\n{file.read_text(encoding='utf-8')}" for file in sorted(folder.glob("*")))


def say_last(folder: Path, note: str | None) -> None:
    """Print a line on the runs that are missing, and last the errors that jobs left in a folder, to standard error."""
    text = (f"\n{note}\n" if note else "") + errors_left(folder)
    print(text, end="", file=sys.stderr, flush=True)


def left_over_note(made: Iterable[str]) -> str | None:
    """Return a line that names the tables and figures of earlier runs, so that nobody takes them for those `made`."""
    if not (files := left_over(made)):
        return None
    named = ", ".join(files[:NAMED]) + ", …" * (len(files) > NAMED)
    return f"Not of this configuration, but of earlier runs: {named} ({len(files)}). Delete what you do not need."
