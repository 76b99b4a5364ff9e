"""A trained network applied to image files: each is resampled to the scale of training, or to another one, and the
classes are brought back to its own pixels."""

from collections.abc import Sequence
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
from seunet.experiment.determinism import check_on_noise
from seunet.experiment.inference import predict
from seunet.models import ARCHITECTURES
from seunet.models.external_loading import ExternalSpec, folder_of, load_external
from seunet.models.prediction import for_prediction
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Tile

MAX_PIXELS = 400_000_000  # of an image after resampling; more is a factor with a typing error
OWN_PIXELS = "at their own pixels"
Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class TrainingFrame:
    """How the images of a training were brought to one size (height, width): `fit` of the data set.

    "squash": resampled to `size`. "pad": reduced to fit into `size`, the rest black. "tiles": cut from images at their
    own pixels; smaller images are filled up with black pixels.
    """

    fit: str
    size: Size

    def resized(self, own: Size) -> tuple[float, float]:
        """Return height and width that an image of the size `own` is resampled to."""
        if self.fit == "squash":
            return float(self.size[0]), float(self.size[1])
        reduction = min(1, self.size[0] / own[0], self.size[1] / own[1]) if self.fit == "pad" else 1
        return own[0] * reduction, own[1] * reduction

    def __str__(self) -> str:
        """Return a description for users."""
        height, width = self.size
        return {
            "squash": f"at {height} × {width} pixels",
            "pad": f"reduced to fit {height} × {width} pixels",
        }.get(self.fit, OWN_PIXELS)


@dataclass(frozen=True)
class InputScale:
    """How large an image is when a network reads it.

    frame: as the images of its training; None: the image's own pixels. factor: all of that so many times as large.
    """

    factor: float = 1.0
    frame: TrainingFrame | None = None

    def resized(self, own: Size, name: str) -> Size:
        """Return height and width that an image of the size `own` is resampled to; name: of its file, for errors."""
        height, width = self.frame.resized(own) if self.frame else own
        if max(height, width) * self.factor < 1:
            raise UserError(f"{name}: less than a pixel at factor {self.factor:g}; choose a larger one")
        size = max(1, round(height * self.factor)), max(1, round(width * self.factor))
        if size[0] * size[1] > MAX_PIXELS:
            raise UserError(f"{name}: {size[1]}x{size[0]} pixels at factor {self.factor:g}; choose a smaller one")
        return size

    def canvas(self, image: Size) -> Size:
        """Return height and width of the network's input. The resampled image is in its top left corner."""
        if self.frame is None:
            return image
        height, width = (max(s, round(least * self.factor)) for s, least in zip(image, self.frame.size, strict=True))
        return height, width

    def times(self, scale: float) -> "InputScale":
        """Return the same, `scale` times as large."""
        return replace(self, factor=self.factor * scale)

    def __str__(self) -> str:
        """Return a description for users."""
        description = str(self.frame) if self.frame else OWN_PIXELS
        return description if self.factor == 1 else f"{description}, times {self.factor:g}"


class TrainedNetwork:
    """A network that commands predict with, and what is known of the images of its training.

    Args:
        weights: the folder of a network that was trained here, or a file of any other.
        device: where it runs.
        tiling: for networks that cannot predict in bands, see `inference`.
        given: what a network of other people expects and returns.
        classes: their names, in the network's order, or their number; None: as the network says.
        value_range: the values of images that become black and white; None: as in the training.
        precision: of predictions, see `for_prediction`.

    Attributes: model; predictor, which answers as it does, faster; description, the content of model.json, or what the
    file says; source, the name of that; classes (names); channels, those of images as they are read; training_scale: an
    `InputScale`, or None where nothing says the size of the training's images; value_range; window, which reads images
    by it. Raises UserError if the file or folder does not hold a complete network.
    """

    def __init__(
        self,
        weights: Path,
        device: torch.device | str = "cpu",
        tiling: Tile | None = None,
        given: ExternalSpec = ExternalSpec(),
        classes: Sequence[str] | int | None = None,
        value_range: Sequence[float] | None = None,
        precision: str = "float32",
    ):
        count = len(classes) if isinstance(classes, Sequence) else classes
        self.model, self.description = load_external(weights, given, None, count, device)
        self.predictor = for_prediction(self.model, precision)
        self.source = "model.json" if folder_of(weights) and given.architecture is None else weights.name
        self.device, self.tiling = torch.device(device), tiling
        self.classes = names_of(classes, self.description, weights)
        self.channels: int = given.conventions.image_channels(self.description["in_channels"])
        if self.description.get("architecture") not in ARCHITECTURES or given.architecture is not None:
            check_on_noise(self.model, self.channels, predict)
        self.training_scale = training_scale(self.description)
        self.value_range = value_range or (self.description.get("preparation") or {}).get("value_range")
        self.window = Window(list(self.value_range)) if self.value_range else None

    def network_input(self, image: Picture, scale: InputScale, is_answered: bool = True) -> Tensor:
        """Return an opened image as the network reads it, (1, C, h, w) in [0, 1], resampled to `scale`.

        is_answered: its values count in what `window` reports.
        """
        size, window = scale.resized(own_size(image), image.name), self.window
        if window and not is_answered:
            window = Window([window.low, window.high])
        pixels = read_pixels(image, self.channels, size, window)
        return torch.from_numpy(pixels.copy()).to(self.device).permute(2, 0, 1)[None].float() / 255

    def logits(self, image: Picture, scale: InputScale) -> Tensor:
        """Return logits (1, classes, h, w) of an opened image, resampled to `scale` in the way of the training."""
        x = self.network_input(image, scale)
        height, width = x.shape[-2:]
        canvas = scale.canvas((height, width))
        x = F.pad(x, (0, canvas[1] - width, 0, canvas[0] - height))
        try:
            logits = predict(self.predictor, x, self.tiling, len(self.classes))
        except UserError as error:
            raise UserError(f"{image.name}: {error}") from error
        return logits[..., :height, :width].float()

    def colours(self, image: Picture) -> np.ndarray:
        """Return an opened image as people see it, (H, W, 3) uint8; of more channels, the first three."""
        channels = channels_of(image, self.window is not None)
        pixels = read_pixels(image, channels, own_size(image), self.window)
        return pixels[..., :3] if channels >= 3 else np.repeat(pixels[..., :1], 3, axis=2)


def read_pixels(image: Picture, channels: int, size: Size, window: Window | None) -> np.ndarray:
    """Return an opened image of a size as uint8 (H, W, channels); window: the values that become black and white."""
    if window:
        window.check(image)
    return to_array(image, channels, size, window)


def names_of(classes: Sequence[str] | int | None, description: dict[str, Any], weights: Path) -> list[str]:
    """Return the names of a network's classes: as given, as its description says, or numbered.

    Raises UserError where another number of classes is given than the network has.
    """
    count: int = description["num_classes"]
    given = len(classes) if isinstance(classes, Sequence) else classes
    if given is not None and given != count:
        raise UserError(f"{weights}: the network has {count} classes, not {given}; name all of them (--classes)")
    if isinstance(classes, Sequence):
        return list(classes)
    return description.get("classes") or [f"class {i}" for i in range(count)]


def open_picture(path: Path) -> Picture:
    """Return an opened image file; UserError naming it where it is none."""
    return open_image(read_file(path), str(path))


def own_size(image: Picture) -> Size:
    """Return height and width of the upright image."""
    width, height = image.size
    return height, width


def training_scale(description: dict[str, Any]) -> InputScale | None:
    """Return how large the images of a network's training were, from its model.json; None if that does not say it."""
    preparation = description.get("preparation") or {}
    if "image_size" not in preparation:
        return None
    return InputScale(frame=TrainingFrame(preparation.get("fit", "squash"), tuple(preparation["image_size"])))


def classes_at(logits: Tensor, size: Size) -> Tensor:
    """Return the class of every pixel (height, width) int16 of an image of this size, from logits (1, C, h, w).

    Class by class, so that the memory does not grow with their number.
    """
    best = rescale_logits(logits[:, :1], size)[0, 0]
    classes = torch.zeros(size, dtype=torch.int16, device=best.device)
    for index in range(1, logits.shape[1]):
        plane = rescale_logits(logits[:, index : index + 1], size)[0, 0]
        classes = torch.where(plane > best, index, classes)
        best = torch.maximum(best, plane)
    return classes


def probabilities_at(logits: Tensor, size: Size) -> Tensor:
    """Return the probabilities of all classes (C, height, width) at the pixels of an image of this size."""
    return rescale_logits(logits, size)[0].softmax(0)
