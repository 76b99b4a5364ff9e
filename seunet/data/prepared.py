"""Preparing data sets: from archives, a folder or a generator to arrays of one size, and dataset.json."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from seunet.data import duplicates, hela, pet, shapes
from seunet.data import folder as folder_source
from seunet.data.arrays import array_file
from seunet.data.fit import Size, fitted, image_sides, original
from seunet.data.formats import MAX_PIXELS
from seunet.data.masks import mask_values
from seunet.data.rescaling import rescaled_sides
from seunet.data.source import IGNORED, SPLITS, Sample, Source, all_tested, without_training
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic, sha256
from seunet.settings.dataset import Preparation, Testing
from seunet.settings.metric import Metric

# source: what reads it, and the archives that it needs
SOURCES: dict[str, tuple[Callable[[Preparation, dict[str, Path]], Source], tuple[str, ...]]] = {
    "pet": (pet.generate, ("images", "annotations")),
    "hela": (hela.generate, ("sequences",)),
    "shapes": (lambda settings, archives: shapes.generate(settings), ()),
    "folder": (lambda settings, archives: folder_source.generate(settings), ()),
}

GENERATED = ("shapes",)  # sources whose test images can be drawn at any size


def prepare(
    name: str,
    settings: Preparation,
    archives: dict[str, Path],
    folder: Path | str,
    checksums: Mapping[str, str] | None = None,
    only_test: bool = False,
) -> None:
    """Write the data set `name` to `folder`: arrays of every split, then dataset.json.

    `archives` maps the keys of its archives to downloaded files, `checksums` to the sha256 that they must have.
    With `only_test` every image is one of the test split. One image is in memory at a time. Raises UserError on bad
    input; dataset.json is there only when all else is whole.
    """
    folder = Path(folder)
    found_checksums = {key: _verified(name, key, path, (checksums or {}).get(key)) for key, path in archives.items()}
    source = _open(name, settings, archives, only_test)
    _check_metric(name, settings.metric, source.classes)
    size, rule = image_sides(settings.image_size), settings.fit
    if size[0] * size[1] > MAX_PIXELS:
        raise UserError(f"image_size: {size[0]} x {size[1]} are more than {MAX_PIXELS:,} pixels; give smaller sides")
    (folder / "dataset.json").unlink(missing_ok=True)
    survey, names = Survey(), {}
    for split in SPLITS:
        samples = (part for sample in survey.observe(source, split) for part in fitted(sample, size, rule))
        wanted = [] if rule == "tiles" else source.splits[split]
        names[split] = _write(folder / split, samples, wanted, (*size, source.channels), len(source.classes))
        if source.splits[split] and not names[split]:
            raise UserError(f"datasets.{name}: no image of {split} has a pixel that counts; look at ignore and valid")
    found = duplicates.copies(survey.fingerprints)
    if settings.duplicates != "warn":
        duplicates.refuse(found, source.splits, settings)
    warnings = [f"warning: {line}" for line in duplicates.describe(found, source.splits)]
    for line in [survey.describe_resizing(size, rule), *warnings]:
        print(f"{name}: {line}", file=sys.stderr)
    description = {
        "dataset": name,
        "source": settings.source,
        "classes": list(source.classes),
        "mask_values": mask_values(settings),
        "channels": source.channels,
        "height": size[0],
        "width": size[1],
        "fit": rule,
        "value_range": settings.value_range,
        "original_sizes": survey.smallest_and_largest(),
        "metric": settings.metric.written(),
        "names": names,
        "archives": found_checksums,
        "dropped": source.dropped,
        "duplicates": found,
    }
    with atomic(folder / "dataset.json") as path:
        path.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


class Survey:
    """What is recorded of the samples of a source as they are read: fingerprints by split and name, and sizes."""

    def __init__(self) -> None:
        self.fingerprints: dict[str, dict[str, str]] = {split: {} for split in SPLITS}
        self.sizes: set[Size] = set()

    def observe(self, source: Source, split: str) -> Iterator[Sample]:
        """Yield the samples of a split, and record each."""
        fingerprints = self.fingerprints[split]
        for name, image, mask in source.read(split):
            fingerprints[name] = duplicates.fingerprint(image)
            self.sizes.add(image.shape[:2])
            yield name, image, mask
        if missing := set(source.splits[split]) - set(fingerprints):
            raise RuntimeError(f"{split}: the source did not yield {missing}")

    def smallest_and_largest(self) -> dict[str, Size]:
        """Return the sizes of the stored images with the fewest and with the most pixels."""
        order = sorted(self.sizes, key=lambda size: (size[0] * size[1], size))
        return {"smallest": order[0], "largest": order[-1]}

    def describe_resizing(self, size: Size, rule: str) -> str:
        """Return a line that says how images are brought to `size` by the rule of `fit`."""
        (h, w), (largest_h, largest_w) = self.smallest_and_largest().values()
        sizes = f"{h}x{w}" if len(self.sizes) == 1 else f"{h}x{w} to {largest_h}x{largest_w}"
        if self.sizes == {size}:
            return f"images of {sizes} pixels (height x width) stay as they are"
        done = {
            "squash": "resampled to {}; aspects change by up to a factor {:.2f}",
            "pad": "reduced to fit into {} where they are larger, then padded",
            "tiles": "cut into tiles of {} where they are larger, else padded",
        }[rule]
        stretch = max(max(h * size[1] / (w * size[0]), w * size[0] / (h * size[1])) for h, w in self.sizes)
        return f"images of {sizes} pixels (height x width) are {done.format('{}x{}'.format(*size), stretch)}"


def render(name: str, settings: Preparation, testing: Testing, folder: Path | str) -> None:
    """Draw the test images of a generated data set anew at every size of its test scales but its own.

    Written to `folder`/{height}x{width}/images.npy and masks.npy; what `folder` held before is removed. Raises
    UserError for a source that can only be resampled.
    """
    folder = Path(folder)
    source = _open(name, settings, {})
    if source.rendered is None:
        raise UserError(f"datasets.{name}: images of source {settings.source} cannot be drawn at another size")
    own = image_sides(settings.image_size)
    shutil.rmtree(folder, ignore_errors=True)
    sizes = {rescaled_sides(own, scale, testing.size_multiple) for scale in testing.test_scales}
    for height, width in sorted(sizes - {own}):
        shape = (height, width, source.channels)
        samples = source.rendered(height, width)
        _write(folder / f"{height}x{width}", samples, source.splits["test"], shape, len(source.classes))


def keep_originals(
    name: str, settings: Preparation, testing: Testing, archives: dict[str, Path], folder: Path | str
) -> None:
    """Keep the test images' own pixels for test scales above 1: `folder`/000000.npy, … in the order of their names.

    Each is uint8 (h, w, C + 1), the image and last its mask, framed as the prepared one, and at most as large as at the
    largest test scale. What `folder` held before is removed.
    """
    folder = Path(folder)
    source = _open(name, settings, archives)
    size, rule = image_sides(settings.image_size), settings.fit
    largest = rescaled_sides(size, max(testing.test_scales), testing.size_multiple)
    shutil.rmtree(folder, ignore_errors=True)
    places = {name: index for index, name in enumerate(source.splits["test"])}
    for sample in source.read("test"):
        image, mask = original(sample, size, rule, largest)
        with atomic(folder / f"{places[sample[0]]:06d}.npy") as path:
            np.save(path, np.concatenate([image, mask[..., None]], axis=2))


def _open(name: str, settings: Preparation, archives: dict[str, Path], only_test: bool = False) -> Source:
    """Return the source of a data set; raise UserError when it lacks an archive or is empty."""
    generate, needed = SOURCES[settings.source]
    if set(archives) != set(needed):
        wanted = ", ".join(needed) or "none"
        raise UserError(f"datasets.{name}.archives: source {settings.source} takes {wanted}; change them")
    source = generate(settings, archives)
    if only_test:
        source = all_tested(source)
    if settings.trained_on:
        source = without_training(source)
    for split in ("test",) if only_test or settings.trained_on else SPLITS:
        if not source.splits[split]:
            raise UserError(f"datasets.{name}: no image is left for {split!r}; change its split or limit")
    return source


def _verified(name: str, key: str, path: Path, expected: str | None) -> str:
    """Return the sha256 of an archive, which must be the expected one."""
    try:
        got = sha256(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such archive; download it first (datasets.{name}.archives.{key})") from error
    if expected and got != expected.lower():
        raise UserError(
            f"{path}: sha256 {got}, but datasets.{name}.archives.{key} expects {expected}; download it again"
        )
    return got


def _check_metric(name: str, metric: Metric, classes: Iterable[str]) -> None:
    """Raise UserError if the class of the metric is none of these."""
    try:
        metric.check(classes)
    except UserError as error:
        raise UserError(f"datasets.{name}.{error}") from error


def _write(folder: Path, samples: Iterable[Sample], names: Iterable[str], shape: tuple, classes: int) -> list[str]:
    """Write images.npy and masks.npy: each sample at the place that its name has in `names`; what that lacks, after it.

    Returns the names in their places.
    """
    places = {name: index for index, name in enumerate(names)}
    seen = set()
    with array_file(folder / "images.npy", shape) as images, array_file(folder / "masks.npy", shape[:2]) as masks:
        for name, image, mask in samples:
            unknown = mask[(mask >= classes) & (mask != IGNORED)]
            if unknown.size:
                raise UserError(f"{name}: class {unknown[0]} in its mask, the data set has {classes} classes")
            if name in seen:
                raise UserError(f"{name}: the name of two images or tiles; rename one")
            seen.add(name)
            place = places.setdefault(name, len(places))
            images.put(place, image)
            masks.put(place, mask)
        images.set_count(len(places))
        masks.set_count(len(places))
    return list(places)
