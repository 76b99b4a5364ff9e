"""`seunet demo`: a folder of its own, the sentence from the tables, and a report that opens for people alone."""

import os
import signal
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from seunet.cli import app
from seunet.commands import demo

SCORES = """dataset,model,label,seed,scale,height,width,iou,consistency
reef,unet,U-Net,0,1.0,64,64,0.9,1.0
reef,windows,Windows,0,1.0,64,64,0.8,1.0
reef,unet,U-Net,0,4.0,256,256,0.4,1.0
reef,windows,Windows,0,4.0,256,256,0.7,1.0
"""


@pytest.fixture
def runs(monkeypatch) -> list[list[str]]:
    """Stand in for Snakemake: write a table of scores and a report, and note the command."""
    commands = []

    def run(command: list[str], cwd: Path, check: bool) -> SimpleNamespace:
        commands.append(command)
        (cwd / "results" / "tables").mkdir(parents=True)
        (cwd / "results" / "tables" / "scores.csv").write_text(SCORES)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Note what a browser would be asked to show."""
    pages: list[str] = []
    monkeypatch.setattr(webbrowser, "open", pages.append)
    return pages


def call(*arguments: str | Path):
    return CliRunner().invoke(app, ["demo", *map(str, arguments)])


def test_a_new_folder_has_the_workflow_and_the_tables_say_who_is_best(tmp_path, runs, opened):
    result = call(tmp_path / "new", "--cores", "3")
    assert result.exit_code == 0, result.output
    for name in ("Snakefile", "config/config.yaml", "config/demo.yaml", "workflow/scripts/train.py", "envs/train.yaml"):
        assert (tmp_path / "new" / name).is_file()
    assert "--cores 3" in " ".join(runs[0]) and runs[0][-2:] == ["all", "results/report.html"]
    assert (
        "reef: At the scale of training U-Net is best (0.90). On larger images Windows is best at ×4." in result.output
    )
    assert str(tmp_path / "new" / "results" / "report.html") in result.output and not opened


def test_a_folder_with_a_snakefile_is_used_as_it_is_and_the_report_opens_when_asked(tmp_path, runs, opened):
    (tmp_path / "Snakefile").touch()
    assert call(tmp_path, "--open").exit_code == 0
    assert not (tmp_path / "workflow").exists() and opened == [(tmp_path / "results" / "report.html").as_uri()]


def test_a_folder_of_other_files_is_refused(tmp_path, runs):
    (tmp_path / "thesis.tex").touch()
    result = call(tmp_path)
    assert result.exit_code == 1 and "without a Snakefile; name a new folder" in result.output and not runs


@pytest.mark.parametrize(
    ("surroundings", "terminal", "expected"),
    [
        ({"DISPLAY": ":0"}, True, True),
        ({"DISPLAY": ":0", "CI": "true"}, True, False),
        ({"DISPLAY": ":0"}, False, False),
    ],
)
def test_a_report_opens_by_itself_for_people_alone(monkeypatch, surroundings, terminal, expected):
    for name in ("CI", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    assert demo.person_has_display() is expected


STOPPED = """import time
from pathlib import Path
try:
    Path("started").touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)  # ends its jobs
    Path("unlocked").touch()
    raise SystemExit(1)
"""


def test_ctrl_c_lets_snakemake_unlock_its_folder(tmp_path):
    (tmp_path / "snakemake").mkdir()
    (tmp_path / "snakemake" / "__init__.py").touch()
    (tmp_path / "snakemake" / "__main__.py").write_text(STOPPED)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", "from seunet.cli import app; app(['demo', 'new'])"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    while not (tmp_path / "new" / "started").exists() and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 1
    assert (tmp_path / "new" / "unlocked").exists()
