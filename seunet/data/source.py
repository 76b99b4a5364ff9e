"""What every data set looks like before it is prepared: classes, the names of each split, and a reader."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

SPLITS = ("train", "val", "test")
IGNORED = 255  # mask value of pixels that count neither in the loss nor in a score

# (name, image (h, w, C) uint8, mask (h, w) uint8: class index or IGNORED)
Sample = tuple[str, np.ndarray, np.ndarray]


@dataclass
class Source:
    """A data set that can be read split by split.

    - `classes`: names; the index is the class's value in a mask.
    - `channels`: 1 (grey), 3 (RGB) or another number.
    - `splits`: names of the samples that are kept, for "train", "val" and "test".
    - `read(split)`: yields each sample of `splits[split]` exactly once, in any order, an image and its mask at the
      size that they are stored at. An image that cannot be read raises UserError; one that is left out on purpose
      is named in `dropped` and not in `splits`.
    - `rendered(height, width)`: the test split in the order of `splits["test"]`, drawn anew at another size;
      None for sources that cannot. Its test images are otherwise resampled by the evaluation.
    """

    classes: Sequence[str]
    channels: int
    splits: Mapping[str, Sequence[str]]
    read: Callable[[str], Iterable[Sample]]
    rendered: Callable[[int, int], Iterator[Sample]] | None = None
    dropped: list[dict[str, str]] = field(default_factory=list)


def without_training(source: Source) -> Source:
    """Return a source with its test split alone, for networks that are trained on another data set."""

    def read(split: str) -> Iterable[Sample]:
        return source.read(split) if split == "test" else ()

    return replace(source, splits={"train": [], "val": [], "test": source.splits["test"]}, read=read)


def all_tested(source: Source) -> Source:
    """Return a source whose test split has the samples of all its splits."""
    names = [name for split in SPLITS for name in source.splits[split]]

    def read(split: str) -> Iterator[Sample]:
        return chain.from_iterable(source.read(part) for part in SPLITS if split == "test")

    return replace(source, splits={"train": [], "val": [], "test": names}, read=read, rendered=None)
