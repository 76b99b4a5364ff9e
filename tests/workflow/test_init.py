"""What `seunet init` prints runs, for folders built in different ways: each to its figures."""

import pytest
import yaml
from test_cli import call
from test_cli_init import KINDS
from test_workflow import Workflow, clone, jobs  # noqa: F401

pytestmark = pytest.mark.slow


def guessed(build, folder) -> dict:
    """Return what init prints of a folder, with one tiny U-Net to train."""
    build(folder)
    config = yaml.safe_load(call(folder, command="init").output)
    config["datasets"]["mine"]["network"] = {"width": 2, "depth": 2}
    config["datasets"]["mine"]["training"] |= {"epochs": 1}
    config["runs"][0]["models"] = ["unet"]
    return config


@pytest.mark.parametrize("build", KINDS, ids=lambda build: build.__name__)
def test_every_folder_runs_to_its_figures(build, clone, tmp_path):  # noqa: F811
    workflow, config = Workflow(clone, tmp_path), guessed(build, tmp_path / "mine")
    planned = jobs(workflow.run(config, "--dry-run", base=False))
    assert planned["prepare"] == planned["train"] == planned["evaluate"] == 1 and planned["figure"] == 4
    workflow.run(config, base=False)
    figures = {path.name for path in (tmp_path / "results" / "figures").iterdir()}
    assert {f"mine_{kind}.png" for kind in ("iou", "consistency", "crops", "predictions")} <= figures
