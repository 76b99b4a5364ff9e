"""What `seunet init` prints runs, for folders built in different ways: all are planned, one is run to its figures."""

import pytest
import yaml
from test_cli import call
from test_cli_init import KINDS, nuclei
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
def test_every_folder_is_planned(build, clone, tmp_path):  # noqa: F811
    planned = jobs(Workflow(clone, tmp_path).run(guessed(build, tmp_path / "mine"), "--dry-run", base=False))
    assert planned["prepare"] == planned["train"] == planned["evaluate"] == 1 and planned["figure"] == 4


def test_one_of_them_runs_to_its_figures(clone, tmp_path):  # noqa: F811
    """The one with images of 16 bits and numbered instances beside each other."""
    config = guessed(nuclei, tmp_path / "mine")
    Workflow(clone, tmp_path).run(config, base=False)
    figures = {path.name for path in (tmp_path / "results" / "figures").iterdir()}
    assert {f"mine_{kind}.png" for kind in ("iou", "consistency", "crops", "predictions")} <= figures
