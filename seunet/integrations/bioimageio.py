"""Networks as packages of bioimage.io, format 0.5: `seunet export NET model.zip`. `models/packages.py` reads them.

A package holds rdf.yaml, the network as ONNX, an image and its answer as a test, and README.md.
"""

import hashlib
import io
import keyword
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from seunet.models.export import OPSET, Free, export, reader
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic

FORMAT = "0.5.5"  # the first that knows softmax as postprocessing
TIME = (1980, 1, 1, 0, 0, 0)  # of every file: the same network gives the same bytes
SIDE = 64  # that the sides of the test image have at the least
CITE = {"text": "Sangalli et al., Scale-Equivariant U-Net, BMVC 2022", "doi": "10.48550/arXiv.2210.04508"}
WEIGHTS, IMAGE, ANSWER, TEXT = "weights.onnx", "test_input.npy", "test_output.npy", "README.md"


def export_package(
    model: nn.Module,
    path: Path,
    shape: tuple[int, int, int, int],
    classes: Sequence[str],
    description: Mapping[str, Any],
    opset: int = OPSET,
    say: Callable[[str], None] = lambda step: None,
) -> Free:
    """Write a network in evaluation mode as a package, and return what its images are free to be.

    Arguments and errors are those of `models.export.export`. Images of a package have their own values: 0 to 255, or
    those of the `value_range` that the network was trained with.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise UserError(f"{path}: needs the package 'pyyaml': pip install 'seunet[export]'") from error
    with TemporaryDirectory(prefix="seunet-") as folder:
        weights = Path(folder, WEIGHTS)
        try:
            free = export(model, weights, shape, description, opset, say)
        except UserError as error:
            raise UserError(str(error).replace(str(weights), str(path))) from error
        low, high = (description.get("preparation") or {}).get("value_range") or (0, 255)
        image = test_image(shape[1], free, low, high)
        with torch.no_grad():
            logits = reader(weights)(((torch.from_numpy(image) - low) / (high - low)).clamp(0, 1))
        files = {
            WEIGHTS: weights.read_bytes(),
            IMAGE: as_npy(image),
            ANSWER: as_npy(logits.softmax(1).numpy()),
            TEXT: text(classes, description).encode(),
        }
    files["rdf.yaml"] = yaml.safe_dump(
        rdf(free, shape[1], classes, description, (low, high), opset, files), sort_keys=False, allow_unicode=True
    ).encode()
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, TIME), files[name], zipfile.ZIP_DEFLATED)
    return free


def test_image(channels: int, free: Free, low: float, high: float) -> np.ndarray:
    """Return an image (1, channels, H, W) float32 with discs, of values from low to high."""
    step = free.multiple
    height, width = (-(-side // step) * step for side in (SIDE, SIDE + step)) if step else free.size
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    image = np.full((1, channels, height, width), 0.3) + rng.normal(0, 0.03, (1, channels, height, width))
    for _ in range(6):
        y, x, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(4, 12)
        image[0, :, (rows - y) ** 2 + (columns - x) ** 2 < radius**2] = rng.uniform(0, 1, channels)
    return np.rint(low + image.clip(0, 1) * (high - low)).astype(np.float32)


def rdf(
    free: Free,
    channels: int,
    classes: Sequence[str],
    description: Mapping[str, Any],
    values: tuple[float, float],
    opset: int,
    files: Mapping[str, bytes],
) -> dict[str, Any]:
    """Return the content of rdf.yaml; values: that become 0 and 1."""
    low, high = values
    sides = {axis: least_and_step(free.multiple) or side for axis, side in zip("yx", free.size, strict=True)}
    batch: dict[str, Any] = {"type": "batch"} if free.batch else {"type": "batch", "size": 1}
    is_plain = (low, high) == (0, 255)
    scaling = {"id": "scale_linear", "kwargs": {"gain": 1 / (high - low), "offset": 0.0 - low / (high - low)}}
    clipping = {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}}
    return {
        "type": "model",
        "format_version": FORMAT,
        "name": title(description),
        "description": f"Semantic segmentation, {len(classes)} classes; exported with seunet",
        "authors": [{"name": "unknown"}],
        "cite": [CITE],
        "documentation": {"source": TEXT, "sha256": digest(files[TEXT])},
        "tags": ["segmentation", "semantic-segmentation", "2d", "unet"],
        "inputs": [
            {
                "id": "image",
                "axes": [
                    batch,
                    {"type": "channel", "channel_names": channel_names(channels)},
                    *({"type": "space", "id": axis, "size": size} for axis, size in sides.items()),
                ],
                "data": {"type": "float32", "range": [0.0, 255.0] if is_plain else [None, None]},
                "preprocessing": [scaling] if is_plain else [scaling, clipping],
                "test_tensor": {"source": IMAGE, "sha256": digest(files[IMAGE])},
            }
        ],
        "outputs": [
            {
                "id": "probabilities",
                "axes": [
                    dict(batch),
                    {"type": "channel", "channel_names": identifiers(classes)},
                    *({"type": "space", "id": axis, "size": {"tensor_id": "image", "axis_id": axis}} for axis in sides),
                ],
                "data": {"type": "float32", "range": [0.0, 1.0]},
                "postprocessing": [{"id": "softmax", "kwargs": {"axis": "channel"}}],
                "test_tensor": {"source": ANSWER, "sha256": digest(files[ANSWER])},
            }
        ],
        "weights": {"onnx": {"source": WEIGHTS, "sha256": digest(files[WEIGHTS]), "opset_version": opset}},
    }


def least_and_step(multiple: int) -> dict[str, int] | None:
    """Return which sides an axis may have; None where they are fixed. Images of few pixels show nothing."""
    return {"min": max(multiple, -(-16 // multiple) * multiple), "step": multiple} if multiple else None


def title(description: Mapping[str, Any]) -> str:
    """Return a name of the network, of the characters that the format allows."""
    dataset = (description.get("preparation") or {}).get("dataset")
    name = f"{description.get('architecture', 'network')}{f' trained on {dataset}' if dataset else ' from seunet'}"
    return re.sub(r"[^A-Za-z0-9_+\- ()]", "-", name)[:64]


def channel_names(channels: int) -> list[str]:
    """Return names of the channels of images."""
    return {1: ["grey"], 3: ["red", "green", "blue"]}.get(channels) or [f"channel{i}" for i in range(channels)]


def identifiers(classes: Sequence[str]) -> list[str]:
    """Return the names of classes as the format wants them: different, of letters, digits and _, no digit first."""
    names: list[str] = []
    for name in classes:
        word = re.sub(r"\W", "_", name)
        word = f"class_{word}" if keyword.iskeyword(word) or not word.isidentifier() else word
        names.append(word if word not in names else f"{word}_{len(names)}")
    return names


def text(classes: Sequence[str], description: Mapping[str, Any]) -> str:
    """Return README.md: what the network answers, and at which scale it wants its images."""
    preparation = description.get("preparation") or {}
    scale = "Its file does not say how large the images of its training were."
    if size := preparation.get("image_size"):
        way = {"pad": "reduced to fit", "tiles": "cut, at their own pixels, into tiles of"}
        scale = (
            f"The images of its training were {way.get(preparation.get('fit', 'squash'), 'resampled to')} {size[0]} × "
            f"{size[1]} pixels. Show it images at that scale, resampled bilinearly with antialiasing."
        )
    listed = "\n".join(f"{index}. {name}" for index, name in enumerate(classes))
    return (
        f"# {title(description)}\n\nProbabilities of {len(classes)} classes for every pixel:\n\n{listed}\n\n{scale}"
        "\n\n# Validation\n\n`seunet measure model.zip FOLDER` measures the network on images and masks, at many "
        "scales.\n"
    )


def as_npy(array: np.ndarray) -> bytes:
    """Return an array as a .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def digest(content: bytes) -> str:
    """Return the sha256 of a file in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
