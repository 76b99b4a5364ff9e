"""From an opened picture to the input of a network: a window for deep values, channels, and the size."""

import numpy as np
from PIL import Image

from seunet.data.formats import open_image, read_file
from seunet.data.formats.picture import Picture, damaged
from seunet.runtime.errors import UserError
from seunet.runtime.wording import counted

__all__ = ["Window", "channels_of", "nearest", "open_image", "read_file", "resampled", "to_array"]

NARROW = 0.1  # of the range: an image that uses less was hardly meant for it
FEW_LEVELS, NEARLY_ALL = 8, 0.98  # so many levels with such a share of the values: a range that is hardly used


class Window:
    """The values that become black and white: `value_range` = [low, high] of a data set, mapped to 0 … 255.

    It counts the values that lie outside, which are clipped, and on which of the 256 levels the others come to lie, and
    it names the images that use little of the range.
    """

    def __init__(self, value_range: tuple[float, float] | list[float]):
        self.low, self.high = value_range
        if not self.low < self.high:
            raise UserError(f"value_range [{self.low}, {self.high}]: low must be below high; correct it")
        self._reset()

    def _reset(self) -> None:
        self.clipped, self.levels = 0, np.zeros(256, np.int64)
        self.narrow: dict[str, str] = {}  # image: its values

    def __call__(self, values: np.ndarray, name: str) -> np.ndarray:
        """Return values of any type as uint8, rounded to the nearest; UserError where one is no number."""
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            raise UserError(f"{name}: values that are no numbers (NaN or infinite); replace them")
        self.clipped += int(((values < self.low) | (values > self.high)).sum())
        scaled = (values - self.low).clip(0, self.high - self.low) * (255 / (self.high - self.low))
        shown = np.rint(scaled).astype(np.uint8)
        levels = np.bincount(shown.ravel(), minlength=256)
        first, last = np.searchsorted(levels.cumsum(), [0.001 * values.size, 0.999 * values.size])
        if last - first < NARROW * 255:
            self.narrow[name] = f"{values.min():g} to {values.max():g}"
        self.levels += levels
        return shown

    def check(self, picture: Picture) -> None:
        """Raise UserError for a picture of another depth than the range is of, which would be all black or white."""
        window, top = f"[{self.low:g}, {self.high:g}]", 2**picture.bits - 1
        if picture.kind == "u" and picture.bits <= 8 and self.high > 2 * top:
            raise UserError(
                f"{picture.name}: {picture.depth_name} pixels, 0 to {top}, would be nearly black in value_range "
                f"{window}; give the range of these images (value_range, or --value-range 0,{top})"
            )
        if picture.kind != "f" and picture.bits > 1 and self.high - self.low < 2:
            raise UserError(
                f"{picture.name}: {picture.depth_name} pixels, whole numbers, would be black or white in value_range "
                f"{window}; give the range of these images (value_range, or --value-range LOW,HIGH)"
            )

    def report(self) -> list[str]:
        """Return lines since the last report: how many values were clipped, and whether nearly all became alike."""
        clipped, levels, seen, narrow = self.clipped, self.levels, int(self.levels.sum()), self.narrow
        self._reset()
        window, lines = f"[{self.low:g}, {self.high:g}]", []
        if clipped:
            lines.append(f"{clipped:,} values ({clipped / seen:.2%}) lie outside value_range {window}: clipped")
        if narrow:
            name, values = next(iter(narrow.items()))
            lines.append(
                f"warning: little of value_range {window} is used by {counted(len(narrow), 'image')}, such as {name}, "
                f"{values}; are these the intensities that it is of?"
            )
        if seen and np.sort(levels)[-FEW_LEVELS:].sum() > NEARLY_ALL * seen:
            used = int((np.sort(levels)[::-1].cumsum() <= NEARLY_ALL * seen).sum()) + 1
            lines.append(
                f"warning: {NEARLY_ALL:.0%} of the values lie on {used} of 256 levels between black and white; is "
                f"value_range {window} right? Leave out values that stand for no data, and hot pixels"
            )
        return lines


def channels_of(picture: Picture, windowed: bool = False) -> int:
    """Return the channels of a picture as an image; UserError when its values have no clear brightness."""
    name, has_palette = picture.name, picture.palette is not None
    if picture.white_is_zero:
        raise UserError(f"{name}: white is stored as zero (TIFF tag 262); invert it and save it as black is zero")
    if windowed and has_palette:
        raise UserError(f"{name}: a palette image, in a data set with a value_range; convert it")
    if not windowed and not picture.has_bytes():
        depth = "more than 8 bits" if picture.bits > 8 else "not 8 bits"
        raise UserError(
            f"{name}: pixels of {depth} a channel ({picture.depth_name}); give value_range: [low, high], the values of "
            "black and white (--value-range LOW,HIGH), or convert it to 8 bits"
        )
    return 3 if has_palette else picture.channels


def to_array(
    picture: Picture, channels: int, size: tuple[int, int] | None = None, window: Window | None = None
) -> np.ndarray:
    """Return a picture, upright, as uint8 (H, W, channels), `size` = (height, width), its own where that is None.

    8-bit values stay as they are, 1, 2 and 4 bits are stretched to 0 … 255, palettes give their colours, opaque alpha
    is left out; other depths go through `window`. Grey becomes RGB and RGB grey, other numbers of channels must fit.
    The resampling is Pillow's bilinear one, whose support grows with the reduction: it is antialiased. The aspect is
    not kept.
    """
    has = channels_of(picture, window is not None)
    if has != channels and {has, channels} != {1, 3}:
        raise UserError(f"{picture.name}: {counted(has, 'channel')}, but {channels} are asked for; convert it")
    if picture.pillow is not None and picture.orientation == 1 and window is None and channels in (1, 3):
        return _converted(_loaded(picture.pillow, picture.name), channels, size)
    pixels = window(picture.shown(), picture.name) if window else picture.bytes()
    return _resized(pixels, channels, size or pixels.shape[:2])


def resampled(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample uint8 (H, W, C) to `size` = (height, width) as `to_array` does."""
    return pixels if pixels.shape[:2] == size else _resized(pixels, pixels.shape[2], size)


def _loaded(image: Image.Image, name: str) -> Image.Image:
    """Return an image of Pillow, decoded."""
    try:
        image.load()
    except Exception as error:  # Pillow raises nearly anything on damaged files
        raise damaged(name, error) from error
    return image


def _converted(image: Image.Image, channels: int, size: tuple[int, int] | None) -> np.ndarray:
    """Return an image of Pillow as grey or RGB (H, W, channels) of `size`."""
    image = image.convert("L" if channels == 1 else "RGB")
    height, width = size or (image.height, image.width)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR)).reshape(height, width, channels)


def _resized(pixels: np.ndarray, channels: int, size: tuple[int, int]) -> np.ndarray:
    """Resample uint8 (H, W, C) to `size` = (height, width); C is 1, 3 or `channels`."""
    if channels in (1, 3):
        return _converted(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), channels, size)
    return np.concatenate([_resized(pixels[..., c : c + 1], 1, size) for c in range(channels)], axis=2)


def nearest(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample a mask (H, W) uint8 to `size` = (height, width) by the nearest pixel centre."""
    height, width = size
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
