"""Slurm: whether the state of its jobs can be asked for at all, before any job waits for an answer."""

import re
import shutil
import subprocess

from seunet.runtime.errors import UserError

SECONDS = 20  # for an answer of Slurm's


def check_accounting(status_command: str, seconds: int) -> None:
    """Raise UserError where Snakemake's Slurm plugin (2.8) would ask `sacct` of a Slurm without accounting for ever.

    Args:
        status_command: `sacct` or `squeue`, of the plugin's settings. With `squeue` the plugin takes sacct all the same
            if it is there and Slurm forgets a finished job before three times `seconds`.
        seconds: how long the plugin waits before it asks for the first time.
    """
    if shutil.which("sacct") is None or "accounting storage is disabled" not in command_output("sacct", "--noheader"):
        return
    forgotten = min_job_age()
    if forgotten < 3 * seconds:
        raise UserError(
            f"this Slurm has no accounting, and forgets a job {forgotten} s after its end (MinJobAge): give Snakemake "
            f"--slurm-status-command squeue --slurm-init-seconds-before-status-checks {max(1, forgotten // 3)}"
        )
    if status_command != "squeue":
        raise UserError(
            "this Slurm has no accounting (sacct says that it is disabled), so Snakemake would wait for its first job "
            "without end: add slurm-status-command: squeue to the profile"
        )


def min_job_age() -> int:
    """Return after how many seconds Slurm forgets a job that has ended; 0 where it does not say."""
    found = re.search(r"^MinJobAge\s*=\s*(\d+) sec", command_output("scontrol", "show", "config"), re.M)
    return int(found[1]) if found else 0


def command_output(*command: str) -> str:
    """Return all that a command says; nothing where it is not there or does not end."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
