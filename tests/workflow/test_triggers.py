"""What Snakemake runs again by itself, and that it asks the property that `seunet.config.triggers` replaces."""

import os
import subprocess
import sys

from conftest import ROOT

SNAKEFILE = """
from seunet.config import triggers

if config.get("ignore_places"):
    triggers.ignore_places(workflow)


rule one:
    output:
        "one.txt",
    params:
        value=config["value"],
    script:
        "one.py"
"""


def test_the_time_of_a_script_runs_nothing_again_and_a_parameter_does(tmp_path):
    """Without the fence Snakemake goes by the time: if it no longer does, the fence can go."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    script = tmp_path / "one.py"
    script.write_text("open(snakemake.output[0], 'w').close()\n")

    def run(*config: str) -> str:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--config", *config]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    run("value=1")
    made = (tmp_path / "one.txt").stat().st_mtime
    os.utime(script, (made + 60, made + 60))
    assert "Nothing to be done" not in run("value=1", "--dry-run")
    assert "Nothing to be done" in run("value=1", "ignore_places=yes", "--dry-run")
    assert "Nothing to be done" not in run("value=2", "ignore_places=yes", "--dry-run")
