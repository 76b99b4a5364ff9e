"""`seunet predict` as a whole command: 100 images of 512 pixels, against the code before batch norm was folded."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import Row, least
from seunet import build_model
from seunet.models.checkpoint import save_model

BEFORE = "d7d60f8"  # the commit to compare with
IMAGES, SIDE, CLASSES = 100, 512, 3
OPTIONS = {"width": 16, "depth": 4}
START = "from seunet.cli import app; app()"
ROUNDS = 4


def rows() -> list[Row]:
    """Time the command of three kinds in turn; where the history of the code is not at hand there are no rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = subprocess.run(["git", "archive", BEFORE], capture_output=True)
        if archive.returncode:
            return []
        (folder / "code").mkdir()
        subprocess.run(["tar", "x", "-C", str(folder / "code")], input=archive.stdout, check=True)
        write_inputs(folder)
        ways = {"before": (folder / "code", ()), "float32": (Path.cwd(), ())}
        if torch.cpu._is_avx512_bf16_supported():
            ways["bfloat16"] = (Path.cwd(), ("--precision", "bfloat16"))
        calls = {
            way: lambda way=way, code=code, options=options: predict(folder, code, way, *options)
            for way, (code, options) in ways.items()
        }
        seconds = least(calls, ROUNDS)
    targets = {"float32": 0.8, "bfloat16": 0.45}
    what = f"`seunet predict`, {IMAGES} images of {SIDE} pixels, U-Net"
    return [
        Row(f"{what}, {way} / code of {BEFORE}", seconds[way] / seconds["before"], target)
        for way, target in targets.items()
        if way in seconds
    ]


def write_inputs(folder: Path) -> None:
    """Write a network and images."""
    torch.manual_seed(0)
    (folder / "model").mkdir()
    description = {"architecture": "unet", "in_channels": 3, "num_classes": CLASSES, "options": OPTIONS}
    save_model(folder / "model", build_model("unet", 3, CLASSES, **OPTIONS), description)
    (folder / "images").mkdir()
    random = np.random.default_rng(0)
    for i in range(IMAGES):
        coarse = Image.fromarray(random.integers(256, size=(SIDE // 16, SIDE // 16, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / "images" / f"{i}.png")


def predict(folder: Path, code: Path, way: str, *options: str) -> None:
    """Call the command."""
    command = [sys.executable, "-c", START, "predict", "model", "images", "--output", way, "--overwrite", *options]
    subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(code)}, check=True, capture_output=True, text=True
    )


if __name__ == "__main__":
    print(*(row.as_text() for row in rows()), sep="\n")
