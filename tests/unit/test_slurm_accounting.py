"""A Slurm without accounting is found before the first job: stand-ins answer for sacct and scontrol."""

import pytest

from seunet.runtime.errors import UserError
from seunet.runtime.slurm import check_accounting

DISABLED = "echo 'Slurm accounting storage is disabled' >&2; exit 1"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Return a function that makes sacct and scontrol say something, and nothing else be there."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def answers(**programs: str) -> None:
        for name, text in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)

    return answers


def age(seconds: int) -> str:
    return f"echo 'MaxTasksPerNode = 512'; echo 'MinJobAge               = {seconds} sec'"


@pytest.mark.parametrize(
    ("forgotten", "status_command", "advice"),
    [
        (300, "sacct", "slurm-status-command: squeue"),
        (60, "squeue", "squeue --slurm-init-seconds-before-status-checks 20"),
    ],
)
def test_without_accounting_the_way_out_is_named(slurm, forgotten, status_command, advice):
    slurm(sacct=DISABLED, scontrol=age(forgotten))
    with pytest.raises(UserError, match="no accounting") as error:
        check_accounting(status_command, 40)
    assert advice in str(error.value)


def test_squeue_is_enough_where_slurm_remembers_long_enough(slurm):
    slurm(sacct=DISABLED, scontrol=age(300))
    check_accounting("squeue", 40)


def test_with_accounting_or_without_sacct_nothing_is_said(slurm):
    check_accounting("sacct", 40)
    slurm(sacct="echo 17 COMPLETED", scontrol=age(10))
    check_accounting("sacct", 40)
