"""docs/tutorial.md, word for word: its commands and files, with a stand-in for MONAI and small images."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from test_workflow import clone, environment  # noqa: F401

MONAI = '''
from torch import nn

class UNet(nn.Sequential):
    """Takes what MONAI's takes; sides must be multiples of 2 for each stride."""

    def __init__(self, spatial_dims, in_channels, out_channels, channels, strides):
        assert spatial_dims == 2 and len(strides) == len(channels) - 1
        down = [nn.Conv2d(in_channels, channels[0], 3, stride=2 ** len(strides), padding=1), nn.ReLU()]
        super().__init__(*down, nn.ConvTranspose2d(channels[0], out_channels, 2 ** len(strides), 2 ** len(strides)))
'''


@pytest.mark.slow
def test_the_tutorial_word_for_word(clone, tmp_path):  # noqa: F811
    shutil.copytree(clone, tmp_path, dirs_exist_ok=True)
    (tmp_path / "monai" / "networks").mkdir(parents=True)
    (tmp_path / "monai" / "networks" / "nets.py").write_text(MONAI)
    images_and_masks(tmp_path / "mine")
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = {kind: re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("bash", "python", "yaml")}
    (tmp_path / "nets.py").write_text(blocks["python"][0])
    (tmp_path / "nets.yaml").write_text(blocks["yaml"][0])
    first, *others = "".join(blocks["bash"]).splitlines()
    shell(first, tmp_path)
    smaller = (tmp_path / "mine.yaml").read_text().replace("width: 16, depth: 4", "width: 2, depth: 2")
    (tmp_path / "mine.yaml").write_text(smaller.replace("epochs: 50", "epochs: 1"))
    for command in others:
        shell(command, tmp_path)
    figures = re.findall(r"mine_\w+\.png", text)
    assert figures
    for figure in figures:
        assert (tmp_path / "results" / "figures" / figure).is_file()
    assert len(list((tmp_path / "classes").glob("*_overlay.png"))) == 8


def images_and_masks(folder: Path) -> None:
    """Write eight pairs: noise, brighter where the mask is 255."""
    draw = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for i in range(8):
        mask = np.zeros((32, 32), np.uint8)
        mask[i : i + 16, 8:24] = 255
        Image.fromarray(draw.integers(0, 100, (32, 32, 3), np.uint8) + mask[..., None] // 2).save(
            folder / "images" / f"{i}.png"
        )
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")


def shell(command: str, folder: Path) -> None:
    """Run a line of the tutorial as in a shell with the virtual environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    surroundings = environment() | {"PATH": path, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=surroundings, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
