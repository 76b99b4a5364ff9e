"""From the pixel values or colours of a mask to class indices."""

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np

from seunet.data.formats.picture import Picture
from seunet.data.labels import LARGEST, colours, values
from seunet.data.source import IGNORED
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation

BACKGROUND = "background"  # where no mask of one file per class has its class
NONZERO = "nonzero"  # every value but 0 that no other entry names
Interval = tuple[int, int]  # the first value and the last, both included


def class_names(classes: Mapping) -> list[str]:
    """Return the names of the `classes` of a data set, in their order; `nonzero: cell` is the class cell."""
    return [entry if name == NONZERO and isinstance(entry, str) else str(name) for name, entry in classes.items()]


def classes_of(settings: Preparation) -> list[str]:
    """Return the names of the classes of a data set of source folder, in their order."""
    if not isinstance(settings.masks, Mapping):
        return class_names(settings.classes or {})
    return [*([BACKGROUND] if BACKGROUND not in settings.masks else []), *settings.masks]


def mask_values(settings: Preparation) -> dict[str, Any] | None:
    """Return the keys that say what the values of masks mean; None where none does, as for one file per class."""
    if not settings.classes:
        return None
    return {"classes": settings.classes, "ignore": settings.ignore} | settings.non_defaults("mask_channel")


class ClassMap:
    """From the pixel values, or the colours, of a mask to class indices.

    Entries are values, ranges "first..last", lists of both, {values: list}, and `nonzero`: all but 0 that no other
    entry names. They are colours if every one is a list of three numbers or a list of such lists; then masks are
    read as RGB. Otherwise they are values of one-channel masks (of palette images: the index), or of one `channel` of
    masks in RGB.

    Raises UserError for an entry that is none of these, and for values that stand for two classes.
    """

    def __init__(self, classes: Mapping[str, object], ignore: list, channel: str | None = None):
        if not 2 <= len(classes) <= IGNORED:
            raise UserError(f"classes: {len(classes)} given; name at least 2, and at most {IGNORED}")
        names = class_names(classes)
        if len(set(names)) < len(names):
            raise UserError(f"classes: {names} has a name twice; change one")
        entries = [NONZERO if name == NONZERO and isinstance(e, str) else e for name, e in classes.items()]
        self.colours = all(_is_colour(entry) or _is_list_of_colours(entry) for entry in [*entries, *ignore])
        if self.colours and channel is not None:
            raise UserError("mask_channel: goes with values, and these classes are colours; remove it")
        self.channel = channel
        self.nonzero: int | None = None
        found: list[tuple[Interval, str, int]] = []
        named = list(zip(names, entries, range(len(names)), strict=True))
        for name, entry, index in [*named, *(("ignore", entry, IGNORED) for entry in ignore)]:
            if entry == NONZERO:
                if self.nonzero is not None:
                    raise UserError("classes: nonzero stands for two of them; change one")
                self.nonzero = index
            else:
                found += [(interval, name, index) for interval in self._intervals(name, entry)]
        found.sort(key=lambda entry: entry[0])
        for (before, *_), (after, name, _) in zip(found, found[1:], strict=False):
            if after[0] <= before[1]:
                raise UserError(f"classes: {self._said(after[0])} stands for two of them ({name!r} is one); change one")
        self.intervals = [interval for interval, *_ in found]
        owners = [index for (first, last), _, index in found for _ in range(min(2, last - first + 1))]
        self.of_one_value = {index for index in owners if owners.count(index) == 1} - {self.nonzero, IGNORED}
        self.first, self.last = np.array(self.intervals).T
        self.classes = np.array([index for *_, index in found], dtype=np.uint8)

    def __call__(self, mask: Picture) -> np.ndarray:
        """Return the classes (H, W) uint8 of an opened mask; UserError naming a value that is in no class."""
        codes = _colour_codes(mask) if self.colours else values(mask, self.channel)
        places = np.searchsorted(self.first, codes, side="right") - 1  # −1, below all, is the last: not known either
        known = (self.first[places] <= codes) & (codes <= self.last[places])
        classes = self.classes[places]
        if self.nonzero is not None:
            classes = np.where(known, classes, np.uint8(self.nonzero))
            known |= codes != 0
        if not known.all():
            allowed = ", ".join(map(self._said_interval, self.intervals[:20]))
            raise UserError(
                f"{mask.name}: mask value {self._said(int(codes[~known][0]))} is in no class; known are {allowed}. "
                "Add it to classes or to ignore"
            )
        return classes

    def _intervals(self, name: str, entry: object) -> list[Interval]:
        if self.colours:
            colours = entry if _is_list_of_colours(entry) else [entry] if _is_colour(entry) else []
            if not all(0 <= value <= 255 for colour in colours for value in colour):
                raise UserError(f"classes.{name}: {entry} is no colour [r, g, b] of 0 to 255; change it")
            return [(r << 16 | g << 8 | b,) * 2 for r, g, b in colours]
        listed = entry["values"] if isinstance(entry, dict) and list(entry) == ["values"] else entry
        listed = listed if isinstance(listed, list) else [listed]
        intervals = [interval for value in listed if (interval := _interval(value))]
        if not listed or len(intervals) < len(listed):
            raise UserError(
                f'classes.{name}: {entry} must be a pixel value, a range such as "1..255", a list of them, nonzero, '
                "or (in all classes and ignore) a colour [r, g, b]"
            )
        return intervals

    def _said(self, key: int) -> str:
        return str([key >> 16, key >> 8 & 255, key & 255]) if self.colours else str(key)

    def _said_interval(self, interval: Interval) -> str:
        first, last = interval
        return self._said(first) if first == last else f"{first}..{last}"


def _interval(value: object) -> Interval | None:
    if _is_number(value) and 0 <= value <= LARGEST:
        return value, value
    match = re.fullmatch(r"(\d{1,10})\.\.(\d{1,10})", value) if isinstance(value, str) else None
    return (int(match[1]), int(match[2])) if match and int(match[1]) <= int(match[2]) else None


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_colour(entry: object) -> TypeGuard[list[int]]:
    return isinstance(entry, list) and len(entry) == 3 and all(map(_is_number, entry))


def _is_list_of_colours(entry: object) -> TypeGuard[list[list[int]]]:
    return isinstance(entry, list) and bool(entry) and all(map(_is_colour, entry))


def _colour_codes(mask: Picture) -> np.ndarray:
    rgb = colours(mask).astype(np.int64)
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
