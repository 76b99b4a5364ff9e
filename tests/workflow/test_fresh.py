"""Fresh or stale: what runs again after a change, and what does not, with a network and images of one's own."""

import copy
import io
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_workflow import Workflow, clone, environment, jobs  # noqa: F401
from typer.testing import CliRunner

from seunet.cli import app
from seunet.runtime.files import sha256

pytestmark = pytest.mark.slow

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
        path.parent.mkdir(exist_ok=True)
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


def test_images_count_by_content_and_other_files_not_at_all(mine, rewritten):
    images = mine.folder / "mine" / "images"
    for name in (".DS_Store", "Thumbs.db", "._0.png"):
        rewritten(images / name, b"of the system")
        rewritten(mine.folder / "mine" / "masks" / name, b"of the system")
    for path in images.iterdir():
        path.touch()
    assert planned(mine) == {}
    with Image.open(images / "0.png") as image:
        turned = io.BytesIO()
        image.rotate(180).save(turned, "PNG")
    rewritten(images / "0.png", turned.getvalue())
    assert planned(mine) == {"prepare": 1, "train": 1, "evaluate": 1, "tables": 1}


def test_a_copied_project_has_nothing_to_do(mine, tmp_path):
    """`cp -r` and the like: new times, in any order, for the workflow and its results."""
    draw = random.Random(0)
    for folder, name in ((mine.clone, "clone"), (mine.folder, "work")):
        shutil.copytree(folder, tmp_path / name)
    for path in tmp_path.rglob("*"):
        when = time.time() - draw.randrange(10, 10**6)
        os.utime(path, (when, when))
    assert "Nothing to be done" in run(Workflow(tmp_path / "clone", tmp_path / "work"), "--dry-run")


def test_another_configuration_takes_no_weights_away(mine, rewritten):
    weights = mine.folder / "results" / "models" / "mine" / "net" / "seed0" / "model.safetensors"
    first = sha256(weights)
    longer = copy.deepcopy(MINE)
    longer["datasets"]["mine"]["training"]["epochs"] = 2
    run(mine, config=longer)
    second = sha256(weights)
    kept = {sha256(path) for path in mine.folder.glob("results/kept/*/models/mine/net/seed0/model.safetensors")}
    assert second != first and {first, second} <= kept
    rewritten(mine.folder / "results" / "figures" / "old_iou.png", b"of an earlier run")
    text = run(mine)
    assert sha256(weights) == first and "earlier runs: results/figures/old_iou.png (1)" in text
    for rule in ("train", "evaluate"):
        assert "taken from results/kept/" in (mine.folder / "logs" / rule / "mine" / "net" / "seed0.log").read_text()
    assert planned(mine) == {}


def test_given_weights_count_by_content(mine, tmp_path):
    shutil.copytree(mine.folder, tmp_path, dirs_exist_ok=True)
    given = tmp_path / "results" / "models" / "mine" / "net" / "seed0"
    shutil.copytree(given, tmp_path / "theirs")
    config = MINE | {"models": {"theirs": {"label": "Theirs", "weights": "theirs"}}}
    config["runs"] = [{"datasets": ["mine"], "models": ["theirs"], "seeds": [0]}]
    workflow = Workflow(mine.clone, tmp_path)
    done = jobs(run(workflow, config=config))
    assert done["evaluate"] == 1 and "train" not in done
    weights = tmp_path / "theirs" / "model.safetensors"
    weights.touch()
    assert planned(workflow, config) == {}
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert planned(workflow, config) == {"evaluate": 1, "tables": 1}


def test_ctrl_c_in_a_longer_training_loses_nothing(mine):
    """SIGINT to all processes of the terminal; the same command goes on, and the first weights come back."""
    folder = mine.folder / "results" / "models" / "mine" / "net" / "seed0"
    first = sha256(folder / "model.safetensors")
    longer = copy.deepcopy(MINE)
    longer["datasets"]["mine"]["training"]["epochs"] = 400
    process = subprocess.Popen(
        mine.command(longer, TABLE, base=False), cwd=mine.clone, env=environment(), start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # which `&` of a shell takes away
    )  # fmt: skip
    log, deadline = mine.folder / "logs" / "train" / "mine" / "net" / "seed0.log", time.monotonic() + 300
    while not (log.exists() and "epoch 5/400" in log.read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    text = process.communicate(timeout=300)[0]
    assert process.returncode and "Traceback" not in text, text
    assert log.read_text().endswith("interrupted\n") and (folder / "last.pt").exists()
    run(mine, "--rerun-incomplete", config=longer)
    assert "resumed after epoch" in log.read_text() and sha256(folder / "model.safetensors") != first
    run(mine)
    assert sha256(folder / "model.safetensors") == first and "taken from results/kept/" in log.read_text()


def test_tables_of_what_is_there_name_the_run_that_failed_and_are_whole_again(mine, rewritten):
    bad = NETS.replace(" .blocks", " my_package.blocks") + (
        "    def forward(self, x):\n        return super().forward(x) * (float('nan') if self.training else 1)\n"
    )
    rewritten(mine.folder / "my_package" / "bad.py", bad.encode())
    config = copy.deepcopy(MINE)
    config["models"]["bad"] = {"label": "Bad", "architecture": "my_package.bad:Net"}
    config["runs"][0]["models"] = ["net", "bad"]
    missing = mine.folder / "results" / "tables" / "missing.csv"
    text = run(mine, "--keep-going", config=config, good=False)
    *_, note, reason = filter(None, text.splitlines())
    assert "Not finished, 1 of 2 runs: mine/bad/seed0 (logs/train/mine/bad/seed0.log)" in note
    assert reason.startswith("error in rule train: the loss is nan")
    text = run(mine, config=config | {"unfinished": "left_out"})
    assert text.count("Left out of all tables and figures, since not finished: mine/bad/seed0 ") == 2
    assert "mine,bad,0," in missing.read_text() and ",bad," not in (mine.folder / TABLE).read_text()
    assert "Nothing to be done" in run(mine, "--dry-run", config=config | {"unfinished": "left_out"})
    run(mine)
    assert not missing.exists() and ",net," in (mine.folder / TABLE).read_text()
