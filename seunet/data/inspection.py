"""A look at a folder of images and masks that nobody described: their sizes, and which values stand for which class."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seunet.data.images import open_image, read_file
from seunet.data.labels import values
from seunet.data.masks import ClassMap
from seunet.runtime.errors import UserError

MOST = 32  # values that are taken for classes; more are instances, or no masks at all
VOID = (255, 65535)  # what masks of 8 and 16 bits hold where nobody labelled
SMALL = 40  # numbers of classes are smaller, or stand close together


def common_size(images: Iterable[Path]) -> tuple[int, int]:
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


def guess_classes(
    masks: Iterable[Path], names: Sequence[str] | None, ignore: Collection[int] = (), count: int | None = None
) -> tuple[dict[str, int], list[int]]:
    """Return {class: value of the masks} and the values that do not count, guessed from all masks.

    Values are the numbers of the classes. Two classes may be 0 and 255. All else has to be given: that there are as
    many values as classes says nothing.

    names: of the classes that the network was trained on, or None; count: how many it has, or None where nobody knows.
    ignore: values that do not count, if the user said so. Raises UserError where nothing can be guessed.
    """
    found = values_of(masks) - set(ignore)
    order, void = (sorted(found), []) if ignore else split_void(found)
    if order == [0, 255] and (names is None or len(names) == 2):
        return dict(zip(names or ["class0", "class255"], order, strict=True)), list(ignore)
    count = count if names is None else len(names)
    if count is None and are_class_numbers(order):
        count = max(order, default=-1) + 1
    if order and set(order) <= set(range(count or 0)):
        return {name: i for i, name in enumerate(names or map("class{}".format, range(count or 0)))}, [*ignore, *void]
    knows = f", but the network has {count} classes" if count else ""
    knows = f", but the network knows the classes {', '.join(names)}" if names else knows
    raise UserError(
        f"the masks hold the values {', '.join(map(str, sorted(found)))}{knows}; say which value is which (--classes)"
    )


def classes_in(
    masks: Iterable[Path], classes: Mapping[str, Any], ignore: Sequence[Any], mask_channel: str | None = None
) -> set[int] | None:
    """Return the classes, and IGNORED, that masks hold by these keys of a configuration.

    None where they do not say what every pixel is.
    """
    to_class = ClassMap(classes, list(ignore), mask_channel)
    try:
        return set().union(*(np.unique(to_class(open_image(read_file(path), str(path)))).tolist() for path in masks))
    except UserError:
        return None


def values_of(masks: Iterable[Path]) -> set[int]:
    """Return the values of masks; UserError for more than MOST."""
    found: set[int] = set()
    for path in masks:
        found |= set(np.unique(values(open_image(read_file(path), str(path)))).tolist())
        if len(found) > MOST:
            raise UserError(f"{path}: the masks hold more than {MOST} values; say what they mean (--classes)")
    return found


def split_void(found: Iterable[int]) -> tuple[list[int], list[int]]:
    """Return the values of masks that stand for classes, and those that do not count, both sorted.

    255, and 65535 in masks of 16 bits, does not count if the others are two or more numbers of classes: beside 0, 1, …
    of the same masks it is what nobody labelled. 0 and 255 are two classes, and 0, 128, 255 levels of grey.
    """
    order = sorted(found)
    for void in VOID:
        if order[-1:] == [void] and len(order) > 2 and are_class_numbers(order[:-1]):
            return order[:-1], [void]
    return order, []


def are_class_numbers(order: Sequence[int]) -> bool:
    """Tell whether values, sorted, look like numbers of classes: small, or with few gaps between them."""
    return not order or order[0] >= 0 and order[-1] < max(SMALL, 4 * len(order))
