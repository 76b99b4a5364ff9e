"""`--use-conda`, with a stand-in for conda: each rule runs on the packages of its own environment alone."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml
from faults.campaign import configuration
from test_data import pet_archives, pet_files
from test_workflow import Workflow, clone, jobs  # noqa: F401

SPEC = importlib.util.spec_from_file_location("stand_in", Path(__file__).parent / "stand_in" / "conda.py")
pytestmark = pytest.mark.slow


@pytest.fixture
def conda(tmp_path, monkeypatch):
    """Put the stand-in in front of PATH; return its module."""
    module = importlib.util.module_from_spec(SPEC)
    SPEC.loader.exec_module(module)
    folder = module.install(tmp_path / "conda")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return module


def test_from_archives_to_a_figure_each_rule_in_its_environment(clone, conda, tmp_path):  # noqa: F811
    folder = tmp_path / "work"
    (folder / "archives").mkdir(parents=True)
    config = configuration(pet_archives(folder / "archives", *pet_files()))
    config["datasets"]["pet"]["training"]["epochs"] = 1
    targets = ["results/tables/scores.csv", "results/figures/pet_iou.png"]
    done = jobs(Workflow(clone, folder).run(config, "--use-conda", *targets, base=False))
    assert done == {"download": 2, "prepare": 1, "train": 1, "evaluate": 1, "tables": 1, "figure": 1}
    assert all((folder / target).exists() for target in targets)
    assert len(pd.read_csv(folder / targets[0])) == 3
    made = {name(file): file.with_suffix("") for file in (folder / ".snakemake" / "conda").glob("*.yaml")}
    assert set(made) == {"download", "train", "figures"}
    for environment, has, lacks in (
        ("download", "requests", "numpy"),
        ("figures", "pandas", "torch"),
        ("train", "torch", "seaborn"),
    ):
        assert can_import(made[environment], has) and not can_import(made[environment], lacks), environment
    assert "Nothing to be done" in Workflow(clone, folder).run(config, "--use-conda", "-n", *targets, base=False)


def name(file: Path) -> str:
    """Return which of the environments of the workflow a copy of its file is."""
    packages = str(yaml.safe_load(file.read_text())["dependencies"])
    return "train" if "torch" in packages else "figures" if "seaborn" in packages else "download"


def can_import(prefix: Path, module: str) -> bool:
    """Tell whether the Python of an environment finds a module."""
    python = prefix / "bin" / "python"
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def test_the_stand_in_refuses_a_version_that_is_not_installed(conda):
    with pytest.raises(SystemExit, match="pandas==1.0.0 is asked for"):
        conda.closure(["pandas==1.0.0"])
