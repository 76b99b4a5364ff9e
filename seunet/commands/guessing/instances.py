"""Whether the values of masks number objects, or are classes."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

SIDE = 128  # masks are looked at with at most about so many rows and columns
SECOND = 0.25  # of a value's largest region, for another one to count as a second object
IN_PIECES, IN_PIECES_OF_ONE = 0.25, 0.3  # shares of values with several regions, of all and of one value: classes
LEAST_MASKS = 6  # that have a value, for its own share to be asked


def are_numbered(sets: Sequence[set[int]]) -> bool:
    """Tell whether values count on: each mask has 0 and 1 to n, almost, and n differs from mask to mask."""
    counts = [len(found - {0}) for found in sets]
    numbered = [not (found - {0}) or max(found) <= 1.5 * len(found) for found in sets]
    mostly = bool(np.mean(numbered) > 0.8)
    return max(counts) > 2 and all(0 in found for found in sets) and mostly and len(set(counts)) > 1


def in_pieces(masks: Iterable[np.ndarray]) -> bool:
    """Tell whether values of masks (H, W) often lie in several regions, as classes do and single objects do not."""
    present: Counter = Counter()
    several: Counter = Counter()
    for mask in masks:
        found = pieces(mask[:: -(-mask.shape[0] // SIDE), :: -(-mask.shape[1] // SIDE)])
        present.update(found.keys())
        several.update(value for value, count in found.items() if count > 1)
    own = [several[value] / count for value, count in present.items() if count >= LEAST_MASKS]
    return several.total() > IN_PIECES * present.total() or max(own, default=0) > IN_PIECES_OF_ONE


def pieces(mask: np.ndarray) -> dict[int, int]:
    """Return {value: number of its large regions} of a mask (H, W), without 0."""
    sizes: dict[int, list[int]] = {}
    first, counts = np.unique(regions(mask), return_counts=True)
    for place, count in zip(first.tolist(), counts.tolist(), strict=True):
        sizes.setdefault(int(mask.flat[place]), []).append(count)
    return {value: sum(n >= SECOND * max(found) for n in found) for value, found in sizes.items() if value}


def regions(mask: np.ndarray) -> np.ndarray:
    """Return for each pixel of a mask (H, W) the index of the last pixel of its region of equal values."""
    labels = np.arange(mask.size).reshape(mask.shape)
    below, right = mask[1:] == mask[:-1], mask[:, 1:] == mask[:, :-1]
    parts = [(labels[1:], labels[:-1], below), (labels[:, 1:], labels[:, :-1], right)]
    before = -1
    while (total := int(labels.sum())) != before:
        before = total
        for one, other, equal in parts:
            largest = np.where(equal, np.maximum(one, other), 0)
            np.maximum(one, largest, out=one)
            np.maximum(other, largest, out=other)
    return labels
