"""A few of many images."""

import numpy as np


def evenly_spaced(count: int, most: int) -> list[int]:
    """Return the indices of at most so many of `count` images, in order, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()
