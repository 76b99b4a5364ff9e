"""The class map of an image from its mask files: one, one per object, or one per class; palettes must agree."""

from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np

from seunet.data.file_matching import Layer
from seunet.data.formats.picture import Picture
from seunet.data.images import open_image, read_file
from seunet.data.labels import values
from seunet.data.masks import BACKGROUND, ClassMap, classes_of
from seunet.data.source import IGNORED
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation


class MaskReader:
    """Reads the masks of a data set of source folder, and counts what it must decide."""

    def __init__(self, settings: Preparation):
        self.channel = settings.mask_channel
        self.classes = classes_of(settings)
        self.per_class = isinstance(settings.masks, Mapping)
        # per class: any value but 0 and the ignored ones is the class
        classes = {BACKGROUND: 0, "nonzero": "object"} if self.per_class else settings.classes or {}
        self.to_class = ClassMap(classes, settings.ignore, self.channel)
        self.colours: dict[tuple[int, ...], tuple[int, str]] = {}
        self.colour_of: dict[int, tuple[tuple[int, ...], str]] = {}
        self.covered = self.seen = 0

    def __call__(self, layers: Sequence[Layer]) -> np.ndarray:
        """Return the classes (H, W) uint8 of an image's mask files; UserError where they do not say one thing."""
        if self.per_class:
            return self._stacked(layers)
        pictures = [open_image(read_file(path), str(path)) for _, path in layers]
        maps = [self._read(picture) for picture in pictures]
        return maps[0] if len(maps) == 1 else merged(maps, [picture.name for picture in pictures])

    def report(self) -> list[str]:
        """Return a line about pixels that are in the files of two classes, since the last report; or none."""
        covered, seen, self.covered, self.seen = self.covered, self.seen, 0, 0
        line = f"{covered:,} pixels ({covered / max(1, seen):.2%}) lie in the masks of two classes: the later one in "
        return [line + "`masks` has them"] * bool(covered)

    def _read(self, picture: Picture) -> np.ndarray:
        """Return the classes of one file whose values or colours say them."""
        classes = self.to_class(picture)
        if picture.palette is not None and picture.format != "GIF" and not self.to_class.colours:
            self._check_palette(picture, classes)
        return classes

    def _stacked(self, layers: Sequence[Layer]) -> np.ndarray:
        """Return the classes of an image with one file, or several, for each class: a later class covers others."""
        found: np.ndarray | None = None
        background = self.classes.index(BACKGROUND)
        for name in self.classes:
            parts = [self.to_class(open_image(read_file(path), str(path))) for of, path in layers if of == name]
            for part in parts:
                if found is None:
                    found = np.full(part.shape, background, np.uint8)
                    self.seen += found.size
                if part.shape != found.shape:
                    raise UserError(f"{layers[0][1]}: the masks of its image's classes have several sizes; mend them")
                inside, index = part == 1, np.uint8(self.classes.index(name))
                self.covered += int((inside & (found != background) & (found != index) & (found != IGNORED)).sum())
                found = np.where(part == IGNORED, np.uint8(IGNORED), np.where(inside, index, found))
        assert found is not None  # an image without any mask file has been refused or left out
        return found

    def _check_palette(self, picture: Picture, classes: np.ndarray) -> None:
        """Raise UserError if a colour is of another class than in an earlier file: then numbers say nothing.

        So too if a class that is one number is of another colour.
        """
        if picture.palette is None:
            return
        indices, first = np.unique(values(picture), return_index=True)
        own: dict[tuple[int, ...], set[int]] = {}
        for index, place in zip(indices.tolist(), first.tolist(), strict=True):
            if index < len(picture.palette):
                own.setdefault(tuple(picture.palette[index].tolist()), set()).add(int(classes.flat[place]))
        for colour, found in own.items():
            if len(found) > 1:  # numbers that look alike: colours say nothing here
                continue
            (index,) = found
            before, name = self.colours.setdefault(colour, (index, picture.name))
            if before != index:
                self._refuse_palette(picture, colour, index, f"{name} {self._called(before)}")
            if index in self.to_class.of_one_value:
                other, name = self.colour_of.setdefault(index, (colour, picture.name))
                if other != colour:
                    self._refuse_palette(picture, colour, index, f"{name} that class is {list(other)}")

    def _refuse_palette(self, picture: Picture, colour: tuple[int, ...], index: int, before: str) -> NoReturn:
        raise UserError(
            f"{picture.name}: colour {list(colour)} of its palette is {self._called(index)}, but in {before}: the "
            "palettes number colours differently; give classes (and ignore) as colours [r, g, b], or save the masks "
            "without palettes if the numbers count"
        )

    def _called(self, index: int) -> str:
        return "ignored" if index == IGNORED else f"class {self.classes[index]}"


def merged(maps: Sequence[np.ndarray], names: Sequence[str]) -> np.ndarray:
    """Return one class map of several that hold an object each; UserError where two objects of a pixel differ in class.

    Class 0 is where no file has another class.
    """
    found = maps[0]
    for part, name in zip(maps[1:], names[1:], strict=True):
        if part.shape != found.shape:
            raise UserError(f"{name}: another size than {names[0]}, which belongs to the same image; mend it")
        if ((part != 0) & (found != 0) & (part != found)).any():
            raise UserError(f"{name}: pixels that other masks of its image give to another class; mend the masks")
        found = np.maximum(found, part)
    return found
