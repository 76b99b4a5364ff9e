"""Decoding and resizing of images and masks from the bytes of a file; errors name the file."""

import warnings
from io import BytesIO

import numpy as np
from PIL import Image

from seunet.runtime.errors import UserError

MAX_PIXELS = 100_000_000  # more is taken for a decompression bomb: 10,000 x 10,000 is no training image
# Of the many formats of Pillow, those that data sets come in (Pet has GIFs); EPS would even start a program.
FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP")
ORIENTATION = 0x0112  # EXIF tag
GREY_MODES = ("1", "L", "LA", "La")
DEEP_MODES = ("I", "F")  # with I;16 and its kin: more than 8 bits a channel


def open_image(data: bytes, name: str) -> Image.Image:
    """Return the image of a file's content, by its content and not by its suffix; pixels are not decoded yet.

    Raises UserError naming the file when it is empty, no image, or of absurd dimensions.
    """
    if not data:
        raise UserError(f"{name}: the file is empty; replace or remove it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning: the limit below is an error
            image = Image.open(BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise UserError(f"{name}: absurd dimensions ({error}); remove it") from error
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise UserError(f"{name}: not a readable image ({_said(error)}); replace or remove it") from error
    if image.width * image.height > MAX_PIXELS:
        raise UserError(
            f"{name}: absurd dimensions ({image.width}x{image.height}, the limit is {MAX_PIXELS:,} pixels); "
            "reduce or remove it"
        )
    return image


def refuse_ambiguous(image: Image.Image, name: str) -> None:
    """Raise UserError for an opened image of several frames, or one that its EXIF tag wants turned."""
    try:
        frames = getattr(image, "n_frames", 1) if image.format != "MPO" else 1  # MPO: a JPEG with a preview
        # Asking a PNG would decode it, and no camera writes the tag there.
        orientation = image.getexif().get(ORIENTATION, 1) if image.format != "PNG" else 1
    except Exception as error:  # as above
        raise UserError(f"{name}: damaged or truncated image ({_said(error)}); replace or remove it") from error
    if frames > 1:
        raise UserError(f"{name}: {frames} frames; save each as an image of its own")
    if orientation != 1:
        raise UserError(f"{name}: to be turned, by its EXIF tag; turn the pixels and remove the tag")


def load(image: Image.Image, name: str) -> Image.Image:
    """Decode the pixels of an opened image; UserError naming the file when they are damaged or cut short."""
    try:
        image.load()
    except Exception as error:  # as above
        raise UserError(f"{name}: damaged or truncated image ({_said(error)}); replace or remove it") from error
    return image


def is_deep(image: Image.Image) -> bool:
    """Tell whether an image has more than 8 bits a channel."""
    return image.mode.split(";")[0] in DEEP_MODES


def to_array(image: Image.Image, channels: int, size: tuple[int, int], name: str) -> np.ndarray:
    """Return an opened image as uint8 (H, W, channels), `size` = (height, width).

    Grey, palette and transparent images are converted (transparency is dropped). The resampling is Pillow's
    bilinear one, whose support grows with the reduction: it is antialiased. The aspect is not kept.
    """
    if is_deep(image):
        raise UserError(f"{name}: pixels of more than 8 bits ({image.mode}); convert it to 8 bits a channel")
    image = load(image, name)
    if "transparency" in image.info:
        image = image.convert("RGBA")
    image = image.convert("L" if channels == 1 else "RGB")
    height, width = size
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8).reshape(height, width, channels)


def values(image: Image.Image, name: str) -> np.ndarray:
    """Return the stored values (H, W) of a one-channel mask: the index for palettes, 0 and 1 for 1-bit."""
    array = np.asarray(load(image, name))
    if array.ndim != 2:
        raise UserError(f"{name}: a mask of one channel was expected, this one is {image.mode}; convert it")
    return array.astype(np.uint8) if array.dtype == bool else array


def nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample a mask (H, W) uint8 to `size` = (height, width) by the nearest pixel centre."""
    height, width = size
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))


def _said(error: Exception) -> str:
    return (str(error) or type(error).__name__).split(" <_io")[0].replace("\n", " ")
