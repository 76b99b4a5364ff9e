"""The command line: class maps of the images' own size, and mistakes in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from seunet import build_model
from seunet.cli import app
from seunet.models.checkpoint import save_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    options = {"width": 2, "depth": 2}
    description = {"architecture": "unet", "in_channels": 1, "num_classes": 3, "options": options}
    network = build_model("unet", 1, 3, **options)
    save_model(tmp_path / "model", network, description | {"classes": ["sea", "fish", "star"]})
    return tmp_path / "model"


def call(*arguments: str | Path):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


@pytest.mark.parametrize("tile", [0, 8])
def test_class_maps_have_the_size_of_their_images(model: Path, tmp_path: Path, tile: int) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(37, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "reef.png")
    result = call(model, tmp_path / "reef.png", "--output", tmp_path / "out", "--tile", tile, "--margin", tile // 2)
    assert result.exit_code == 0, result.output
    assert "1 fish" in result.output
    with Image.open(tmp_path / "out" / "reef.png") as written:
        classes = np.asarray(written)
    assert classes.shape == (37, 50)
    assert set(np.unique(classes)) <= {0, 1, 2}


@pytest.mark.parametrize("image", ["none.png", "text.png"])
def test_mistakes_are_one_line(model: Path, tmp_path: Path, image: str) -> None:
    (tmp_path / "text.png").write_text("no image")
    result = call(model, tmp_path / image, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert image in result.output
    assert result.output.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    result = call(tmp_path, tmp_path / "a.png")
    assert result.exit_code == 1
    assert "model.json: no such file" in result.output
