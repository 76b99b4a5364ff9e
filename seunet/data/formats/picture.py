"""An opened image file: the facts in its header, and the samples that it stores."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from seunet.runtime.errors import UserError

# By the orientation of EXIF and TIFF (tag 274): how stored pixels (H, W, …) become upright ones.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@dataclass(frozen=True)
class Picture:
    """An opened image file: facts from its header; nothing is decoded before `stored` is called.

    Args:
        name: the file, for errors.
        format: PNG, JPEG, TIFF, GIF, BMP or PNM.
        width, height: in pixels, as stored (before the orientation is applied).
        samples: numbers per pixel, alpha included.
        decode: returns the stored samples (H, W, samples), of any number type; may raise any error.
        bits: of one sample.
        kind: "u", "i" or "f": unsigned, signed or floating-point samples.
        rgb: True if the first three samples are red, green and blue.
        white_is_zero: True if 0 is white (TIFF); samples are as stored nevertheless.
        alpha: True if the last sample is alpha.
        transparent: the one grey value (1,) or colour (3,) that stands for transparency, or None (PNG without alpha).
        palette: colours (n, 3), or with alpha (n, 4), uint8, of the indices that a palette image stores.
        orientation: 1 (upright) to 8, as in EXIF.
        frames: images in the file.
        lossy: True for compression that changes values.
        pillow: Pillow's image of a grey or RGB JPEG, whose pixels are `bytes`: resampled without a copy in between.
    """

    name: str
    format: str
    width: int
    height: int
    samples: int
    decode: Callable[[], np.ndarray]
    bits: int = 8
    kind: str = "u"
    rgb: bool = False
    white_is_zero: bool = False
    alpha: bool = False
    transparent: np.ndarray | None = None
    palette: np.ndarray | None = None
    orientation: int = 1
    frames: int = 1
    lossy: bool = False
    pillow: Image.Image | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the upright image."""
        return (self.height, self.width) if self.orientation > 4 else (self.width, self.height)

    @property
    def channels(self) -> int:
        """Channels of the image without alpha; 1 for the indices of a palette."""
        return self.samples - self.alpha

    def stored(self) -> np.ndarray:
        """Return the stored samples, upright: (H, W, channels). UserError when damaged, cut short or transparent."""
        try:
            array = self.decode().reshape(self.height, self.width, self.samples)
        except Exception as error:  # decoders raise nearly anything on damaged files
            raise damaged(self.name, error) from error
        if self.alpha:
            opaque = 1 if self.kind == "f" else 2 ** (self.bits - (self.kind == "i")) - 1
            self._refuse_transparent(array[..., -1] != opaque)
            array = array[..., :-1]
        return UPRIGHT[self.orientation](array)

    def shown(self) -> np.ndarray:
        """Return the stored samples as `stored` does, for their look: none of them may be transparent."""
        stored = self.stored()
        if self.transparent is not None:
            self._refuse_transparent((stored == self.transparent).all(axis=2))
        return stored

    def bytes(self) -> np.ndarray:
        """Return the colours or grey values, upright: (H, W, 3 or channels) uint8.

        Those of a palette for its indices; samples of 1, 2 and 4 bits stretched to 0 … 255. Other depths than
        these and 8 bits have no such values.
        """
        stored = self.shown()
        if self.palette is None:
            factor = 255 // (2**self.bits - 1)
            return stored if factor == 1 else stored.astype(np.uint8) * np.uint8(factor)
        if stored.max() >= len(self.palette):
            raise UserError(f"{self.name}: index {stored.max()} is not in its palette; save it anew")
        colours = self.palette[stored[..., 0].astype(np.intp)]  # indices of one bit are booleans
        if colours.shape[2] == 4:
            self._refuse_transparent(colours[..., 3] != 255)
        return colours[..., :3]

    def has_bytes(self) -> bool:
        """Tell whether `bytes` can give the values of this file."""
        return self.palette is not None or (self.kind == "u" and self.bits in (1, 2, 4, 8))

    @property
    def depth_name(self) -> str:
        """The type of the samples for messages, such as "16-bit" or "float 32-bit"."""
        return {"u": "", "i": "signed ", "f": "float "}[self.kind] + f"{self.bits}-bit"

    def _refuse_transparent(self, transparent: np.ndarray) -> None:
        if transparent.any():
            raise UserError(
                f"{self.name}: {int(transparent.sum()):,} transparent pixels, of which nobody can say what they show; "
                "save it without alpha (a last channel that is no alpha must be marked so, TIFF tag 338)"
            )


def damaged(name: str, error: object) -> UserError:
    """Return the UserError for a file whose content cannot be decoded."""
    return UserError(f"{name}: damaged or truncated image ({one_line(error)}); replace or remove it")


def unreadable(name: str, error: object) -> UserError:
    """Return the UserError for a file that is no image of a known format."""
    return UserError(f"{name}: not a readable image ({one_line(error)}); replace or remove it")


def one_line(error: object) -> str:
    """Return the message of an error in one printable line of at most 200 characters."""
    text = (str(error) or type(error).__name__).split(" <_io")[0]
    return "".join(c if c.isprintable() else " " for c in text)[:200]
