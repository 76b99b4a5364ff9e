"""Runs whose files are all there, where others failed: tables and figures can be made of them alone."""

from typing import Any

from seunet.config import paths, plan
from seunet.runtime.errors import UserError
from seunet.settings.configuration import Configuration, Run

NAMED = 6  # runs that a line names; the others are counted


def split_finished(config: Configuration) -> tuple[Configuration, list[dict[str, Any]]]:
    """Return the configuration with the finished runs alone, if `unfinished: left_out`, and a row of each other run.

    A row has the keys dataset, model, seed, missing (its first file that is not there) and log (of the job that makes
    it).
    """
    if config.unfinished != "left_out":
        return config, []
    rows = unfinished(config)
    left = {(row["dataset"], row["model"], row["seed"]) for row in rows}
    runs = [Run(datasets=[d], models=[m], seeds=[s]) for d, m, s in plan.all_runs(config) if (d, m, s) not in left]
    return config.model_copy(update={"runs": runs}), rows


def check_some(config: Configuration) -> None:
    """Raise UserError where `split_finished` has left no run."""
    if not config.runs:
        raise UserError("unfinished: left_out, and no run is finished; run the same command without it first")


def unfinished(config: Configuration) -> list[dict[str, Any]]:
    """Return a row of each run that lacks a file, as `split_finished` does."""
    rows = []
    for run in plan.all_runs(config):
        if missing := next((file for file in paths.of_run(config, *run) if not file.path.exists()), None):
            row = dict(zip(("dataset", "model", "seed"), run, strict=True))
            rows.append(row | {"missing": str(missing.path), "log": missing.log})
    return rows


def left_out_note(rows: list[dict[str, Any]]) -> str:
    """Return a line that names the runs which tables and figures leave out."""
    return f"Left out of all tables and figures, since not finished: {named(rows)}. See {paths.MISSING}."


def unfinished_note(config: Configuration) -> str | None:
    """Return a line that names the runs that a failed workflow did not finish, and how to go on with the others."""
    rows, runs = unfinished(config), plan.all_runs(config)
    if not rows:
        return None
    text = f"Not finished, {len(rows)} of {len(runs)} runs: {named(rows)}."
    if len(rows) == len(runs):
        return text
    return f"{text} For tables and figures of the others, add to the same command: --config unfinished=left_out"


def named(rows: list[dict[str, Any]]) -> str:
    """Return the names of runs, the first few, with the logs of what they lack."""
    names = [f"{row['dataset']}/{row['model']}/seed{row['seed']} ({row['log']})" for row in rows[:NAMED]]
    return ", ".join(names) + f", and {len(rows) - NAMED} more" * (len(rows) > NAMED)
