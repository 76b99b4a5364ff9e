"""Which changes make Snakemake run a job again."""

from typing import Any

BY_PLACE = ("code", "software-env")  # names of Snakemake's triggers that a copy or a checkout sets off


def ignore_places(workflow: Any) -> None:
    """Take the times of scripts and the places of conda's environments from what Snakemake runs jobs again for.

    A copy or a checkout changes both; here parameters of the rules say what code and environments do. A Snakefile
    has no supported way to say so: `--rerun-triggers` and profiles belong to the user (a profile of the workflow's own
    would take the place of his), and `dag_settings` is set after the Snakefile is read. So this replaces the property
    that Snakemake asks. If a later Snakemake asks otherwise, tests/workflow/test_triggers.py fails; until that is
    mended, jobs run again after a checkout, and take their results from results/kept.
    """
    kind = type(workflow)
    if not isinstance(asked := getattr(kind, "rerun_triggers", None), property) or asked.fget is None:
        return
    original = asked.fget

    def without_places(self: Any) -> frozenset:
        return frozenset(trigger for trigger in original(self) if str(trigger) not in BY_PLACE)

    kind.rerun_triggers = property(without_places)
