"""Your own data: a folder with `images/` and `masks/`, where files of the same stem belong together.

Images are PNG, TIFF or JPEG; masks are PNG or TIFF, since JPEG changes pixel values. What could be read in
two ways (several frames, EXIF rotation, colours where values were named) is refused with the reason.
"""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from seunet.data.images import GREY_MODES, nearest, open_image, refuse_ambiguous, to_array
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
    channels = max(_check_pair(images[name], masks[name]) for name in images)
    to_class = ClassMap(settings["classes"], settings.get("ignore") or [])
    size = settings["image_size"]
    splits = apply_limits(random_split(images, settings.get("split") or SPLIT, settings.get("seed", 0)), settings)

    def read(split: str) -> Iterator[Sample]:
        for name in splits[split]:
            image = to_array(_open(images[name]), channels, (size, size), str(images[name]))
            mask = to_class(_open(masks[name]), str(masks[name]))
            yield name, image, nearest(mask, (size, size))

    return Source(list(settings["classes"]), channels, size, size, splits, read)


def _open(path: Path) -> Image.Image:
    return open_image(path.read_bytes(), str(path))


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


def _check_pair(image_path: Path, mask_path: Path) -> int:
    """Check an image against its mask by their headers; return the channels that the image needs, 1 or 3."""
    image, mask = _open(image_path), _open(mask_path)
    if mask.format in ("JPEG", "MPO"):
        raise UserError(f"{mask_path}: a JPEG mask; compression changes the class values: save masks as PNG or TIFF")
    if image.size != mask.size:
        raise UserError(
            f"{mask_path}: {mask.width}x{mask.height} pixels, its image has {image.width}x{image.height}: "
            "make them the same size"
        )
    refuse_ambiguous(image, str(image_path))
    refuse_ambiguous(mask, str(mask_path))
    return 1 if image.mode in GREY_MODES else 3
