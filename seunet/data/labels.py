"""From an opened mask to its values or colours: exactly what the file stores, or a refusal."""

import numpy as np

from seunet.data.formats.picture import Picture
from seunet.runtime.errors import UserError

LARGEST = 2**53  # whole numbers up to here are exact in a float


def check_mask(picture: Picture) -> None:
    """Raise UserError for a mask whose compression changes values."""
    if picture.lossy:
        raise UserError(
            f"{picture.name}: a JPEG mask; compression changes the class values: save masks as PNG or TIFF, black and "
            "white ones by a threshold (ImageMagick: mogrify -format png -threshold 50% *.jpg)"
        )


CHANNELS = {"red": 0, "green": 1, "blue": 2}


def values(picture: Picture, channel: str | None = None) -> np.ndarray:
    """Return the stored values (H, W) int64 of a mask: the index for palettes, 0 and 1 for 1-bit.

    Of a GIF, whose encoders number the palette as they like: its grey values.
    The values count, not their look: where white is stored as zero, white is 0. A mask in RGB is taken if its
    three channels are equal, or if `channel` (red, green, blue) says which one holds the values. Values must be whole
    numbers, of any type.
    """
    check_mask(picture)
    by_colour = picture.format == "GIF" and picture.palette is not None
    stored = picture.bytes() if by_colour else picture.stored()
    if channel is not None:
        if not (stored.shape[2] == 3 and picture.rgb):
            raise UserError(f"{picture.name}: mask_channel is {channel}, but this mask is not in RGB; remove the key")
        stored = stored[..., CHANNELS[channel]][..., None]
    elif stored.shape[2] == 3 and (picture.rgb or by_colour):
        if (stored != stored[..., :1]).any():
            raise UserError(
                f"{picture.name}: a mask in colour; give every class (and ignore) as [r, g, b], or make it a mask of "
                "one channel"
            )
    elif stored.shape[2] != 1:
        raise UserError(
            f"{picture.name}: a mask of one channel was expected, this one has {stored.shape[2]}; convert it"
        )
    stored = stored[..., 0]
    if stored.dtype.kind == "f":
        broken = stored[~(np.isfinite(stored) & (stored == np.rint(stored)))]
        if broken.size:
            raise UserError(
                f"{picture.name}: mask value {broken[0]:g} is no whole number; save classes as whole numbers"
            )
    if stored.max().item() > LARGEST or stored.min().item() < -LARGEST:
        raise UserError(f"{picture.name}: mask value {stored.max()} is too large; number the classes from 0")
    return stored.astype(np.int64)


def colours(picture: Picture) -> np.ndarray:
    """Return the colours (H, W, 3) uint8 of a mask: those of a palette, grey as three equal values."""
    check_mask(picture)
    if not picture.has_bytes():
        raise UserError(
            f"{picture.name}: a mask of {picture.depth_name}, where classes are colours; save it with 8 bits a channel"
        )
    if picture.white_is_zero:
        raise UserError(
            f"{picture.name}: white is stored as zero (TIFF tag 262), where classes are colours; convert it"
        )
    found = picture.bytes()
    if found.shape[2] != 1 and not (found.shape[2] == 3 and (picture.rgb or picture.palette is not None)):
        raise UserError(f"{picture.name}: a mask of RGB colours was expected, this one has {found.shape[2]} channels")
    return np.broadcast_to(found, (*found.shape[:2], 3))
