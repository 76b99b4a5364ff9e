"""Prepared data sets on disk: uint8 arrays that training and evaluation map into memory, and dataset.json."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seunet.data.source import SPLITS
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic
from seunet.settings.metric import Metric

Pair = tuple[np.ndarray, np.ndarray]  # images (N, H, W, C), masks (N, H, W), uint8


class ArrayFile:
    """A .npy file of uint8 under construction, (count, *item); the count is known when all is written.

    Plain writes at an offset, no memory map: on a full disk a map kills the process, a write says why.
    """

    def __init__(self, file: BinaryIO, item: tuple[int, ...]):
        self.file, self.item = file, item
        self.start = self.set_count(0)

    def set_count(self, count: int) -> int:
        """Write the header; return where it ends. numpy keeps room in it for any count."""
        self.file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *self.item)}
        np.lib.format.write_array_header_1_0(self.file, header)
        return self.file.tell()

    def put(self, index: int, array: np.ndarray) -> None:
        """Write the array of one index."""
        if array.shape != self.item or array.dtype != np.uint8:
            raise ValueError(f"{array.dtype} {array.shape} for uint8 {self.item}")
        self.file.seek(self.start + index * array.size)
        self.file.write(array.tobytes())


@contextmanager
def array_file(path: Path, item: tuple[int, ...]) -> Iterator[ArrayFile]:
    """Give a .npy file to write arrays of the shape `item` to; it is whole or not there."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        yield ArrayFile(file, item)


class Prepared:
    """A prepared data set, opened for reading.

    `classes`, `channels`, `height`, `width`, `metric`, `names` as in dataset.json; `preparation`: what a network must
    know of it to be shown other images as it was shown these; `train`, `val`, `test` are
    pairs (images (N, H, W, C), masks (N, H, W)) of memory-mapped uint8. Raises UserError when a file is
    missing, truncated, or does not fit dataset.json.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        path = self.folder / "dataset.json"
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
            self.dataset: str = description["dataset"]
            self.classes: list[str] = description["classes"]
            self.channels: int = description["channels"]
            self.height: int = description["height"]
            self.width: int = description["width"]
            self.metric = Metric.parse(description["metric"])
            self.names: dict[str, list[str]] = description["names"]
            self.preparation = preparation_of(description)
        except FileNotFoundError as error:
            raise UserError(
                f"{path}: missing, so the data set is not prepared; run the rule `prepare` again"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: not a description of a data set ({error!r}); prepare it again") from error
        self.train, self.val, self.test = (
            self._pair(self.folder / split, split, self.height, self.width) for split in SPLITS
        )

    def rendered(self, height: int, width: int) -> Pair | None:
        """Return the test split drawn anew at this size, or None where the source has no such drawing."""
        folder = self.folder / "test" / "rendered" / f"{height}x{width}"
        return self._pair(folder, "test", height, width) if folder.is_dir() else None

    def original(self, index: int) -> np.ndarray:
        """Return a test image in its own pixels, uint8 (h, w, C + 1), the mask last; UserError if they are not kept."""
        path = self.folder / "test" / "original" / f"{index:06d}.npy"
        try:
            array = np.load(path)
        except FileNotFoundError as error:
            raise UserError(f"{path}: missing; run the rule `keep_originals` again") from error
        except (ValueError, EOFError) as error:
            raise UserError(f"{path}: damaged ({error}); run the rule `keep_originals` again") from error
        if array.ndim != 3 or array.shape[2] != self.channels + 1 or array.dtype != np.uint8:
            raise UserError(
                f"{path}: {array.dtype} {array.shape}, no image and mask; run the rule `keep_originals` again"
            )
        return array

    def _pair(self, folder: Path, split: str, height: int, width: int) -> Pair:
        count = len(self.names[split])
        images = _mapped(folder / "images.npy", (count, height, width, self.channels))
        return images, _mapped(folder / "masks.npy", (count, height, width))


def preparation_of(description: dict) -> dict:
    """Return how images became arrays, by dataset.json; it is kept in model.json."""
    return {
        "dataset": description["dataset"],
        "image_size": [description["height"], description["width"]],
        "fit": description.get("fit", "squash"),
        "value_range": description.get("value_range"),
        "metric": description["metric"],
        "mask_values": description.get("mask_values"),
        "images": {split: len(names) for split, names in description["names"].items()},
    }


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r")
    except FileNotFoundError as error:
        raise UserError(f"{path}: missing; prepare the data set again") from error
    except (ValueError, EOFError) as error:
        raise UserError(f"{path}: truncated or damaged ({error}); prepare the data set again") from error
    if array.shape != shape or array.dtype != np.uint8:
        raise UserError(f"{path}: {array.dtype} {array.shape}, but dataset.json says uint8 {shape}; prepare it again")
    return array
