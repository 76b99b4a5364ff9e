"""What a few files look like: masks or photographs, and how masks of the same images lie on each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from seunet.data.images import open_image, read_file
from seunet.data.labels import CHANNELS, check_mask, colours, values
from seunet.runtime.errors import UserError

FEW = 40  # values or colours, that masks of classes have at most
FLAT = 0.8  # of the neighbours in a mask are equal, at least
SAMPLE = 5

T = TypeVar("T")


def some(files: Sequence[T], count: int = SAMPLE) -> list[T]:
    """Return a few of some files, evenly spaced."""
    return [files[i] for i in sorted(set(np.linspace(0, len(files) - 1, count).round().astype(int).tolist()))]


def kind_of_masks(files: Sequence[Path]) -> str:
    """Return "values", "colours", "red" (green, blue: the channel that holds values), or "" for what is no mask.

    Raises UserError for a file that says that it is none: JPEG, stacks, damaged ones.
    """
    pictures = [open_image(read_file(file), str(file)) for file in some(files)]
    kinds = set()
    for picture in pictures:
        check_mask(picture)
        try:
            kinds.add("values" if is_flat(values(picture)) else "")
        except UserError:
            if not picture.has_bytes():
                raise
            stored = colours(picture)
            codes = (stored.astype(np.int64) << np.array([16, 8, 0])).sum(-1)
            kinds.add(one_channel(stored) if is_flat(codes) else "")
    kinds -= {"values"} if len(kinds) > 1 else set()  # an empty mask in colours is grey
    return kinds.pop() if len(kinds) == 1 else ""


def one_channel(stored: np.ndarray) -> str:
    """Return the only channel that is not 0 everywhere, if it counts on (small numbers); else "colours"."""
    used = [name for name, index in CHANNELS.items() if stored[..., index].any()]
    numbers = np.unique(stored[..., CHANNELS[used[0]]]) if len(used) == 1 else np.array([255])
    return used[0] if len(used) == 1 and numbers.max() <= 3 * len(numbers) else "colours"


def is_flat(codes: np.ndarray) -> bool:
    """Tell whether numbers (H, W) lie as in a mask: few of them, or many in regions of one number."""
    if min(codes.shape) < 2:
        return True
    equal = (np.mean(codes[1:] == codes[:-1]) + np.mean(codes[:, 1:] == codes[:, :-1])) / 2
    found = len(np.unique(codes))
    return bool(equal >= FLAT and (found <= FEW or found < codes.size / 100 or equal > 0.95)) or found <= 2


def are_masks(files: Sequence[Path]) -> bool:
    """Tell whether files look like masks; False for what cannot be read as one."""
    try:
        return bool(kind_of_masks(files))
    except UserError:
        return False


def inside(file: Path) -> np.ndarray | None:
    """Return where a mask of two values is not 0, (H, W) bool; None for other masks."""
    try:
        found = values(open_image(read_file(file), str(file)))
    except UserError:
        return None
    return found != 0 if len(np.unique(found)) <= 2 else None


def overlap(first: Sequence[Path], second: Sequence[Path]) -> tuple[float, float, float] | None:
    """Return how two kinds of masks of the same images lie: shares of their pixels in both, and the second's of all.

    The first share is of the first kind's pixels, the second of the second kind's. None where they have more values.
    """
    counts = np.zeros(4, np.int64)
    for one, other in zip(first, second, strict=True):
        a, b = inside(one), inside(other)
        if a is None or b is None or a.shape != b.shape:
            return None
        counts += (a & b).sum(), a.sum(), b.sum(), a.size
    both, own, others, size = map(int, counts)
    return both / max(1, own), both / max(1, others), others / size


def one_value(file: Path) -> bool:
    """Tell whether a mask holds one value, or colour, alone."""
    picture = open_image(read_file(file), str(file))
    stored = picture.stored()
    return bool((stored == stored[:1, :1]).all())
