"""From the pixel values or colours of a mask to class indices."""

import numpy as np

from seunet.data.formats.picture import Picture
from seunet.data.labels import colours, values
from seunet.data.source import IGNORED
from seunet.runtime.errors import UserError


class ClassMap:
    """From the pixel values, or the colours, of a mask to class indices.

    The entries are colours if every one is a list of three numbers or a list of such lists; then masks are
    read as RGB. Otherwise they are values of one-channel masks (of palette images: the index).
    """

    def __init__(self, classes: dict[str, int | list], ignore: list):
        if not 2 <= len(classes) <= IGNORED:
            raise UserError(f"classes: {len(classes)} given; name at least 2, and at most {IGNORED}")
        entries = [*classes.values(), *ignore]
        self.colours = all(_is_colour(entry) or _is_list_of_colours(entry) for entry in entries)
        keys: dict[int, int] = {}
        for index, (name, entry) in enumerate([*classes.items(), *(("ignore", entry) for entry in ignore)]):
            for key in self._keys(name, entry):
                if key in keys:
                    raise UserError(f"classes: {self._said(key)} stands for two of them ({name!r} is one); change one")
                keys[key] = index if index < len(classes) else IGNORED
        self.known = np.array(sorted(keys))
        self.classes = np.array([keys[key] for key in self.known], dtype=np.uint8)

    def __call__(self, mask: Picture) -> np.ndarray:
        """Return the classes (H, W) uint8 of an opened mask; UserError naming a value that is in no class."""
        codes = _colour_codes(mask) if self.colours else values(mask)
        places = np.searchsorted(self.known, codes).clip(max=len(self.known) - 1)
        unknown = codes[self.known[places] != codes]
        if unknown.size:
            allowed = ", ".join(self._said(int(key)) for key in self.known[:20])
            raise UserError(
                f"{mask.name}: mask value {self._said(int(unknown[0]))} is in no class; known are {allowed}. "
                "Add it to classes or to ignore"
            )
        return self.classes[places]

    def _keys(self, name: str, entry: int | list) -> list[int]:
        if self.colours:
            colours = [entry] if _is_colour(entry) else entry
            if not all(0 <= value <= 255 for colour in colours for value in colour):
                raise UserError(f"classes.{name}: {entry} is no colour [r, g, b] of 0 to 255; change it")
            return [r << 16 | g << 8 | b for r, g, b in colours]
        listed = entry if isinstance(entry, list) else [entry]
        if not listed or not all(_is_number(value) and value >= 0 for value in listed):
            raise UserError(
                f"classes.{name}: {entry} must be a pixel value or a list of them, "
                "or (in all classes and ignore) a colour [r, g, b]"
            )
        return listed

    def _said(self, key: int) -> str:
        return str([key >> 16, key >> 8 & 255, key & 255]) if self.colours else str(key)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_colour(entry: object) -> bool:
    return isinstance(entry, list) and len(entry) == 3 and all(map(_is_number, entry))


def _is_list_of_colours(entry: object) -> bool:
    return isinstance(entry, list) and bool(entry) and all(map(_is_colour, entry))


def _colour_codes(mask: Picture) -> np.ndarray:
    rgb = colours(mask).astype(np.int64)
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
