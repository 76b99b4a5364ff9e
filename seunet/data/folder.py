"""Your own data: files of a folder, where an image and its mask are found by patterns (see `file_matching`).

Images are PNG, TIFF, GIF, JPEG, BMP, PGM or PPM; masks are no JPEG, since that changes pixel values. What could be read
in two ways (several frames, EXIF rotation, colours where values were named) is refused with the reason.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seunet.data.duplicates import fingerprint
from seunet.data.file_matching import MatchedFiles, match_files
from seunet.data.formats.picture import Picture
from seunet.data.images import Window, channels_of, open_image, read_file, to_array
from seunet.data.labels import check_mask, values
from seunet.data.mask_files import MaskReader
from seunet.data.masks import classes_of
from seunet.data.patterns import patterns_of
from seunet.data.source import IGNORED, SPLITS, Sample, Source
from seunet.data.splits import apply_limits, divide
from seunet.runtime.errors import UserError
from seunet.runtime.problems import all_or_problems
from seunet.runtime.wording import be, counted, have
from seunet.settings.dataset import Preparation


def generate(settings: Preparation) -> Source:
    """Return the images below `path`, split by `split` and `seed`.

    `images`, `masks`, `valid` are patterns of the files, `classes` and `ignore` say what the masks hold (`MaskReader`).
    Images are grey only if all are. Every image is opened (not decoded) to check it against its mask; with
    `duplicates: group`, it is decoded to find its copies.
    """
    if not settings.path or not classes_of(settings):
        missing = "classes" if settings.path else "path"
        raise UserError(f"{missing}: missing; a data set of source `folder` needs path and classes")
    root = Path(settings.path).expanduser()
    found = match_files(root, patterns_of(settings), settings.unpaired == "leave", settings.exclude or ())
    images, valid = found.images, found.valid
    window = Window(settings.value_range) if settings.value_range else None
    channels = _check_pairs(root, found, window)
    all_or_problems(lambda name: _check_pair(images[name], valid[name], window), valid, root)
    to_class = MaskReader(settings)

    def pixels(name: str) -> np.ndarray:
        return to_array(_open(images[name]), channels, window=window)

    keep_together = settings.duplicates == "group"
    fingerprints = {name: fingerprint(pixels(name)) for name in images} if keep_together else None
    left_out = [*found.unpaired, *(path.stem for path in found.unpaired.values()), *found.excluded]
    whole = divide(images, settings.split.non_defaults(), settings.seed, root, fingerprints, left_out)
    _report(found, whole)
    splits = apply_limits(whole, settings)

    def sample(name: str) -> Sample:
        mask = to_class(found.masks[name])
        if valid:
            mask = np.where(values(_open(valid[name])) != 0, mask, np.uint8(IGNORED))
        return name, pixels(name), mask

    def read(split: str) -> Iterator[Sample]:
        waiting = [name for other in SPLITS[SPLITS.index(split) :] for name in splits[other]]
        for i, name in enumerate(splits[split]):
            try:
                yield sample(name)
            except UserError:
                all_or_problems(sample, sorted(waiting[i:]), root)  # the others that are wrong are said with it
                raise
        for line in [*(window.report() if window else ()), *to_class.report()]:
            print(f"{split}: {line}", file=sys.stderr)

    return Source(classes_of(settings), channels, splits, read)


def _report(found: MatchedFiles, splits: dict[str, list[str]]) -> None:
    """Say how many files and images are not used."""
    unused = sorted(set(found.images) - {name for split in SPLITS for name in splits[split]})
    of_class = {name for layers in found.masks.values() for name, _ in layers if name}
    reports: list[tuple[Sequence, str, str, str]] = [
        (found.left, "file", "that no pattern takes", "left out"),
        (found.ours, "file", "that seunet wrote", "passed over"),
        (list(found.unpaired.values()), "file", "without a mask or without an image", "left out"),
        (found.excluded, "image", "that `exclude` names", "left out"),
        (unused, "image", "in no split", "left out"),
    ]
    for files, noun, which, done in reports:
        if count := len(files):
            print(f"{counted(count, noun)} {which} {be(count)} {done}, such as {files[0]}", file=sys.stderr)
    for name in sorted(of_class):
        without = [image for image, layers in found.masks.items() if name not in {other for other, _ in layers}]
        if count := len(without):
            lacking = f"{counted(count, 'image')} {have(count)} no mask of {name}"
            print(f"{lacking}: nothing is {name} there, such as {without[0]}", file=sys.stderr)


def _open(path: Path) -> Picture:
    return open_image(read_file(path), str(path))


def _check_pairs(root: Path, files: MatchedFiles, window: Window | None) -> int:
    """Check all images and masks; return the channels of the data set: 1 or 3 where some are grey and some RGB."""
    pairs = [(path, mask) for name, path in files.images.items() for _, mask in files.masks[name]]
    found = all_or_problems(lambda pair: _check_pair(*pair, window), pairs, root)
    channels = {has: image for (has, _), (image, _) in zip(found, pairs, strict=True)}
    depths = {depth: image for (_, depth), (image, _) in zip(found, pairs, strict=True)}
    if len(channels) > 1 and set(channels) != {1, 3}:
        (first, path), (other, other_path), *_ = channels.items()
        raise UserError(
            f"{other_path}: {counted(other, 'channel')}, but {path} has {first}; give all images the same channels"
        )
    if window and len(depths) > 1:
        (depth, path), (other_depth, other_path), *_ = depths.items()
        raise UserError(
            f"{other_path}: {other_depth} pixels, but {path} has {depth}, and one value_range is meant for all; "
            "convert them"
        )
    if window:  # all have its depth
        window.check(_open(pairs[0][0]))
    return max(channels)


def _check_pair(image_path: Path, mask_path: Path, window: Window | None) -> tuple[int, str]:
    """Check an image against its mask by their headers; return the image's channels, and its depth in words."""
    image, mask = _open(image_path), _open(mask_path)
    check_mask(mask)
    if image.size != mask.size:
        (width, height), (mask_width, mask_height) = image.size, mask.size
        raise UserError(
            f"{mask_path}: {mask_width}x{mask_height} pixels, its image has {width}x{height}: make them the same size"
        )
    if image.orientation != mask.orientation and (image.width, image.height) == (mask.width, mask.height):
        raise UserError(
            f"{mask_path}: orientation {mask.orientation} (EXIF), its image has {image.orientation}, so it is not "
            "clear how they lie on each other; turn the pixels of both and remove the tag"
        )
    return channels_of(image, window is not None), image.depth_name
