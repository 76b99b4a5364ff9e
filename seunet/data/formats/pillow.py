"""JPEG, GIF and BMP by Pillow, which reads them exactly in the few modes that are let through here."""

import warnings
from io import BytesIO

import numpy as np
from PIL import Image, ImageFile

from seunet.data.formats.picture import Picture, damaged, unreadable
from seunet.runtime.errors import UserError

ORIENTATION = 0x0112  # EXIF tag
SAMPLES = {"1": 1, "L": 1, "P": 1, "RGB": 3, "RGBA": 4}  # of the modes that are exact


def read(data: bytes, name: str) -> Picture:
    """Return the picture of a JPEG, GIF or BMP file; UserError for modes that would not be read exactly."""
    image = open_pillow(data, name, ("JPEG", "GIF", "BMP"))
    form = "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG with a preview behind it
    if image.mode not in SAMPLES:
        raise UserError(f"{name}: {form} of {image.mode} colours, which are not read; save it as RGB")
    if form == "BMP" and int.from_bytes(data[28:30], "little") == 16 and image.info.get("compression") != -1:
        raise UserError(f"{name}: BMP of 16 bits a pixel, whose colours are not read exactly; save it as PNG")
    if form == "GIF" and image.tile and image.tile[0][1] != (0, 0, *image.size):
        raise UserError(f"{name}: its image does not cover the whole frame; save it as PNG")
    try:
        frames = getattr(image, "n_frames", 1) if form == "GIF" else 1
        if frames > 1:
            image = open_pillow(data, name, ("GIF",))
        orientation = image.getexif().get(ORIENTATION, 1) if form == "JPEG" else 1
    except Exception as error:  # as in `open_pillow`
        raise damaged(name, error) from error
    return Picture(
        name=name,
        format=form,
        width=image.width,
        height=image.height,
        samples=SAMPLES[image.mode],
        decode=lambda: pixels(image),
        bits=1 if image.mode == "1" else 8,
        rgb=image.mode in ("RGB", "RGBA"),
        alpha=image.mode == "RGBA",
        palette=palette(image),
        orientation=upright_if_unknown(orientation),
        frames=frames,
        lossy=form == "JPEG",
        pillow=image if form == "JPEG" and image.mode in ("L", "RGB") else None,
    )


def open_pillow(data: bytes, name: str, formats: tuple[str, ...]) -> ImageFile.ImageFile:
    """Return an image of Pillow, not decoded yet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of sizes that `open_image` refuses
            return Image.open(BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        raise UserError(f"{name}: absurd dimensions ({error}); remove it") from error
    except Exception as error:  # its plugins raise nearly anything on damaged files
        raise unreadable(name, error) from error


def pixels(image: Image.Image) -> np.ndarray:
    """Decode an image of Pillow to an array; 1-bit images as 0 and 1."""
    array = np.asarray(image)
    return array.view(np.uint8) & 1 if array.dtype == bool else array  # Pillow's True may be the byte 255


def palette(image: Image.Image) -> np.ndarray | None:
    """Return the colours (n, 3) of a palette image, or with alpha (n, 4) where some are transparent."""
    if image.mode != "P":
        return None
    colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    transparency = image.info.get("transparency")  # one index, or the alpha of the first entries
    if transparency is None:
        return colours
    alpha = np.full(len(colours), 255, np.uint8)
    if isinstance(transparency, int):
        alpha[transparency : transparency + 1] = 0
    else:
        alpha[: len(transparency)] = np.frombuffer(transparency, np.uint8)[: len(colours)]
    return np.column_stack([colours, alpha])


def upright_if_unknown(orientation: object) -> int:
    """Return an orientation of 1 to 8; other values of the tag mean nothing, and viewers ignore them."""
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
