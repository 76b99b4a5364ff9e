"""Prepared data sets: uint8 arrays on disk that training and evaluation map into memory, and dataset.json."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from seunet.data import folder as folder_source
from seunet.data import hela, pet, shapes
from seunet.data.rescaling import rescaled_size
from seunet.data.source import IGNORED, SPLITS, Sample, Source, all_tested
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic, sha256
from seunet.settings.metric import Metric

Pair = tuple[np.ndarray, np.ndarray]  # images (N, H, W, C), masks (N, H, W), uint8


# source: what reads it, and the archives that it needs
SOURCES: dict[str, tuple[Callable[[dict, dict[str, Path]], Source], tuple[str, ...]]] = {
    "pet": (pet.generate, ("images", "annotations")),
    "hela": (hela.generate, ("sequences",)),
    "shapes": (lambda settings, archives: shapes.generate(settings), ()),
    "folder": (lambda settings, archives: folder_source.generate(settings), ()),
}

GENERATED = ("shapes",)  # sources whose test images can be drawn at any size


def prepare(name: str, settings: dict, archives: dict[str, Path], folder: Path | str, only_test: bool = False) -> None:
    """Write the data set `name` to `folder`: arrays of every split, then dataset.json.

    `settings` is the data set's mapping of the configuration, `archives` maps its keys to downloaded files.
    With `only_test` every image is one of the test split.
    One image is in memory at a time. Raises UserError on bad input; dataset.json is there only when all else
    is whole.
    """
    folder = Path(folder)
    checksums = {key: _verified(name, settings, key, path) for key, path in archives.items()}
    source = _open(name, settings, archives, only_test)
    metric = _metric(name, settings, source.classes)
    (folder / "dataset.json").unlink(missing_ok=True)
    for split in SPLITS:
        shape = (source.height, source.width, source.channels)
        _write(folder / split, source.read(split), source.splits[split], shape, len(source.classes))
    description = {
        "dataset": name,
        "source": settings["source"],
        "classes": list(source.classes),
        "channels": source.channels,
        "height": source.height,
        "width": source.width,
        "fit": settings.get("fit", "squash"),
        "value_range": settings.get("value_range"),
        "metric": metric.written(),
        "names": {split: list(source.splits[split]) for split in SPLITS},
        "archives": checksums,
        "dropped": source.dropped,
    }
    with atomic(folder / "dataset.json") as path:
        path.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def render(name: str, settings: dict, folder: Path | str) -> None:
    """Draw the test images of a generated data set anew at every size of its test scales but its own.

    Written to `folder`/{height}x{width}/images.npy and masks.npy; what `folder` held before is removed. Raises
    UserError for a source that can only be resampled.
    """
    folder = Path(folder)
    source = _open(name, settings, {})
    if source.rendered is None:
        raise UserError(f"datasets.{name}: images of source {settings['source']} cannot be drawn at another size")
    multiple = settings.get("size_multiple", 16)
    sizes = {
        (rescaled_size(source.height, scale, multiple), rescaled_size(source.width, scale, multiple))
        for scale in settings["test_scales"]
    }
    shutil.rmtree(folder, ignore_errors=True)
    for height, width in sorted(sizes - {(source.height, source.width)}):
        shape = (height, width, source.channels)
        samples = source.rendered(height, width)
        _write(folder / f"{height}x{width}", samples, source.splits["test"], shape, len(source.classes))


def _open(name: str, settings: dict, archives: dict[str, Path], only_test: bool = False) -> Source:
    """Return the source of a data set; raise UserError when it is not known, lacks an archive or is empty."""
    kind = settings["source"]
    if kind not in SOURCES:
        raise UserError(f"datasets.{name}.source: {kind!r} is not known; choose one of {', '.join(SOURCES)}")
    generate, needed = SOURCES[kind]
    if set(archives) != set(needed):
        raise UserError(f"datasets.{name}.archives: source {kind} takes {', '.join(needed) or 'none'}; change them")
    source = generate(settings, archives)
    if only_test:
        source = all_tested(source)
    for split in ("test",) if only_test else SPLITS:
        if not source.splits[split]:
            raise UserError(f"datasets.{name}: no image is left for {split!r}; change its split or limit")
    return source


def _verified(name: str, settings: dict, key: str, path: Path) -> str:
    """Return the sha256 of an archive, which must be the configured one."""
    expected = (settings.get("archives") or {}).get(key, {}).get("sha256")
    try:
        got = sha256(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such archive; download it first (datasets.{name}.archives.{key})") from error
    if expected and got != expected.lower():
        raise UserError(
            f"{path}: sha256 {got}, but datasets.{name}.archives.{key} expects {expected}; download it again"
        )
    return got


def _metric(name: str, settings: dict, classes: Iterable[str]) -> Metric:
    """Return the metric of a data set, whose class must be one of these."""
    try:
        metric = Metric.parse(settings.get("metric", Metric()))
        metric.check(classes)
    except UserError as error:
        raise UserError(f"datasets.{name}.{error}") from error
    return metric


def _write(folder: Path, samples: Iterable[Sample], names: Iterable[str], shape: tuple, classes: int) -> None:
    """Write images.npy and masks.npy: each sample at the place that its name has in `names`.

    Plain writes at an offset, no memory map: on a full disk a map kills the process, a write says why.
    """
    places = {name: index for index, name in enumerate(names)}
    count = len(places)
    with (
        _array_file(folder / "images.npy", (count, *shape)) as images,
        _array_file(folder / "masks.npy", (count, *shape[:2])) as masks,
    ):
        for name, image, mask in samples:
            unknown = mask[(mask >= classes) & (mask != IGNORED)]
            if unknown.size:
                raise UserError(f"{name}: class {unknown[0]} in its mask, the data set has {classes} classes")
            place = places.pop(name)
            images.put(place, image)
            masks.put(place, mask)
        if places:
            raise RuntimeError(f"{folder}: the source did not yield {list(places)}")


class _ArrayFile:
    """A .npy file of uint8 under construction."""

    def __init__(self, file: BinaryIO, shape: tuple[int, ...]):
        self.file, self.item = file, shape[1:]
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        self.start = file.tell()

    def put(self, index: int, array: np.ndarray) -> None:
        if array.shape != self.item or array.dtype != np.uint8:
            raise ValueError(f"{array.dtype} {array.shape} for uint8 {self.item}")
        self.file.seek(self.start + index * array.size)
        self.file.write(array.tobytes())


@contextmanager
def _array_file(path: Path, shape: tuple[int, ...]) -> Iterator[_ArrayFile]:
    with atomic(path) as temporary, temporary.open("wb") as file:
        yield _ArrayFile(file, shape)


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
