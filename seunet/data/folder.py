"""Your own data: a folder with `images/` and `masks/`, where files of the same stem belong together.

Images are PNG, TIFF or JPEG; masks are PNG or TIFF, since JPEG changes pixel values. What could be read in
two ways (several frames, EXIF rotation, colours where values were named) is refused with the reason.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

from seunet.data.formats.picture import Picture
from seunet.data.images import Window, channels_of, counted, nearest, open_image, read_file, to_array
from seunet.data.labels import check_mask
from seunet.data.masks import ClassMap
from seunet.data.source import SPLITS, Sample, Source
from seunet.data.splits import apply_limits, random_split
from seunet.runtime.errors import UserError
from seunet.runtime.problems import Problems, all_or_problems

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
SPLIT = {"train": 0.7, "val": 0.1, "test": 0.2}


def generate(settings: dict) -> Source:
    """Return the images of `settings["path"]`, `image_size` pixels square, split by `split` and `seed`.

    `classes` is {name: values}: a pixel value or a list of them, or a colour [r, g, b] or a list of colours;
    `ignore` lists values (colours) that count neither in the loss nor in a score. Images are grey only if all
    are. Every image is opened (not decoded) to check it against its mask.
    """
    for key in ("path", "classes"):
        if not settings.get(key):
            raise UserError(f"{key}: missing; a data set of source `folder` needs path and classes")
    root = Path(settings["path"]).expanduser()
    images, masks = _pairs(root)
    window = Window(settings["value_range"]) if settings.get("value_range") else None
    channels = _check_pairs(root, images, masks, window is not None)
    to_class = ClassMap(settings["classes"], settings.get("ignore") or [])
    size = settings["image_size"]
    splits = apply_limits(random_split(images, settings.get("split") or SPLIT, settings.get("seed", 0)), settings)

    def sample(name: str) -> Sample:
        image = to_array(_open(images[name]), channels, (size, size), window)
        return name, image, nearest(to_class(_open(masks[name])), (size, size))

    def read(split: str) -> Iterator[Sample]:
        left = [name for other in SPLITS[SPLITS.index(split) :] for name in splits[other]]
        for i, name in enumerate(splits[split]):
            try:
                yield sample(name)
            except UserError:
                all_or_problems(sample, left[i:], root)  # the others that are wrong are said with it
                raise
        if window and (clipped := window.report()):
            print(f"{split}: {clipped}", file=sys.stderr)

    return Source(list(settings["classes"]), channels, size, size, splits, read)


def _open(path: Path) -> Picture:
    return open_image(read_file(path), str(path))


def _pairs(root: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Return {stem: file} of the images and of the masks; UserError with all that is wrong with their names."""
    problems = Problems(root)
    images, masks = _files(root / "images", problems), _files(root / "masks", problems)
    if not images and not problems.lines:
        raise UserError(f"{root / 'images'}: no image in it; put PNG, TIFF or JPEG files there")
    _check_partners(root, images, masks, problems)
    problems.refuse()
    return images, masks


def _files(folder: Path, problems: Problems) -> dict[str, Path]:
    """Return {stem: file} of a folder, hidden files left out."""
    try:
        paths = sorted(folder.iterdir())
    except PermissionError as error:
        raise UserError(f"{folder}: no permission to read it; change its permissions") from error
    except OSError as error:
        raise UserError(
            f"{folder}: no such folder; a data set of source `folder` has images/ and masks/ in its path"
        ) from error
    found: dict[str, Path] = {}
    for path in paths:
        if path.name.startswith(".") or path.name in ("Thumbs.db", "desktop.ini"):
            continue
        if path.is_symlink() and not path.exists():
            problems.add(f"{path}: a link to nothing; remove it or put the file there")
        elif path.suffix.lower() not in SUFFIXES or not path.is_file():
            problems.add(f"{path}: not a PNG, TIFF or JPEG file; move it elsewhere or convert it")
        elif path.stem in found:
            problems.add(f"{path}: has the same name as {found[path.stem].name}; rename or remove one")
        found.setdefault(path.stem, path)
    return found


def _check_partners(root: Path, images: dict[str, Path], masks: dict[str, Path], problems: Problems) -> None:
    for these, others, kind, folder in ((images, masks, "mask", "masks"), (masks, images, "image", "images")):
        forms = {normalize("NFC", name): path for name, path in others.items()}
        for name in sorted(these.keys() - others.keys()):
            if twin := forms.get(normalize("NFC", name)):
                if kind == "mask":  # once for the pair
                    problems.add(f"{these[name]}: same name in another Unicode form as {twin}; rename one of them")
            else:
                problems.add(f"{these[name]}: no {kind} {name}.* in {root / folder}; add it or remove this file")


def _check_pairs(root: Path, images: dict[str, Path], masks: dict[str, Path], windowed: bool) -> int:
    """Check all images and masks; return the channels of the data set: 1 or 3 where some are grey and some RGB."""
    pairs = [(path, masks[name]) for name, path in images.items()]
    found = all_or_problems(lambda pair: _check_pair(*pair, windowed), pairs, root)
    channels = {has: image for (has, _), (image, _) in zip(found, pairs, strict=True)}
    depths = {depth: image for (_, depth), (image, _) in zip(found, pairs, strict=True)}
    if len(channels) > 1 and set(channels) != {1, 3}:
        (first, path), (other, other_path), *_ = channels.items()
        raise UserError(f"{other_path}: {counted(other)}, but {path} has {first}; give all images the same channels")
    if windowed and len(depths) > 1:
        (first, path), (other, other_path), *_ = depths.items()
        raise UserError(
            f"{other_path}: {other} pixels, but {path} has {first}, and one value_range is meant for all; convert them"
        )
    return max(channels)


def _check_pair(image_path: Path, mask_path: Path, windowed: bool) -> tuple[int, str]:
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
    return channels_of(image, windowed), image.said_depth
