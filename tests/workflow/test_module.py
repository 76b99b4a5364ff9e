"""Another workflow uses this one as a module."""

import os
import subprocess
import sys

import pytest
import yaml
from test_fresh import MINE, own_project
from test_workflow import clone, environment, jobs  # noqa: F401

pytestmark = pytest.mark.slow
OUTER = """
configfile: "config.yaml"


module seunet:
    snakefile:
        "{clone}/Snakefile"
    config:
        config


use rule * from seunet as seunet_*


rule count_rows:
    default_target: True
    input:
        "results/tables/scores.csv",
    output:
        "rows.txt",
    shell:
        "wc -l {{input}} > {{output}}"
"""


def test_another_workflow_plans_and_runs_the_rules(clone, tmp_path):  # noqa: F811
    own_project(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(MINE))
    (tmp_path / "Snakefile").write_text(OUTER.format(clone=clone))
    planned = jobs(run(tmp_path, "--dry-run"))
    assert planned == {f"seunet_{rule}": 1 for rule in ("prepare", "train", "evaluate", "tables")} | {"count_rows": 1}
    run(tmp_path, "results/datasets/mine/dataset.json")
    assert (tmp_path / "results" / "datasets" / "mine" / "test" / "images.npy").exists()
    assert "seunet_prepare" not in jobs(run(tmp_path, "--dry-run"))


def run(folder, *arguments: str) -> str:
    """Run the other workflow; return what the terminal shows."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    outside = environment() | {"PATH": os.environ["PATH"]}
    result = subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr
