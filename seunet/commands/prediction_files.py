"""The files that `predict` writes: their names, refused before anything is written where they would destroy something,
and their content."""

import colorsys
import os
import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image, PngImagePlugin

from seunet.commands.inputs import Input
from seunet.data.colours import CLASS_COLOURS
from seunet.data.formats.georeference import Georeference
from seunet.data.marks import ANSWER, MARK, is_answer
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic


@dataclass(frozen=True)
class PredictionFiles:
    """Which files an image gets.

    overlay: one with outlines. probabilities: "npz", "png" or None. kind: of the class map, "png" or "tif".
    """

    output: Path
    classes: list[str]
    overlay: bool = False
    probabilities: str | None = None
    kind: str = "png"

    def class_map(self, image: Input) -> Path:
        """Return the file of the classes."""
        return self._file(image, f".{self.kind}")

    def overlaid(self, image: Input) -> Path:
        """Return the file of the image with outlines."""
        return self._file(image, "_overlay.png")

    def probability_files(self, image: Input) -> list[Path]:
        """Return the one .npz of the probabilities, or a PNG per class."""
        if self.probabilities == "npz":
            return [self._file(image, "_probabilities.npz")]
        if self.probabilities == "png":
            return [self._file(image, f"_{i}_{file_name_part(name)}.png") for i, name in enumerate(self.classes)]
        return []

    def files(self, image: Input) -> list[Path]:
        """Return all files that an image gets."""
        return [self.class_map(image), *[self.overlaid(image)] * self.overlay, *self.probability_files(image)]

    def _file(self, image: Input, end: str) -> Path:
        return self.output / image.name.with_name(image.name.stem + end)


class OutputFiles(Protocol):
    """The files that a command writes for an image."""

    @property
    def output(self) -> Path:
        """The folder of all of them."""

    def files(self, image: Input) -> list[Path]:
        """Return them."""


def refuse_overwriting(
    images: Iterable[Input],
    answers: OutputFiles,
    overwrite: bool,
    known: Collection[Path] = frozenset(),
    origin: str = "an earlier call",
) -> None:
    """Raise UserError where two answers have one name, or one has that of an input or of a file that is there.

    Names that differ in case or in the form of their accents are equal here, as they are on many disks. With
    `overwrite`, files that predict wrote itself may be replaced; `known` ones may be in any case. origin: of other
    answers, in words.
    """
    images = list(images)
    if answers.output.exists() and not answers.output.is_dir():
        raise UserError(f"{answers.output}: is a file; --output names a folder")
    inputs = {canonical(image.path): image.path for image in images}
    numbers = {file_number(image.path): image.path for image in images}
    owners: dict[str, Input] = {}
    for image in images:
        for file in answers.files(image):
            other = owners.setdefault(canonical(file), image)
            if other is not image:
                raise UserError(
                    f"{other.path} and {image.path} would both be answered in {file}; rename one of them, "
                    "or predict them into different folders"
                )
            overwritten = inputs.get(canonical(file)) or numbers.get(file_number(file))
            if overwritten:
                raise UserError(f"{file}: would overwrite the input {overwritten}; name another folder for --output")
            if file not in known:
                refuse_existing(file, overwrite, origin)


def refuse_existing(file: Path, overwrite: bool, origin: str) -> None:
    """Raise UserError where a file is there that may not be replaced; origin: of an answer, in words."""
    if not os.path.lexists(file):
        return
    if not is_answer(file):
        raise UserError(f"{file}: is there, and was not written by predict; name another folder for --output")
    if not overwrite:
        raise UserError(f"{file}: is there from {origin}; --overwrite replaces it, or name another --output")


def canonical(file: Path) -> str:
    """Return one text for all spellings of a path that some disk takes for one file."""
    return unicodedata.normalize("NFC", str(file.parent.resolve() / file.name)).casefold()


def file_number(file: Path) -> tuple[int, int] | None:
    """Return what links to one file have in common; None where there is none."""
    try:
        facts = file.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def file_name_part(name: str) -> str:
    """Return a class's name as a part of a file name."""
    return re.sub(r"[^\w-]+", "-", name).strip("-") or "class"


def write_class_map(file: Path, classes: np.ndarray, count: int, mark: str, place: Georeference) -> None:
    """Write the classes (H, W) as a PNG, or as a TIFF whose pixels lie at a place."""
    if file.suffix == ".png":
        return write_png(file, class_map(classes, count), mark)
    import tifffile  # slow to import

    colours: dict[str, Any] = {"photometric": "minisblack"}
    if count <= 256:
        colours = {"photometric": "palette", "colormap": palette().T.astype(np.uint16) * 257}
    pixels = classes.astype(np.uint8 if count <= 256 else np.uint16)
    with atomic(file) as temporary:
        tifffile.imwrite(temporary, pixels, compression="zlib", software=mark, **colours, **place.arguments)
    return None


def write_png(file: Path, image: Image.Image, mark: str = ANSWER) -> None:
    """Write a PNG with a mark."""
    text = PngImagePlugin.PngInfo()
    text.add_text(MARK, mark)
    with atomic(file) as temporary:
        image.save(temporary, pnginfo=text)


def write_probabilities(files: list[Path], probabilities: np.ndarray, classes: list[str], mark: str) -> None:
    """Write probabilities (C, H, W): as float16 in one .npz, or as a 16-bit grey PNG per class (65535 is 1)."""
    if files[0].suffix == ".npz":
        arrays: dict[str, Any] = {"probabilities": probabilities.astype(np.float16), "classes": np.array(classes)}
        arrays[MARK] = np.array(mark)
        with atomic(files[0]) as temporary:
            np.savez_compressed(temporary, **arrays)
        return
    for file, plane in zip(files, probabilities, strict=True):
        write_png(file, Image.fromarray((plane * 65535).round().astype(np.uint16)), mark)


def class_map(classes: np.ndarray, count: int) -> Image.Image:
    """Return an image whose pixel values are the classes (H, W): with a palette, or plain grey for more than 256."""
    if count > 256:
        return Image.fromarray(classes.astype(np.uint16))
    height, width = classes.shape
    image = Image.frombytes("P", (width, height), classes.astype(np.uint8).tobytes())
    image.putpalette(palette().tobytes())
    return image


@cache
def palette() -> np.ndarray:
    """Return 256 distinct colours (256, 3) uint8: eight that the colour-blind can tell apart, then turns of the hue."""
    colours = [tuple(bytes.fromhex(colour[1:])) for colour in CLASS_COLOURS]
    step = 0
    while len(colours) < 256:
        hue, saturation, value = step * 0.618034 % 1, (0.55, 0.9)[step % 2], (0.95, 0.75, 0.55)[step % 3]
        colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
        colours += [colour] * (colour not in colours)
        step += 1
    return np.array(colours, dtype=np.uint8)


def overlaid(image: np.ndarray, classes: np.ndarray) -> Image.Image:
    """Return an image (H, W, 3) uint8 with the outline of every region of one class (H, W), in the class's colour."""
    edge = np.zeros(classes.shape, dtype=bool)
    width = max(1, round(min(classes.shape) / 500))
    for axis in (0, 1):
        lines, marked = np.moveaxis(classes, axis, 0), np.moveaxis(edge, axis, 0)
        for step in range(1, width + 1):
            differs = lines[step:] != lines[:-step]
            marked[step:] |= differs
            marked[:-step] |= differs
    shown = image.copy()
    shown[edge] = palette()[classes[edge] % 256]
    return Image.fromarray(shown)
