"""nnU-Net 2.8.1 trains, validates and predicts with our networks, as docs/how-to/nnunet.md says.

In an environment of its own, from a clone (neither `make test` nor `make test-all` runs it; it skips without nnU-Net):

    python3 -m venv .venv-nnunet
    .venv-nnunet/bin/pip install -c requirements.lock -e . pytest nnunetv2==2.8.1
    .venv-nnunet/bin/python -m pytest tests/foreign/test_nnunet.py
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seunet.integrations.nnunet import TRAINERS

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(importlib.util.find_spec("nnunetv2") is None, reason="nnU-Net is not installed here"),
]

BIN = Path(sys.executable).parent
WINDOWS = {"num_scales": 1, "scales_in_training": 2, "scales_at_test": 3, "windows": "information"}
SEUNET = {"width": 4, "geometry": "exact", "layout": "pyramid", **WINDOWS}
SHORT = """from seunet.integrations.nnunet.trainers.seunet_trainer import SEUNetTrainer
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

class Short:
    def on_train_start(self):
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 1, 4, 2
        super().on_train_start()

class ShortSEUNetTrainer(Short, SEUNetTrainer):
    pass

class ShortOwnTrainer(Short, nnUNetTrainer):
    pass
"""


class Nnunet:
    """A folder of nnU-Net's with one tiny data set, and its commands."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.plans_file = folder / "preprocessed" / "Dataset007_Discs" / "nnUNetPlans.json"
        (folder / "trainers").mkdir()
        (folder / "trainers" / "short_trainers.py").write_text(SHORT)
        self.environment = os.environ | {
            f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")
        }
        self.environment |= {"nnUNet_extTrainer": os.pathsep.join([str(folder / "trainers"), str(TRAINERS)])}
        self.environment |= {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "OMP_NUM_THREADS": "1"}

    def run(self, program: str, *arguments: str, good: bool = True) -> str:
        """Run one of its programs; return what it prints."""
        done = subprocess.run(
            [BIN / f"nnUNetv2_{program}", *arguments], env=self.environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) == good, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    def plan(self, name: str, network: str, options: dict, replace: bool) -> None:
        """Write plans that name one of our networks, with its options alone or beside what nnU-Net planned."""
        plans = json.loads(self.plans_file.read_text())
        architecture = plans["configurations"]["2d"]["architecture"]
        architecture["network_class_name"] = f"seunet.integrations.nnunet.{network}"
        if replace:
            architecture |= {"arch_kwargs": {}, "_kw_requires_import": []}
        architecture["arch_kwargs"] |= options
        plans["plans_name"] = name
        self.plans_file.with_name(f"{name}.json").write_text(json.dumps(plans))


def discs(folder: Path, cases: int) -> None:
    """Write grey images of 64 pixels with a bright disc, and their masks, in nnU-Net's raw layout."""
    rng = np.random.default_rng(0)
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / name).mkdir(parents=True)
    rows, columns = np.mgrid[:64, :64]
    for case in range(cases):
        y, x, radius = rng.uniform(16, 48, 2).tolist() + [rng.uniform(6, 12)]
        disc = ((rows - y) ** 2 + (columns - x) ** 2 < radius**2).astype(np.uint8)
        image = (120 * disc + rng.integers(0, 60, (64, 64))).astype(np.uint8)
        Image.fromarray(image).save(folder / "imagesTr" / f"disc_{case:03}_0000.png")
        Image.fromarray(disc).save(folder / "labelsTr" / f"disc_{case:03}.png")
    Image.fromarray(image).save(folder / "imagesTs" / "new_0000.png")
    description = {"channel_names": {"0": "grey"}, "labels": {"background": 0, "disc": 1}, "numTraining": cases}
    (folder / "dataset.json").write_text(json.dumps(description | {"file_ending": ".png"}))


@pytest.fixture(scope="module")
def nnunet(tmp_path_factory) -> Nnunet:
    """Return nnU-Net with a planned and preprocessed data set."""
    folder = tmp_path_factory.mktemp("nnunet")
    discs(folder / "raw" / "Dataset007_Discs", 6)
    nnunet = Nnunet(folder)
    nnunet.run("plan_and_preprocess", "-d", "7", "-c", "2d", "-np", "1", "-npfp", "1")
    return nnunet


@pytest.mark.parametrize(
    ("network", "options", "replace", "trainer"),
    [
        ("SEUNet", SEUNET, True, "ShortSEUNetTrainer"),
        ("SEUNet", {"width": 4, "num_scales": 2}, False, "ShortOwnTrainer"),
        ("UNet", {"width": 4}, False, "ShortOwnTrainer"),
    ],
    ids=["windows", "seunet-own-trainer", "unet-own-trainer"],
)
def test_a_plan_with_our_network_trains_validates_and_predicts(nnunet, tmp_path, network, options, replace, trainer):
    name = f"plans{network}{trainer}"
    nnunet.plan(name, network, options, replace)
    nnunet.run("train", "7", "2d", "0", "-p", name, "-tr", trainer, "-device", "cpu")
    (fold,) = (nnunet.folder / "results").glob(f"*/{trainer}__{name}__2d/fold_0")
    assert json.loads((fold / "validation" / "summary.json").read_text())["foreground_mean"]["Dice"] >= 0
    weights = torch.load(fold / "checkpoint_final.pth", weights_only=False)["network_weights"]
    assert "classifier.weight" in weights and len(weights["classifier.weight"]) == 2

    arguments = ["-d", "7", "-c", "2d", "-f", "0", "-p", name, "-tr", trainer, "-device", "cpu"]
    images = nnunet.folder / "raw" / "Dataset007_Discs" / "imagesTs"
    nnunet.run("predict", "-i", str(images), "-o", str(tmp_path / "answers"), *arguments, "-npp", "1", "-nps", "1")
    with Image.open(tmp_path / "answers" / "new.png") as answer:
        assert answer.size == (64, 64) and set(np.unique(np.asarray(answer))) <= {0, 1}


def test_every_window_has_a_loss_of_its_own(nnunet, monkeypatch):
    monkeypatch.syspath_prepend(str(TRAINERS))
    from seunet_trainer import LossOfEveryAnswer

    answers, target = torch.rand(6, 2, 8, 8), torch.randint(2, (2, 1, 8, 8))

    def loss(logits, target):
        return torch.nn.functional.cross_entropy(logits, target[:, 0])

    expected = sum(loss(answers[i : i + 2], target) for i in (0, 2, 4)) / 3
    torch.testing.assert_close(LossOfEveryAnswer(loss)(answers, target), expected)
