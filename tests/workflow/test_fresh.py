"""Fresh or stale: what runs again after a change, and what does not, with a network and images of one's own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_workflow import Workflow, clone, jobs  # noqa: F401
from typer.testing import CliRunner

from seunet.cli import app

TABLE = "results/tables/scores.csv"
MINE = {
    "datasets": {
        "mine": {
            "source": "folder",
            "path": "mine",
            "classes": {"a": 0, "b": 255},
            "image_size": 16,
            "training": {"batch_size": 4, "epochs": 1},
            "test_scales": [1],
        }
    },
    "models": {"net": {"label": "Net", "architecture": "my_package.nets:Net"}},
    "runs": [{"datasets": ["mine"], "models": ["net"], "seeds": [0]}],
    "claims": [],
}
NETS = """from torch import nn
from .blocks import block

class Net(nn.Sequential):
    def __init__(self, in_channels, num_classes):
        super().__init__(block(in_channels, num_classes))
"""
BLOCKS = "from torch import nn\n\ndef block(i, o):\n    return nn.Conv2d(i, o, 3, padding=1)\n"


def own_project(folder: Path) -> None:
    """Write ten images with their masks, and a package with a network."""
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / "mine" / part).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(rng.integers(0, 2, (16, 16), np.uint8) * 255).save(folder / "mine" / part / f"{i}.png")
    (folder / "my_package").mkdir()
    for name, text in {"__init__": "", "nets": NETS, "blocks": BLOCKS}.items():
        (folder / "my_package" / f"{name}.py").write_text(text)


@pytest.fixture(scope="module")
def mine(clone, tmp_path_factory) -> Workflow:  # noqa: F811
    """Return a finished run up to the table of scores, in a working folder beside the clone."""
    folder = tmp_path_factory.mktemp("own")
    own_project(folder)
    workflow = Workflow(clone, folder)
    assert jobs(run(workflow))["train"] == 1
    return workflow


def run(workflow: Workflow, *arguments: str, config: dict | None = None, good: bool = True) -> str:
    """Run the workflow of one's own up to the table."""
    return workflow.run(MINE if config is None else config, *arguments, TABLE, base=False, good=good)


def planned(workflow: Workflow, config: dict | None = None) -> dict[str, int]:
    """Return what a run would do."""
    return jobs(run(workflow, "--dry-run", config=config))


@pytest.fixture
def rewritten():
    """Return a function that changes a file; after the test the file is as before."""
    before = {}

    def rewrite(path: Path, content: bytes) -> None:
        before.setdefault(path, path.read_bytes() if path.exists() else None)
        path.write_bytes(content)

    yield rewrite
    for path, content in before.items():
        path.unlink() if content is None else path.write_bytes(content)


def test_a_changed_helper_of_a_network_trains_again_and_its_comment_does_not(mine, rewritten):
    blocks = mine.folder / "my_package" / "blocks.py"
    rewritten(blocks, f"# ours\n{BLOCKS}".encode())
    assert planned(mine) == {}
    rewritten(blocks, BLOCKS.replace("3, padding=1", "5, padding=2").encode())
    assert planned(mine) == {"train": 1, "evaluate": 1, "tables": 1}
    rewritten(blocks, BLOCKS.encode())
    rewritten(mine.folder / "my_package" / "__init__.py", b"WIDTH = 3\n")
    assert planned(mine) == {"train": 1, "evaluate": 1, "tables": 1}


def test_predict_finds_a_network_of_the_working_folder(mine, monkeypatch):
    monkeypatch.chdir(mine.folder)
    result = CliRunner().invoke(app, ["predict", "results/models/mine/net/seed0", "mine/images/0.png"])
    assert result.exit_code == 0, result.output
    with Image.open("predictions/0.png") as classes:
        assert classes.size == (16, 16)
