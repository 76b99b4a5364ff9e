"""What images and masks hold: sizes, channels, depths, and whether the values of masks are classes or instances."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from seunet.commands.guessing.appearance import some
from seunet.commands.guessing.class_files import Table, best_names
from seunet.commands.guessing.instances import are_numbered, in_pieces
from seunet.commands.guessing.ranges import guess_range
from seunet.data.formats.picture import Picture
from seunet.data.images import channels_of, open_image, read_file
from seunet.data.inspection import split_void
from seunet.data.labels import colours, values
from seunet.runtime.errors import UserError

MOST_IMAGES, MOST_MASKS = 200, 400  # that are read; of more, an even choice
MOST_LOOKED_AT = 40  # for the regions in which their values lie
MOST_CLASSES = 40  # more values than these are taken for instances
NEAR = 32  # a value is nearly black or white
Classes = dict[str, int | str | list[int]]  # as in a configuration: {name: value or colour}, {"nonzero": name}


@dataclass
class PixelContent:
    """sizes: (height, width) of the images. classes, ignore, …: as in the configuration. notes: key → reason."""

    sizes: list[tuple[int, int]]
    channels: list[int]
    value_range: list[float] | None
    classes: Classes
    ignore: list
    instances: bool
    mask_channel: str | None = None
    notes: dict[str, str] = field(default_factory=dict)


def inspect_pixels(
    images: Sequence[Path], masks: Sequence[Path], kind: str = "values", tables: Sequence[tuple[str, Table]] = ()
) -> PixelContent:
    """Return what images and masks hold; UserError for a file that cannot be read.

    kind: of the masks, see `appearance.kind_of_masks`. tables: (file, {value or colour: name}) that may name the
    classes.
    """
    notes: dict[str, str] = {}
    sizes, channels, value_range = inspect_images(some(images, MOST_IMAGES), notes)
    read = some(masks, MOST_MASKS)
    found = colour_classes(read, notes) if kind == "colours" else inspect_masks(read, notes, kind)
    classes, ignore, instances = found or colour_classes(read, notes)
    if not instances:
        classes, ignore = renamed(classes, ignore, tables, notes)
    if len(read) < len(masks):
        notes["classes"] += f" ({len(read)} of {len(masks)} masks were read)"
    content = PixelContent(sizes, channels, value_range, classes, ignore, instances, None, notes)
    if kind not in ("values", "colours"):
        content.mask_channel = kind
        notes["mask_channel"] = f"masks in RGB, whose numbers are all in {kind}"
    return content


def inspect_images(
    files: Sequence[Path], notes: dict[str, str]
) -> tuple[list[tuple[int, int]], list[int], list[float] | None]:
    """Return sizes, numbers of channels, and the values of black and white where images have more than 8 bits."""
    pictures = [open_image(read_file(file), str(file)) for file in files]
    sizes = [picture.size[::-1] for picture in pictures]
    deep = [picture for picture in pictures if not picture.has_bytes()]
    value_range = None
    if deep:
        value_range, notes["value_range"] = guess_range(some(deep, 30))
    channels = [channels_of(picture, bool(deep)) for picture in pictures]
    return sizes, channels, value_range


def inspect_masks(files: Sequence[Path], notes: dict[str, str], kind: str) -> tuple[Classes, list, bool] | None:
    """Return classes and ignored values as in the configuration, and whether values are instances.

    None where palettes give a colour other numbers in other files: then colours say the classes.
    """
    sets, palettes, inverted, one_bit = [], Palettes(), False, False
    rim: Counter = Counter()
    pixels: Counter = Counter()
    channel = None if kind in ("values", "colours") else kind
    for file in files:
        picture = open_image(read_file(file), str(file))
        stored = values(picture, channel)
        pixels.update(dict(zip(*map(np.ndarray.tolist, np.unique(stored, return_counts=True)), strict=True)))
        sets.append(set(np.unique(stored).tolist()))
        inverted, one_bit = inverted or picture.white_is_zero, one_bit or picture.bits == 1
        palettes.add(picture, stored)
        rim.update(np.concatenate([stored[0], stored[-1], stored[:, 0], stored[:, -1]]).tolist())
    every = sorted(set().union(*sets))
    if are_numbered(sets) and not in_pieces(
        values(open_image(read_file(file), str(file)), channel) for file in some(files, MOST_LOOKED_AT)
    ):
        most = max(len(found - {0}) for found in sets)
        notes["classes"] = f"up to {most} values in a mask, numbered on: instances, all of one class"
        return {"background": 0, "nonzero": "object"}, [], True
    if palettes.disagree:
        return None
    if is_blurred(pixels):
        raise blurred(files[0].parent, len(every))
    if len(every) > MOST_CLASSES and 0 in every:
        notes["classes"] = f"{len(every)} values, {every[0]} to {every[-1]}: taken for objects, all of one class"
        return {"background": 0, "nonzero": "object"}, [], True
    if len(every) > MOST_CLASSES:
        raise UserError(
            f"{files[0].parent}: masks with {len(every)} values, {every[0]} to {every[-1]}: neither classes "
            "nor numbered instances; are these masks? Convert them"
        )
    named, ignore = split_void(every)
    if len(named) < 2:
        raise UserError(f"{files[0].parent}: masks with the value {every[0]} alone; at least two classes are needed")
    notes["classes"] = f"the masks' values are {', '.join(map(str, every))}"
    if ignore:
        notes["ignore"] = f"{ignore[0]} beside numbers of classes is mostly what does not count; or make it a class"
    if inverted:
        notes["classes"] += (
            "; the files store white as zero (TIFF tag 262), and the stored values are what counts: "
            + ("white is 0" if one_bit else "programs may show them inverted")
        )
    low, high = reversed(named[:2]) if inverted and one_bit else named[:2]
    if max(named, key=rim.__getitem__) == low and len(named) == 2:
        return {"background": low, "foreground": high}, ignore, False
    # the borders of masks of one kind of object are nearly always background; else nobody knows what is
    is_background = low == 0 and (max(named, key=rim.__getitem__) == 0 or named[-1] == len(named) - 1)
    if not is_background:
        notes["classes"] += "; which of them is the background, if any, is not clear"
    names = ["background" if value == 0 and is_background else f"class{value}" for value in named]
    return dict(zip(names, named, strict=True)), ignore, False


def is_blurred(pixels: Counter) -> bool:
    """Tell whether values, with their numbers of pixels, are black and white and what a compression makes of them."""
    black, white = ([value for value in pixels if abs(value - end) <= NEAR] for end in (0, 255))
    between = sum(pixels[value] for value in set(pixels).difference(black, white))
    several = len(white) > 2 and len(pixels) > 5 and min(pixels) >= 0 and max(pixels) <= 255
    return several and max(pixels[value] for value in white) > between


def blurred(folder: Path, values: int) -> UserError:
    """Return the error for masks with black, white, and values between."""
    return UserError(
        f"{folder}: masks in black and white, but of {values} values, as JPEG and smoothing leave them: save them anew "
        "as 0 and 255 alone (ImageMagick: mogrify -threshold 50% *.png)"
    )


class Palettes:
    """Whether a colour has the same numbers in the palettes of all masks, and a number the same colour.

    GIFs are read by grey values.
    """

    def __init__(self) -> None:
        self.numbers: dict[tuple[int, ...], set[int]] = {}
        self.colours: dict[int, tuple[int, ...]] = {}
        self.disagree = False

    def add(self, picture: Picture, stored: np.ndarray) -> None:
        """Look at another mask."""
        if picture.palette is None or picture.format == "GIF":
            return
        own: dict[tuple[int, ...], set[int]] = {}
        for index in np.unique(stored).tolist():
            if index < len(picture.palette):
                own.setdefault(tuple(picture.palette[index].tolist()), set()).add(index)
        for colour, found in own.items():
            self.disagree |= not (self.numbers.setdefault(colour, found) & found)
            self.disagree |= any(self.colours.setdefault(index, colour) != colour for index in found)


def colour_classes(files: Sequence[Path], notes: dict[str, str]) -> tuple[Classes, list, bool]:
    """Return a class for every colour of the masks."""
    found: Counter = Counter()
    for file in files:
        shown = colours(open_image(read_file(file), str(file)))
        rgb, counts = np.unique(shown.reshape(-1, 3), axis=0, return_counts=True)
        found.update({tuple(colour): int(count) for colour, count in zip(rgb.tolist(), counts, strict=True)})
        if len(found) > 255:
            raise UserError(
                f"{file}: masks of more than 255 colours; are these masks? Smoothed edges and JPEG "
                "add colours: save masks anew without"
            )
    greys: Counter = Counter()
    for colour, count in found.items():
        greys[round(sum(colour) / 3) if max(colour) - min(colour) <= NEAR else -1] += count
    if is_blurred(greys):
        raise blurred(files[0].parent, len(found))
    if len(found) < 2:
        raise UserError(f"{files[0].parent}: masks of one colour alone; at least two classes are needed")
    notes["classes"] = f"masks in colour, of {len(found)} colours, the most frequent first"
    names = [
        "black" if c == (0, 0, 0) else "white" if c == (255,) * 3 else "colour_{:02x}{:02x}{:02x}".format(*c)
        for c, _ in found.most_common()
    ]
    return dict(zip(names, (list(colour) for colour, _ in found.most_common()), strict=True)), [], False


def renamed(
    classes: Classes, ignore: list, tables: Sequence[tuple[str, Table]], notes: dict[str, str]
) -> tuple[Classes, list]:
    """Return classes with the names that a file gives their values or colours, those that no mask holds too."""
    keys = [tuple(value) if isinstance(value, list) else value for value in classes.values()]
    named = best_names(tables, keys)  # type: ignore[arg-type]
    if named is None:
        return classes, ignore
    file, table = named
    first = [key for key in table if key not in ignore][:254]
    notes["classes"] += f"; names from {file}"
    return {table[key]: list(key) if isinstance(key, tuple) else key for key in first}, ignore
