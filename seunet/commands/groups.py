"""The image files below a folder, grouped by the kind of folder that they lie in."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from seunet.runtime.errors import UserError
from seunet.runtime.files import folders_below

SUFFIXES = (".png", ".tif", ".tiff", ".gif", ".jpg", ".jpeg")
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}


@dataclass(frozen=True)
class Group:
    """Files that lie in folders of one kind: `place`, such as "images", below {folder}/ where `split` is True."""

    place: str
    split: bool
    files: dict[tuple[str, str], Path] = field(default_factory=dict, hash=False)  # (folder, name): file

    def pattern(self, start: str, end: str, folder: str = "{folder}") -> str:
        """Return the pattern of the files whose names begin and end so."""
        parts = ([folder] if self.split else []) + ([self.place] if self.place else []) + [f"{start}{{name}}{end}.*"]
        return "/".join(parts)


def walk(folder: Path) -> Iterator[Path]:
    """Yield the image files below a folder, without hidden ones."""
    if not folder.is_dir():
        raise UserError(f"{folder}: {'is a file' if folder.exists() else 'no such folder'}; name a folder of images")
    for parent, folders, names in folders_below(folder):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__MACOSX")))
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(parent, name)


def grouped(root: Path, files: Iterable[Path]) -> list[Group]:
    """Return the files by the folder that they lie in; the folders of splits, and of sites, do not tell them apart."""
    places = [PurePosixPath(file.relative_to(root).as_posix()) for file in files]
    outer = outer_folders(places)
    groups: dict[tuple[str, bool], Group] = {}
    for place in places:
        parts = list(place.parent.parts)
        folder = parts.pop(0) if parts and parts[0] in outer else ""
        kind = parts.pop(0) if parts else ""
        group = groups.setdefault((kind, bool(folder)), Group(kind, bool(folder)))
        group.files[folder, "/".join([*parts, place.stem])] = root / place
    return list(groups.values())


def outer_folders(places: list[PurePosixPath]) -> set[str]:
    """Return the first folders that divide images and masks alike: splits, or sites with the same folders inside."""
    inside = defaultdict(set)
    for place in places:
        if len(place.parts) > 1:
            inside[place.parts[0]].add(place.parts[1] if len(place.parts) > 2 else "")
    splits = {name for name in inside if name.lower() in SPLIT_OF}
    alike = (
        len(inside) > 1
        and len({frozenset(s) for s in inside.values()}) == 1
        and all(len(s) > 1 for s in inside.values())
    )
    return set(inside) if alike else splits
