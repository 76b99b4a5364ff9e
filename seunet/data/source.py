"""What every data set looks like before it is prepared: classes, the names of each split, and a reader."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from seunet.runtime.errors import UserError

SPLITS = ("train", "val", "test")
IGNORED = 255  # mask value of pixels that count neither in the loss nor in a score

# (name, image (H, W, C) uint8, mask (H, W) uint8: class index or IGNORED)
Sample = tuple[str, np.ndarray, np.ndarray]


@dataclass
class Source:
    """A data set that can be read split by split.

    - `classes`: names; the index is the class's value in a mask.
    - `channels`: 1 (grey) or 3 (RGB).
    - `height`, `width`: size in pixels of every image and mask that `read` yields.
    - `splits`: names of the samples that are kept, for "train", "val" and "test".
    - `read(split)`: yields each sample of `splits[split]` exactly once, in any order. An image that cannot
      be read raises UserError; one that is left out on purpose is named in `dropped` and not in `splits`.
    - `rendered(height, width)`: the test split in the order of `splits["test"]`, drawn anew at another size;
      None for sources that cannot. Its test images are otherwise resampled by the evaluation.
    """

    classes: Sequence[str]
    channels: int
    height: int
    width: int
    splits: dict[str, Sequence[str]]
    read: Callable[[str], Iterable[Sample]]
    rendered: Callable[[int, int], Iterator[Sample]] | None = None
    dropped: list[dict[str, str]] = field(default_factory=list)


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """Return the names in an order drawn by `seed`: that of the sha256 of "seed:name".

    The order of any two names depends on nothing else. So it is the same on every machine and version, a new
    image moves few others between splits, and a small limit draws a part of what a larger one draws.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def limited(names: Sequence[str], limit: int | None, seed: int) -> list[str]:
    """Return at most `limit` of `names`, drawn at random by `seed` and kept in their order; all if None."""
    kept = set(shuffled(names, seed)[:limit])
    return [name for name in names if name in kept]


def random_split(names: Iterable[str], shares: dict[str, float], seed: int) -> dict[str, list[str]]:
    """Return {split: sorted names}: the names shuffled by `seed` and cut by `shares`, which sum to 1.

    Lists on disk are sorted by breed, site or date, so they are never cut in their order.
    """
    if any(share < 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise UserError(f"split: {shares} must be shares of at least 0 that sum to 1; change them")
    order = shuffled(names, seed)
    splits, start, total = {}, 0, 0.0
    for split, share in shares.items():
        total += share
        end = round(total * len(order))
        splits[split], start = sorted(order[start:end]), end
    return splits


def apply_limits(splits: dict[str, Sequence[str]], settings: dict) -> dict[str, list[str]]:
    """Return the splits after the `limit` of a data set's `settings`: before anything is decoded."""
    limits = settings.get("limit") or {}
    seed = settings.get("seed", 0)
    return {split: limited(names, limits.get(split), seed) for split, names in splits.items()}
