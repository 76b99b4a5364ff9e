"""A trained network applied to image files: each shown at the scale of training, or at another, and answered on its own
pixels."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.data.formats.picture import Picture
from seunet.data.images import Window, channels_of, open_image, read_file, to_array
from seunet.data.rescaling import rescale_logits
from seunet.experiment.inference import Tile, predict
from seunet.models.checkpoint import load_model
from seunet.runtime.errors import UserError

MAX_PIXELS = 400_000_000  # of an image as the network is shown it: more is a mistyped factor
Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Shown:
    """How large a network is shown an image.

    fit: "squash", `size` pixels, whatever the image; "pad": reduced to fit into `size`, the rest black; "tiles", or
    None: its own pixels, with black ones to fill `size` for smaller images. All times `factor`.
    """

    factor: float = 1.0
    fit: str | None = None
    size: Size = (1, 1)

    def image(self, own: Size, name: str) -> Size:
        """Return height and width that an image of the size `own` is resampled to."""
        reduction = min(1, *(side / given for side, given in zip(self.size, own, strict=True)))
        if self.fit == "squash":
            height, width = map(float, self.size)
        else:
            height, width = (side * (reduction if self.fit == "pad" else 1) for side in own)
        size = max(1, round(height * self.factor)), max(1, round(width * self.factor))
        if size[0] * size[1] > MAX_PIXELS:
            raise UserError(f"{name}: {size[1]}x{size[0]} pixels at factor {self.factor:g}; choose a smaller one")
        return size

    def canvas(self, image: Size) -> Size:
        """Return height and width of what the network is shown, with the image in the top left corner."""
        height, width = (max(side, round(least * self.factor)) for side, least in zip(image, self.size, strict=True))
        return height, width

    def times(self, scale: float) -> "Shown":
        """Return the same, `scale` times as large."""
        return replace(self, factor=self.factor * scale)

    def __str__(self) -> str:
        """Say it in words."""
        height, width = self.size
        place = {
            "squash": f"at {height} × {width} pixels",
            "pad": f"reduced to fit {height} × {width} pixels",
        }.get(self.fit or "", "at their own pixels")
        return place if self.factor == 1 else f"{place}, times {self.factor:g}"


class TrainedNetwork:
    """A network of a folder with model.json, and what that says of the images that it was trained on.

    Args:
        folder: of the trained network.
        device: where it runs.
        tiling: for networks that cannot predict in bands, see `inference`.

    Attributes: classes (names), channels, training_scale: a `Shown`, or None where model.json does not say it, as in
    those of older versions. Raises UserError where the folder holds no whole network.
    """

    def __init__(self, folder: Path, device: torch.device | str = "cpu", tiling: Tile | None = None):
        self.model, self.description = load_model(folder, device)
        self.device, self.tiling = torch.device(device), tiling
        count: int = self.description["num_classes"]
        self.classes: list[str] = self.description.get("classes") or [f"class {i}" for i in range(count)]
        self.channels: int = self.description["in_channels"]
        self.training_scale = training_scale(self.description)
        self.value_range = (self.description.get("preparation") or {}).get("value_range")

    def logits(self, image: Picture, shown: Shown) -> Tensor:
        """Return logits (1, classes, h, w) of an opened image, resampled as in training to the size of `shown`."""
        height, width = shown.image(own_size(image), image.name)
        pixels = to_array(image, self.channels, (height, width), self.window)
        x = torch.from_numpy(pixels.copy()).to(self.device).permute(2, 0, 1)[None].float() / 255
        canvas = shown.canvas((height, width))
        x = F.pad(x, (0, canvas[1] - width, 0, canvas[0] - height))
        return predict(self.model, x, self.tiling, len(self.classes))[..., :height, :width].float()

    def colours(self, image: Picture) -> np.ndarray:
        """Return an opened image as people see it, (H, W, 3) uint8; of more channels, the first three."""
        channels = channels_of(image, self.window is not None)
        pixels = to_array(image, channels, own_size(image), self.window)
        return pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, axis=2)

    @property
    def window(self) -> Window | None:
        """The values of deep images that are black and white, as in training."""
        return Window(self.value_range) if self.value_range else None


def open_picture(path: Path) -> Picture:
    """Return an opened image file; UserError naming it where it is none."""
    return open_image(read_file(path), str(path))


def own_size(image: Picture) -> Size:
    """Return height and width of the upright image."""
    width, height = image.size
    return height, width


def training_scale(description: dict[str, Any]) -> Shown | None:
    """Return how large a network was shown the images of its training, by its model.json; None where that is silent."""
    told = description.get("preparation") or {}
    return Shown(1.0, told.get("fit", "squash"), tuple(told["image_size"])) if "image_size" in told else None


def classes_at(logits: Tensor, size: Size) -> Tensor:
    """Return the class of every pixel (height, width) int16 of an image of this size, from logits (1, C, h, w).

    Class by class, so that the memory does not grow with their number.
    """
    best = rescale_logits(logits[:, :1], size)[0, 0]
    classes = torch.zeros(size, dtype=torch.int16, device=best.device)
    for index in range(1, logits.shape[1]):
        plane = rescale_logits(logits[:, index : index + 1], size)[0, 0]
        larger = plane > best
        classes[larger], best = index, torch.maximum(best, plane)
    return classes


def probabilities_at(logits: Tensor, size: Size) -> Tensor:
    """Return the probabilities of all classes (C, height, width) at the pixels of an image of this size."""
    return rescale_logits(logits, size)[0].softmax(0)
