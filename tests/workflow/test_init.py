"""What `seunet init` prints runs, for folders built in different ways: each to its figures."""

import pytest
import yaml
from test_cli import call
from test_cli_init import KINDS
from test_workflow import Workflow, clone, jobs  # noqa: F401

pytestmark = pytest.mark.slow


def guessed(folders) -> dict:
    """Return what init prints of folders, as one configuration with a tiny U-Net to train on each."""
    datasets = {}
    for folder in folders:
        datasets |= yaml.safe_load(call(folder, command="init").output)["datasets"]
    for dataset in datasets.values():
        dataset["network"] = {"width": 2, "depth": 2}
        dataset["training"] |= {"epochs": 1}
    return {"datasets": datasets, "runs": [{"datasets": [*datasets], "models": ["unet"], "seeds": [0]}]}


def test_every_folder_runs_to_its_figures(clone, tmp_path):  # noqa: F811
    folders = [tmp_path / build.__name__ for build in KINDS]
    for build, folder in zip(KINDS, folders, strict=True):
        build(folder)
    workflow, config = Workflow(clone, tmp_path), guessed(folders)
    planned = jobs(workflow.run(config, "--dry-run", base=False))
    assert planned["prepare"] == planned["train"] == planned["evaluate"] == len(folders)
    assert planned["figure"] == 4 * len(folders)
    workflow.run(config, base=False)
    figures = {path.name for path in (tmp_path / "results" / "figures").iterdir()}
    kinds = ("iou", "consistency", "crops", "predictions")
    assert {f"{folder.name}_{kind}.png" for folder in folders for kind in kinds} <= figures
