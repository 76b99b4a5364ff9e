"""Which files of a folder belong together: an image, its mask, its field of view, found by patterns with {name}."""

import os
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from seunet.runtime.errors import UserError
from seunet.runtime.files import folders_below, read_error
from seunet.runtime.problems import Problems
from seunet.settings.dataset import Preparation

PATTERNS = {"images": "images/{name}.*", "masks": "masks/{name}.*"}  # unless the data set has its own
KINDS = {"images": "image", "masks": "mask", "valid": "mask of the field of view"}
SUFFIXES = (".png", ".tif", ".tiff", ".gif", ".jpg", ".jpeg")
NO_FILES = ("Thumbs.db", "desktop.ini", "__MACOSX")  # with hidden ones: concern nobody
TOKENS = {"{name}": "(?P<name>.+)", "{folder}": "(?P<folder>[^/]+)", "*": "[^/]*"}
NO_IMAGE = "not a PNG, TIFF, GIF or JPEG file; move it elsewhere or convert it"

Files = dict[str, Path]  # {name: file}


def patterns(images: str | None, masks: str | None, valid: str | None) -> dict[str, str]:
    """Return {images, masks and perhaps valid: pattern}, by default PATTERNS; UserError when one is no pattern."""
    given = {"images": images, "masks": masks, "valid": valid}
    found = PATTERNS | {key: pattern for key, pattern in given.items() if pattern}
    for key, pattern in found.items():
        words = re.findall(r"{[^}]*}", pattern)
        if words.count("{name}") != 1 or words.count("{folder}") > 1 or set(words) - TOKENS.keys():
            raise UserError(f"{key}: {pattern!r} must have one {{name}}, at most one {{folder}} and no other braces")
        if ".." in PurePosixPath(pattern).parts or pattern.startswith("/"):
            raise UserError(f"{key}: {pattern!r} must lie below path; set path to a folder above")
        if ("{folder}" in pattern) != ("{folder}" in found["images"]):
            raise UserError(f"{key}: {pattern!r} and images {found['images']!r} must both have {{folder}}, or neither")
    return found


def partners(root: Path, wanted: Mapping[str, str]) -> tuple[dict[str, Files], list[Path]]:
    """Return {images, masks and perhaps valid: {name: file}} by their patterns, and the files that no pattern takes.

    A name is what {name} stands for, after that of {folder}/ where the patterns have it. Every image has one partner of
    each kind, and every partner an image. Raises UserError where that is not so, and for files that are no images.
    """
    check_folders(root, wanted)
    found: dict[str, Files] = {key: {} for key in wanted}
    refused: dict[Path, str] = {}  # file: why
    left = []
    for path, key, name in matches(root, wanted):
        if path.is_symlink() and not path.exists():
            refused[path] = "a link to nothing; remove it or put the file there"
        elif key is None and wanted.items() >= PATTERNS.items():
            refused[path] = NO_IMAGE
        elif key is None:
            left.append(path)
        elif path.suffix.lower() not in SUFFIXES or not path.is_file():
            refused[path] = NO_IMAGE
        elif name in found[key]:
            refused[path] = f"has the same name as {found[key][name].name}; rename or remove one"
        if key:
            found[key].setdefault(name, path)
    if not found["images"] and not refused:
        raise UserError(f"{root / wanted['images']}: no image in it; put PNG, TIFF, GIF or JPEG files there")
    problems = Problems(root)
    for path, reason in refused.items():
        problems.add(f"{path}: {reason}")
    check_partners(root, wanted, found, refused, problems)
    problems.refuse()
    return found, left


def matches(root: Path, wanted: Mapping[str, str]) -> Iterator[tuple[Path, str | None, str]]:
    """Yield the files, each with the pattern that takes it (a key of `wanted`, or None) and its name."""
    order = sorted(wanted, key=lambda key: key == "images")  # a file that another pattern takes is no image
    shapes = {key: expression(wanted[key]) for key in order}
    for path in walk(root, wanted):
        place = path.relative_to(root).as_posix()
        for key, shape in shapes.items():
            if match := shape.fullmatch(place):
                yield path, key, "/".join(filter(None, (match.groupdict().get("folder"), match["name"])))
                break
        else:
            yield path, None, ""


def folder_files(settings: Preparation) -> list[str]:
    """Return the files that a data set of source folder may read, sorted; nothing for other sources."""
    if settings.source != "folder" or settings.path is None:
        return []
    root, wanted = Path(settings.path).expanduser(), patterns(settings.images, settings.masks, settings.valid)
    split = settings.split
    lists = [root / str(entry) for entry in (split.train, split.val, split.test) if names_file(entry)]
    taken = [path for path, key, _ in matches(root, wanted) if key and path.suffix.lower() in SUFFIXES]
    return sorted(str(path) for path in [*taken, *lists] if path.is_file())


def names_file(entry: object) -> bool:
    """Tell whether an entry of `split` is a file of names: a text that is no folder."""
    return isinstance(entry, str) and not entry.endswith("/")


def expression(pattern: str) -> re.Pattern:
    """Return the regular expression of a pattern, for paths below the data set's."""
    parts = re.split(r"({name}|{folder}|\*)", pattern)
    return re.compile("".join(TOKENS.get(part) or re.escape(part) for part in parts))


def bases(root: Path, wanted: Mapping[str, str]) -> dict[str, Path]:
    """Return the folder that each pattern begins with."""
    return {key: root / re.split(r"[^/]*[{*]", pattern)[0] for key, pattern in wanted.items()}


def walk(root: Path, wanted: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files of the folders that the patterns begin with, sorted, without hidden ones; links are followed."""
    folders = set(bases(root, wanted).values())
    for base in sorted(base for base in folders if not folders & set(base.parents)):
        for folder, inner, files in folders_below(base):
            inner[:] = filter(shown, sorted(inner))
            yield from (Path(folder, name) for name in sorted(files) if shown(name))


def shown(name: str) -> bool:
    """Tell whether a file or folder counts: hidden ones, and those that systems leave, do not."""
    return not name.startswith(".") and name not in NO_FILES


def check_folders(root: Path, wanted: Mapping[str, str]) -> None:
    """Raise UserError when a folder that a pattern begins with is not there or cannot be read."""
    for key, base in bases(root, wanted).items():
        try:
            os.scandir(base).close()
        except PermissionError as error:
            raise read_error(base, error) from error
        except OSError as error:
            raise UserError(
                f"{base}: no such folder; {key} of source `folder` are files {wanted[key]} in its path; "
                f"make it, or give another pattern for {key}"
            ) from error


def check_partners(
    root: Path, wanted: Mapping[str, str], found: Mapping[str, Files], refused: Container[Path], problems: Problems
) -> None:
    """Note each image without a partner of some kind, and the other way round; not files that are refused anyway."""
    images = found["images"]
    for key in wanted:
        for these, others, missing in ((images, found[key], key), (found[key], images, "images")):
            forms = {normalize("NFC", name): path for name, path in others.items()}
            for name in sorted(name for name in these.keys() - others.keys() if these[name] not in refused):
                if twin := forms.get(normalize("NFC", name)):
                    if missing == key:  # once for the pair
                        problems.add(f"{these[name]}: same name in another Unicode form as {twin}; rename one of them")
                else:
                    place = root / placed(wanted[missing], name)
                    problems.add(f"{these[name]}: no {KINDS[missing]} {place}; add it or remove this file")


def placed(pattern: str, name: str) -> str:
    """Return a pattern with a name put into it."""
    if "{folder}" in pattern:
        folder, _, name = name.partition("/")
        pattern = pattern.replace("{folder}", folder)
    return pattern.replace("{name}", name)
