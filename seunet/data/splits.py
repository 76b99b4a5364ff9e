"""How images are divided into training, validation and test: drawn by a seed, and cut to limits."""

import hashlib
import math
from collections.abc import Iterable, Sequence

from seunet.runtime.errors import UserError


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
