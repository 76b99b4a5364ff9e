"""Names of images that an entry of `split` or `exclude` stands for: a folder, a wildcard, a list, a file of names."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from seunet.runtime.errors import UserError


def is_names_file(entry: object) -> bool:
    """Tell whether an entry is a file of names: a text that is no folder and has no wildcard."""
    return isinstance(entry, str) and not entry.endswith("/") and "*" not in entry


def select_names(entry: str, names: Iterable[str]) -> list[str]:
    """Return the names in a folder ("train/"), that a wildcard takes ("train_*": any characters), or the one itself."""
    if "*" in entry:
        return [name for name in names if fnmatchcase(name, re.sub(r"([?[])", r"[\1]", entry))]
    return [name for name in names if (name.startswith(entry) if entry.endswith("/") else name == entry)]


def names_of_entry(
    key: str,
    entry: str | list[str],
    names: Sequence[str],
    root: Path,
    files: Mapping[str, Path],
    left_out: Collection[str],
) -> list[str]:
    """Return the images, of `names`, that an entry of `split` stands for, sorted.

    A line of a file of names may hold more columns and folders than the name, or be a folder: see `NameIndex`. `files`:
    {name: file}, if known. Names of `left_out` are passed over.
    """
    if isinstance(entry, str) and not is_names_file(entry):
        found = select_names(entry, names)
        if not found:
            folders = sorted({f"{PurePosixPath(name).parts[0]}/" for name in names if "/" in name})
            raise UserError(
                f"split.{key}: no image has a name {'like' if '*' in entry else 'that begins with'} {entry!r}; "
                f"there are the folders {', '.join(folders[:10]) or '(none)'}"
            )
        return found
    from_file = isinstance(entry, str)
    listed = read_list(f"split.{key}", root / entry) if isinstance(entry, str) else entry
    index = NameIndex(names, files if from_file else {})
    others = NameIndex(left_out, {}) if from_file else None
    chosen: set[str] = set()
    for i, line in enumerate(listed):
        found = index.all_of(line) if from_file else [name for name in [index.exact(line)] if name]
        if not found:
            if (others and others.all_of(line)) or (i == 0 and is_table(entry)):
                continue
            raise unknown_name(key, line, names)
        if not chosen.isdisjoint(found):
            raise UserError(f"split.{key}: {line!r} stands there twice; name each image once")
        chosen.update(found)
    return sorted(chosen)


def is_table(entry: object) -> bool:
    """Tell whether a list may begin with the names of its columns."""
    return str(entry).lower().endswith(".csv")


class NameIndex:
    """Names of images, to be found by the lines of lists: as they are, with a suffix, a path, or more columns."""

    def __init__(self, names: Iterable[str], files: Mapping[str, Path]):
        self.names = set(names)
        self.by_last: dict[str, set[str]] = defaultdict(set)
        self.by_folder: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            for folder in PurePosixPath(name).parents:
                self.by_folder[str(folder)].append(name)
            self.by_last[PurePosixPath(name).name].add(name)
            if name in files:
                self.by_last[files[name].stem].add(name)

    def exact(self, line: str) -> str | None:
        """Return the name that a line is, with a suffix or without."""
        return next((name for name in (line, without_suffix(line)) if name in self.names), None)

    def all_of(self, line: str) -> list[str]:
        """Return the images that a line means: one, or all of a folder."""
        name = self.find(line)
        return [name] if name else self.by_folder.get(line.rstrip("/"), [])

    def find(self, line: str) -> str | None:
        """Return the one name that a line means, or None: of its first column, the path or its last part."""
        for text in dict.fromkeys((line, re.split(r"[,;\t ]", line, maxsplit=1)[0].strip("\"'"))):
            if name := self.exact(text):
                return name
            for last in dict.fromkeys((PurePosixPath(text).name, PurePosixPath(without_suffix(text)).name)):
                if name := self.nearest(text, self.by_last.get(last, set())):
                    return name
        return None

    @staticmethod
    def nearest(text: str, names: set[str]) -> str | None:
        """Return the only name, or the only one whose folders are all among those of a path."""
        if len(names) <= 1:
            return next(iter(names), None)
        folders = set(PurePosixPath(text).parts[:-1])
        fitting = [name for name in names if folders and folders.issuperset(PurePosixPath(name).parts[:-1])]
        return fitting[0] if len(fitting) == 1 else None


def without_suffix(line: str) -> str:
    """Return a line without the suffix of a file."""
    path = PurePosixPath(line)
    return str(path.with_suffix("")) if path.name else line


def unknown_name(key: str, line: str, names: Sequence[str]) -> UserError:
    """Return the UserError for a name in `split` that no image has; name an image whose name only looks the same."""
    normalized = {normalize("NFC", line), normalize("NFC", without_suffix(line))}
    if twin := next((name for name in names if normalize("NFC", name) in normalized), None):
        return UserError(
            f"split.{key}: {line!r} and the image {twin!r} are the same name in two Unicode forms; rename one"
        )
    return UserError(f"split.{key}: no image has the name {line!r}; names are such as {names[0]!r}")


def read_list(key: str, path: Path) -> list[str]:
    """Return the lines of a file of names, without empty ones and comments."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # some editors write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{key}: {path}: cannot be read as a list of names ({error}); a folder ends with /") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]
