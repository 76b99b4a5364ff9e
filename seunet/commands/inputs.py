"""The images that a command is given: files, and folders with all below them, but for what our commands wrote."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from seunet.data.file_matching import SUFFIXES
from seunet.data.marks import mark_of
from seunet.runtime.errors import UserError
from seunet.runtime.files import folders_below
from seunet.runtime.wording import be, counted


@dataclass(frozen=True)
class Input:
    """An image file, and its name below the folder that was given: answers have the same below the output."""

    path: Path
    name: Path


def find_images(paths: Iterable[Path], output: Path) -> list[Input]:
    """Return the images of files and folders, each file once; what lies in `output` is left out of folders.

    Files that our commands wrote are passed over, with a line that counts them. Raises UserError for a path that is not
    there, for a folder without images, and where nothing but such files is left.
    """
    found: dict[Path, Input] = {}
    for path in paths:
        if path.is_dir():
            images = [Input(file, file.relative_to(path)) for file in images_below(path, output)]
            if not images:
                raise UserError(f"{path}: no image in this folder ({', '.join(s[1:] for s in SUFFIXES)})")
        elif path.exists():
            images = [Input(path, Path(path.name))]
        else:
            reason = "a link to nothing" if path.is_symlink() else "no such file or folder"
            raise UserError(f"{path}: {reason}; name images, or folders of images")
        for image in images:
            found.setdefault(image.path.resolve(), image)
    return without_ours(list(found.values()))


def without_ours(found: list[Input]) -> list[Input]:
    """Return the images that our commands did not write, and say how many they did."""
    ours = [image.path for image in found if mark_of(image.path)]
    if len(ours) == len(found):
        raise UserError(
            f"{ours[0]}: written by seunet, as all images are that were given ({len(ours)}); name photographs"
        )
    if ours:
        passed = f"{counted(len(ours), 'file')} that seunet wrote {be(len(ours))} passed over"
        typer.echo(f"{passed}, such as {ours[0]}", err=True)
    written = set(ours)
    return [image for image in found if image.path not in written]


def images_below(folder: Path, output: Path) -> Iterator[Path]:
    """Yield the image files below a folder, sorted; not those that are hidden, or in the folder of the answers."""
    for parent, folders, files in folders_below(folder):
        here = Path(parent)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not is_same(here / f, output))
        for file in sorted(files):
            if Path(file).suffix.lower() in SUFFIXES and not file.startswith("."):
                yield here / file


def is_same(first: Path, second: Path) -> bool:
    """Tell whether two paths are the same file or folder, by whatever name."""
    return first.exists() and second.exists() and first.samefile(second)
