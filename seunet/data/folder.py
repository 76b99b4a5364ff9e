"""Your own data: a folder with `images/` and `masks/`, where files of the same stem belong together.

Images are PNG, TIFF or JPEG; masks are PNG or TIFF, since JPEG changes pixel values. What could be read in
two ways (several frames, EXIF rotation, colours where values were named) is refused with the reason.
"""

from collections.abc import Iterator
from pathlib import Path

from seunet.data.formats.picture import Picture
from seunet.data.images import Window, channels_of, counted, nearest, open_image, read_file, to_array
from seunet.data.labels import check_mask
from seunet.data.masks import ClassMap
from seunet.data.source import Sample, Source
from seunet.data.splits import apply_limits, random_split
from seunet.runtime.errors import UserError

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
    images, masks = _files(root / "images"), _files(root / "masks")
    _check_partners(root, images, masks)
    window = Window(settings["value_range"]) if settings.get("value_range") else None
    channels = _check_pairs(images, masks, window is not None)
    to_class = ClassMap(settings["classes"], settings.get("ignore") or [])
    size = settings["image_size"]
    splits = apply_limits(random_split(images, settings.get("split") or SPLIT, settings.get("seed", 0)), settings)

    def read(split: str) -> Iterator[Sample]:
        for name in splits[split]:
            image = to_array(_open(images[name]), channels, (size, size), window)
            mask = to_class(_open(masks[name]))
            yield name, image, nearest(mask, (size, size))

    return Source(list(settings["classes"]), channels, size, size, splits, read)


def _open(path: Path) -> Picture:
    return open_image(read_file(path), str(path))


def _files(folder: Path) -> dict[str, Path]:
    """Return {stem: file} of a folder, hidden files left out."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; a data set of source `folder` has images/ and masks/ in its path")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in ("Thumbs.db", "desktop.ini"):
            continue
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            raise UserError(f"{path}: not a PNG, TIFF or JPEG file; move it elsewhere or convert it")
        if path.stem in found:
            raise UserError(f"{path}: has the same name as {found[path.stem].name}; rename or remove one")
        found[path.stem] = path
    return found


def _check_partners(root: Path, images: dict[str, Path], masks: dict[str, Path]) -> None:
    if not images:
        raise UserError(f"{root / 'images'}: no image in it; put PNG, TIFF or JPEG files there")
    for these, others, kind, folder in ((images, masks, "mask", "masks"), (masks, images, "image", "images")):
        if alone := sorted(these.keys() - others.keys()):
            raise UserError(
                f"{these[alone[0]]}: no {kind} {alone[0]}.* in {root / folder} ({len(alone)} such); "
                "add it or remove this file"
            )


def _check_pairs(images: dict[str, Path], masks: dict[str, Path], windowed: bool) -> int:
    """Check all images and masks; return the channels of the data set: 1 or 3 where some are grey and some RGB."""
    kinds: dict[tuple[int, str], Path] = {}
    for name, path in images.items():
        kinds.setdefault(_check_pair(path, masks[name], windowed), path)
    channels = {has: path for (has, _), path in kinds.items()}
    depths = {depth: path for (_, depth), path in kinds.items()}
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
