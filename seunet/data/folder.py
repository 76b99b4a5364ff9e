"""Your own data: a folder with `images/` and `masks/`, where files of the same stem belong together.

Images are PNG, TIFF or JPEG; masks are PNG or TIFF, since JPEG changes pixel values. What could be read in
two ways (several frames, EXIF rotation, colours where values were named) is refused with the reason.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from seunet.data.images import GREY_MODES, load, nearest, open_image, refuse_ambiguous, to_array, values
from seunet.data.source import IGNORED, Sample, Source, apply_limits, random_split
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


class ClassMap:
    """From the pixel values, or the colours, of a mask to class indices.

    The entries are colours if every one is a list of three numbers or a list of such lists; then masks are
    read as RGB. Otherwise they are values of one-channel masks (of palette images: the index).
    """

    def __init__(self, classes: dict[str, int | list], ignore: list):
        if not 2 <= len(classes) <= IGNORED:
            raise UserError(f"classes: {len(classes)} given; name at least 2, and at most {IGNORED}")
        entries = [*classes.values(), *ignore]
        self.colours = all(_is_colour(entry) or _is_list_of_colours(entry) for entry in entries)
        keys: dict[int, int] = {}
        for index, (name, entry) in enumerate([*classes.items(), *(("ignore", entry) for entry in ignore)]):
            for key in self._keys(name, entry):
                if key in keys:
                    raise UserError(f"classes: {self._said(key)} stands for two of them ({name!r} is one); change one")
                keys[key] = index if index < len(classes) else IGNORED
        self.known = np.array(sorted(keys))
        self.classes = np.array([keys[key] for key in self.known], dtype=np.uint8)

    def __call__(self, image: Image.Image, name: str) -> np.ndarray:
        """Return the classes (H, W) uint8 of an opened mask; UserError naming a value that is in no class."""
        codes = _colour_codes(image, name) if self.colours else _value_codes(image, name)
        places = np.searchsorted(self.known, codes).clip(max=len(self.known) - 1)
        unknown = codes[self.known[places] != codes]
        if unknown.size:
            allowed = ", ".join(self._said(int(key)) for key in self.known[:20])
            raise UserError(
                f"{name}: mask value {self._said(int(unknown[0]))} is in no class; known are {allowed}. "
                "Add it to classes or to ignore"
            )
        return self.classes[places]

    def _keys(self, name: str, entry: int | list) -> list[int]:
        if self.colours:
            colours = [entry] if _is_colour(entry) else entry
            if not all(0 <= value <= 255 for colour in colours for value in colour):
                raise UserError(f"classes.{name}: {entry} is no colour [r, g, b] of 0 to 255; change it")
            return [r << 16 | g << 8 | b for r, g, b in colours]
        listed = entry if isinstance(entry, list) else [entry]
        if not listed or not all(_is_number(value) and value >= 0 for value in listed):
            raise UserError(
                f"classes.{name}: {entry} must be a pixel value or a list of them, "
                "or (in all classes and ignore) a colour [r, g, b]"
            )
        return listed

    def _said(self, key: int) -> str:
        return str([key >> 16, key >> 8 & 255, key & 255]) if self.colours else str(key)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_colour(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 3 and all(map(_is_number, entry))


def _is_list_of_colours(entry: object) -> bool:
    return isinstance(entry, list) and bool(entry) and all(map(_is_colour, entry))


def _colour_codes(image: Image.Image, name: str) -> np.ndarray:
    rgb = np.asarray(load(image, name).convert("RGB")).astype(np.int64)
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def _value_codes(image: Image.Image, name: str) -> np.ndarray:
    if image.mode not in ("RGB", "RGBA", "LA"):
        return values(image, name).astype(np.int64)
    rgb = np.asarray(load(image, name).convert("RGB"))
    if (rgb != rgb[..., :1]).any():
        raise UserError(f"{name}: a mask in colour; give every class (and ignore) as [r, g, b], or convert the mask")
    return rgb[..., 0].astype(np.int64)


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
