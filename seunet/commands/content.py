"""What images and masks hold: sizes, channels, depths, and whether the values of masks are classes or instances."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from seunet.data.images import channels_of, open_image, read_file
from seunet.data.labels import colours, values
from seunet.runtime.errors import UserError

MOST_IMAGES, MOST_MASKS = 200, 300  # that are read; of more, an even choice
MOST_CLASSES = 30  # more values than these are taken for instances
WINDOWS = (255, 1023, 4095, 16383, 65535)  # largest values of 8, 10, 12, 14 and 16 bits
Classes = dict[str, int | str | list[int]]  # as in a configuration: {name: value or colour}, {"nonzero": name}
T = TypeVar("T")


@dataclass
class Content:
    """sizes: (height, width) of the images. classes, ignore: as in the configuration. notes: key → reason."""

    sizes: list[tuple[int, int]]
    channels: list[int]
    value_range: list[float] | None
    classes: Classes
    ignore: list[int]
    instances: bool
    notes: dict[str, str] = field(default_factory=dict)


def look(pairs: Sequence[tuple[Path, Path]]) -> Content:
    """Return what the images and masks of pairs hold; UserError for a file that cannot be read."""
    notes: dict[str, str] = {}
    sizes, channels, value_range = look_at_images(chosen([image for image, _ in pairs], MOST_IMAGES), notes)
    masks = chosen([mask for _, mask in pairs], MOST_MASKS)
    classes, ignore, instances = look_at_masks(masks, notes)
    if len(masks) < len(pairs):
        notes["classes"] += f" ({len(masks)} of {len(pairs)} masks were read)"
    return Content(sizes, channels, value_range, classes, ignore, instances, notes)


def chosen(files: Sequence[T], most: int) -> list[T]:
    """Return at most so many of the files, evenly spaced."""
    places = np.unique(np.linspace(0, len(files) - 1, most).round().astype(int))
    return [files[i] for i in places]


def look_at_images(
    files: Sequence[Path], notes: dict[str, str]
) -> tuple[list[tuple[int, int]], list[int], list[float] | None]:
    """Return sizes, numbers of channels, and the values of black and white where images have more than 8 bits."""
    pictures = [open_image(read_file(file), str(file)) for file in files]
    sizes = [picture.size[::-1] for picture in pictures]
    deep = [picture for picture in pictures if not picture.has_bytes()]
    value_range = None
    if deep:
        stored = [picture.stored() for picture in chosen(deep, 30)]
        low, high = min(float(x.min()) for x in stored), max(float(x.max()) for x in stored)
        if deep[0].kind == "f":
            value_range = [low, high if high > low else low + 1]
        else:
            value_range = [min(0, int(low)), next((w for w in WINDOWS if high <= w), int(high))]
        notes["value_range"] = (
            f"{deep[0].depth_name} images with values {low:g} to {high:g}: these become black and white"
        )
    channels = [channels_of(picture, bool(deep)) for picture in pictures]
    return sizes, channels, value_range


def look_at_masks(files: Sequence[Path], notes: dict[str, str]) -> tuple[Classes, list[int], bool]:
    """Return classes and ignored values as in the configuration, and whether values are instances."""
    sets, coloured, crumbs = [], False, []
    for file in files:
        picture = open_image(read_file(file), str(file))
        try:
            found, counts = np.unique(values(picture), return_counts=True)
            sets.append(set(found.tolist()))
            crumbs.append(counts.min())
        except UserError:
            if picture.lossy or not picture.has_bytes():
                raise
            coloured = True
            break
    if coloured:
        return colour_classes(files, notes)
    every = sorted(set().union(*sets))
    if is_instances(sets):
        most = max(len(found - {0}) for found in sets)
        notes["classes"] = f"up to {most} values in a mask, numbered on: instances, all of one class"
        return {"background": 0, "nonzero": "object"}, [], True
    if len(every) > MOST_CLASSES:
        raise UserError(
            f"{files[0].parent}: masks with {len(every)} values, {every[0]} to {every[-1]}: neither classes "
            "nor numbered instances; are these masks? Convert them"
        )
    ignore = [255] if 255 in every and len(every) > 2 and every[-2] < 250 and every[-2] == len(every) - 2 else []
    named = [value for value in every if value not in ignore]
    if len(named) < 2:
        raise UserError(f"{files[0].parent}: masks with the value {every[0]} alone; at least two classes are needed")
    notes["classes"] = f"the masks' values are {', '.join(map(str, every))}"
    if ignore:
        notes["ignore"] = "255 after classes that are numbered on is mostly what does not count; or make it a class"
    if len(named) == 2:
        return {"background": named[0], "foreground": named[1]}, ignore, False
    names = ["background" if value == 0 else f"class{value}" for value in named]
    return dict(zip(names, named, strict=True)), ignore, False


def is_instances(sets: Sequence[set[int]]) -> bool:
    """Tell whether values number objects: each mask has 0 and 1 to n, almost, and n differs from mask to mask."""
    counts = [len(found - {0}) for found in sets]
    numbered = [not (found - {0}) or max(found) <= 1.5 * len(found) for found in sets]
    mostly = bool(np.mean(numbered) > 0.8)
    return max(counts) > 2 and all(0 in found for found in sets) and mostly and len(set(counts)) > 1


def colour_classes(files: Sequence[Path], notes: dict[str, str]) -> tuple[Classes, list[int], bool]:
    """Return a class for every colour of the masks."""
    found: Counter = Counter()
    for file in files:
        shown = colours(open_image(read_file(file), str(file)))
        rgb, counts = np.unique(shown.reshape(-1, 3), axis=0, return_counts=True)
        found.update({tuple(colour): int(count) for colour, count in zip(rgb.tolist(), counts, strict=True)})
        if len(found) > MOST_CLASSES:
            raise UserError(
                f"{file}: masks of more than {MOST_CLASSES} colours; are these masks? Smoothed edges and JPEG "
                "add colours: save masks anew without"
            )
    notes["classes"] = f"masks in colour, of {len(found)} colours, the most frequent first"
    names = [
        "black" if c == (0, 0, 0) else "white" if c == (255,) * 3 else "colour_{:02x}{:02x}{:02x}".format(*c)
        for c, _ in found.most_common()
    ]
    return dict(zip(names, (list(colour) for colour, _ in found.most_common()), strict=True)), [], False
