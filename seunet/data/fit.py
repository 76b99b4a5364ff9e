"""How images of any size come to the size that a data set is prepared at: squashed, padded, or cut into tiles."""

from collections.abc import Iterator, Sequence

import numpy as np

from seunet.data.images import nearest, resampled
from seunet.data.source import IGNORED, Sample
from seunet.runtime.errors import UserError

Size = tuple[int, int]  # height, width


def image_sides(image_size: int | Sequence[int]) -> Size:
    """Return height and width of a data set's `image_size`: one number is a square."""
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    return height, width


def fitted(sample: Sample, size: Size, rule: str) -> Iterator[Sample]:
    """Yield what becomes of a sample (name, image (h, w, C), mask (h, w)) at `size`: several for tiles, else one.

    rule: "squash" resamples to `size`, "pad" reduces what is larger in its own aspect and adds pixels below and to the
    right, "tiles" cuts what is larger (`tiles`) and pads what is smaller. Added pixels are 0, and ignored in the mask.
    """
    name, image, mask = sample
    if rule != "squash" and image.shape[:2] != mask.shape:
        raise UserError(f"{name}: its mask has another size than the image, so fit must be squash; mend or remove it")
    if rule == "tiles":
        yield from tiles(sample, size)
        return
    own = size if rule == "squash" else padded_content(mask.shape, size)
    yield name, padded(resampled(image, own), size), padded(nearest(mask, own), size, IGNORED)


def tiles(sample: Sample, size: Size) -> Iterator[Sample]:
    """Cut a sample into tiles of `size`, named a_r0_c0 by row and column; one that fits in keeps its name.

    The last tile of a row or column is moved back into the image; what tiles before it have is ignored in its mask, so
    every pixel counts once. Tiles without a pixel that counts are left out.
    """
    name, image, mask = sample
    if mask.shape[0] <= size[0] and mask.shape[1] <= size[1]:
        yield name, padded(image, size), padded(mask, size, IGNORED)
        return
    for row, (top, skip_rows) in enumerate(starts(mask.shape[0], size[0])):
        for column, (left, skip_columns) in enumerate(starts(mask.shape[1], size[1])):
            window = slice(top, top + size[0]), slice(left, left + size[1])
            part = mask[window].copy()
            part[:skip_rows], part[:, :skip_columns] = IGNORED, IGNORED
            if (part != IGNORED).any():
                yield f"{name}_r{row}_c{column}", padded(image[window], size), padded(part, size, IGNORED)


def starts(length: int, side: int) -> Iterator[tuple[int, int]]:
    """Yield where tiles of a side begin along an axis, and how many of their pixels an earlier one has."""
    for start in range(0, length, side):
        moved = max(0, min(start, length - side))
        yield moved, start - moved


def padded_content(own: Size, size: Size) -> Size:
    """Return the size that an image has inside a padded one: its own, or reduced in its aspect until it fits."""
    factor = min(1, size[0] / own[0], size[1] / own[1])
    height, width = (max(1, min(side, round(length * factor))) for length, side in zip(own, size, strict=True))
    return height, width


def padded(array: np.ndarray, size: Size, value: int = 0) -> np.ndarray:
    """Return an array (h, w, …) with pixels of a value added below and to the right, up to `size`."""
    missing = [(0, side - length) for side, length in zip(size, array.shape, strict=False)]
    if not any(after for _, after in missing):
        return array
    return np.pad(array, missing + [(0, 0)] * (array.ndim - 2), constant_values=value)


def original(sample: Sample, size: Size, rule: str, largest: Size) -> tuple[np.ndarray, np.ndarray]:
    """Return image and mask of a sample in its own pixels, framed as at `size`, and reduced to at most `largest`."""
    _, image, mask = sample
    frame = mask.shape
    if rule == "pad":  # what the prepared image has below and to the right, in pixels of this one
        content = padded_content(mask.shape, size)
        frame = tuple(round(side * own / part) for side, own, part in zip(size, mask.shape, content, strict=True))
    image, mask = padded(image, frame), padded(mask, frame, IGNORED)
    own = tuple(min(lengths) for lengths in zip(frame, largest, strict=True))
    return resampled(image, own), nearest(mask, own)
