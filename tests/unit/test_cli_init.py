"""`seunet init` on folders as people have them: what it prints is valid, and `prepare` reads the data with it."""

import copy
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from snakemake.utils import update_config
from test_cli import call

from seunet.config import checks
from seunet.data.arrays import Prepared
from seunet.data.prepared import prepare
from seunet.settings.dataset import Preparation

ROOT = Path(__file__).parents[2]
SIDE = 48


def photo(path: Path, size: tuple[int, int] = (SIDE, SIDE), seed: int = 0, deep: bool = False) -> None:
    shape = size if deep else (*size, 3)
    pixels = np.random.default_rng(seed).integers(4000 if deep else 256, size=shape)
    write(path, pixels.astype(np.uint16 if deep else np.uint8))


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def blobs(count: int, values: list[int], size: tuple[int, int] = (SIDE, SIDE), dtype: type = np.uint8) -> np.ndarray:
    """Return a mask with squares of some values on zeros."""
    mask = np.zeros(size, dtype)
    for i in range(count):
        top, left = 2 + 11 * (i // 4), 2 + 11 * (i % 4)
        mask[top : top + 8, left : left + 8] = values[i % len(values)]
    return mask


def plain_pairs(root: Path) -> None:
    """Photos and masks of the same names in two folders; masks are 0 and 255."""
    for i in range(8):
        photo(root / "images" / f"leaf {i}.jpg", seed=i)
        write(root / "masks" / f"leaf {i}.png", blobs(3, [255]))


def drive(root: Path) -> None:
    """Other names for images and truths, a field of view, and a test set without truth."""
    for i in range(21, 29):
        photo(root / "training" / "images" / f"{i}_training.tif", (60, 56), i)
        write(root / "training" / "1st_manual" / f"{i}_manual1.gif", blobs(3, [255], (60, 56)))
        view = np.full((60, 56), 255, np.uint8)
        view[:5] = 0
        write(root / "training" / "mask" / f"{i}_training_mask.gif", view)
    for i in range(1, 4):
        photo(root / "test" / "images" / f"{i:02}_test.tif", (60, 56), i)


def nuclei(root: Path) -> None:
    """16-bit images and numbered instances beside each other, told apart by an end of the name."""
    for i in range(8):
        photo(root / f"well_{i:02}.tif", seed=i, deep=True)
        write(root / f"well_{i:02}_label.tif", blobs(4 + i, list(range(1, 5 + i)), dtype=np.uint16))


def official_splits(root: Path) -> None:
    """Folders train, valid and test, with images and labels in each; 255 is ignored."""
    for split, count in {"train": 5, "valid": 2, "test": 3}.items():
        for i in range(count):
            photo(root / split / "images" / f"{split}{i}.png", (SIDE, SIDE + 32 * (i % 3)), i)
            mask = blobs(4, [1, 2], (SIDE, SIDE + 32 * (i % 3)))
            mask[-1] = 255
            write(root / split / "labels" / f"{split}{i}.png", mask)


def coloured(root: Path) -> None:
    """Sites with folders of their own, and masks in colours."""
    for site in ("north", "south"):
        for i in range(4):
            photo(root / "tiles" / site / "img" / f"{i}.png", seed=i)
            mask = np.zeros((SIDE, SIDE, 3), np.uint8)
            mask[10:30, 10:30] = (255, 0, 0)
            mask[32:40] = (0, 0, 255)
            write(root / "tiles" / site / "gt" / f"{i}.png", mask)


KINDS = {
    plain_pairs: {
        "classes": {"background": 0, "foreground": 255},
        "metric": {"iou": "foreground"},
        "image_size": [48, 48],
    },
    drive: {
        "images": "training/images/{name}_training.tif",
        "masks": "training/1st_manual/{name}_manual1.gif",
        "valid": "training/mask/{name}_training_mask.gif",
    },
    nuclei: {
        "images": "{name}.tif",
        "masks": "{name}_label.tif",
        "classes": {"background": 0, "nonzero": "object"},
        "value_range": [0, 4095],
    },
    official_splits: {
        "images": "{folder}/images/{name}.png",
        "masks": "{folder}/labels/{name}.png",
        "split": {"train": "train/", "val": "valid/", "test": "test/"},
        "classes": {"background": 0, "class1": 1, "class2": 2},
        "ignore": [255],
        "fit": "pad",
    },
    coloured: {
        "images": "{folder}/img/{name}.png",
        "masks": "{folder}/gt/{name}.png",
        "classes": {"black": [0, 0, 0], "colour_ff0000": [255, 0, 0], "colour_0000ff": [0, 0, 255]},
    },
}


def guessed(folder: Path) -> tuple[str, dict]:
    """Return the name and the settings of the data set that init prints."""
    result = call(folder, command="init")
    assert result.exit_code == 0, result.output
    config = yaml.safe_load(result.output)
    whole = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    update_config(whole, copy.deepcopy(config))
    checks.check(whole, build=False)  # what the Snakefile checks before anything runs
    (name, settings), *_ = config["datasets"].items()
    assert config["runs"][0]["datasets"] == [name]
    return name, settings


@pytest.mark.parametrize("build", KINDS, ids=lambda build: build.__name__)
def test_what_is_printed_reads_the_data(build, tmp_path: Path) -> None:
    build(tmp_path / "My data")
    name, settings = guessed(tmp_path / "My data")
    assert name == "My-data"
    for key, value in KINDS[build].items():
        assert settings[key] == value, key
    preparation = {key: settings[key] for key in settings.keys() & Preparation.model_fields.keys()}
    prepare(name, Preparation.model_validate(preparation), {}, tmp_path / "out")
    data = Prepared(tmp_path / "out")
    assert sum(map(len, data.names.values())) == {drive: 8, official_splits: 10}.get(build, 8)
    masks = np.concatenate([data.train[1], data.val[1], data.test[1]])
    assert set(np.unique(masks)) - {255} == set(range(len(data.classes)))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda root: None, "no such folder"),
        (lambda root: root.write_text("x"), "is a file"),
        (lambda root: root.mkdir(), "no image in it"),
        (lambda root: photo(root / "a.png"), "no images with masks that are enough (1 image file)"),
        (lambda root: [photo(root / d / "a.png") for d in ("images", "masks")], "at least 3 images with a mask each"),
        (lambda root: [photo(root / d / f"{i}.png", seed=i) for d in ("images", "masks") for i in range(3)], "colours"),
    ],
)
def test_what_cannot_be_guessed_is_one_line(build, said: str, tmp_path: Path) -> None:
    build(tmp_path / "data")
    result = call(tmp_path / "data", command="init")
    assert result.exit_code == 1
    assert said in result.output
    assert result.output.count("\n") == 1
