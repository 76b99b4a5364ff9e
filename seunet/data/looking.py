"""A look at a folder of images and masks that nobody described: their sizes, and which values stand for which class."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from seunet.data.images import open_image, read_file
from seunet.data.labels import values
from seunet.runtime.errors import UserError

MOST = 32  # values that are taken for classes; more are instances, or no masks at all


def one_size(images: Iterable[Path]) -> tuple[int, int]:
    """Return height and width of the images; raise UserError where they differ."""
    sizes: dict[tuple[int, int], Path] = {}
    for path in images:
        picture = open_image(read_file(path), str(path))
        sizes.setdefault((picture.height, picture.width), path)
    if len(sizes) > 1:
        (first, path), (other, other_path), *_ = sizes.items()
        raise UserError(
            f"{other_path}: {other[0]}x{other[1]} pixels (height x width), but {path} has {first[0]}x{first[1]}; say "
            "at which size the network is to see them (--image-size)"
        )
    return next(iter(sizes))


def guess_classes(masks: Iterable[Path], names: Sequence[str] | None) -> dict[str, int]:
    """Return {class: value of the masks}, guessed from all masks: classes are numbered in the order of the values.

    names: of the classes that the network was trained on, or None. Where it has more of them than there are values,
    the values must be numbers of classes. Raises UserError where nothing can be guessed.
    """
    found: set[int] = set()
    for path in masks:
        found |= set(np.unique(values(open_image(read_file(path), str(path)))).tolist())
        if len(found) > MOST:
            raise UserError(f"{path}: the masks hold more than {MOST} values; say what they mean (--classes)")
    order = sorted(found)
    if names is None:
        names = [f"class{value}" for value in order]
    if len(names) == len(order):
        return dict(zip(names, order, strict=True))
    if found <= set(range(len(names))):
        return {name: index for index, name in enumerate(names)}
    raise UserError(
        f"the masks hold the values {', '.join(map(str, order))}, but the network knows the classes "
        f"{', '.join(names)}; say which value is which (--classes)"
    )
