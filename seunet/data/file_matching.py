"""Which files of a folder belong together: an image, its masks, its field of view, found by patterns with {name}."""

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from unicodedata import normalize

from seunet.data.marks import mark_of
from seunet.data.name_lists import is_names_file, select_names
from seunet.data.patterns import OF_CLASS, PATTERNS, bases, expression, name_of, patterns_of, placed, takes_several
from seunet.runtime.errors import UserError
from seunet.runtime.files import folders_below, read_error
from seunet.runtime.problems import Problems
from seunet.settings.dataset import Preparation

KINDS = {"images": "image", "masks": "mask", "valid": "mask of the field of view"}
SUFFIXES = (".png", ".tif", ".tiff", ".gif", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm")
NO_FILES = ("Thumbs.db", "desktop.ini", "__MACOSX")  # with hidden ones: concern nobody
NO_IMAGE = "not a PNG, TIFF, GIF or JPEG file, nor BMP, PPM or PGM; move it elsewhere or convert it"

Files = dict[str, Path]  # {name: file}
Layer = tuple[str | None, Path]  # a mask file, and the class that it is of; None: its values say


@dataclass
class MatchedFiles:
    """Files of a folder by the name of the image that they belong to.

    masks: one file each, or several where there is one per class or per object. left: files that no pattern takes.
    ours: files among the images that our commands wrote. unpaired: images without masks and masks without images, which
    were left out. excluded: names that were.
    """

    images: Files = field(default_factory=dict)
    masks: dict[str, list[Layer]] = field(default_factory=dict)
    valid: Files = field(default_factory=dict)
    left: list[Path] = field(default_factory=list)
    ours: list[Path] = field(default_factory=list)
    unpaired: Files = field(default_factory=dict)
    excluded: list[str] = field(default_factory=list)

    def of_kind(self, kind: str) -> dict[str, Path]:
        """Return {name: file} of images, masks (the first of several) or valid."""
        return {name: layers[0][1] for name, layers in self.masks.items()} if kind == "masks" else getattr(self, kind)

    def first(self, kind: str, name: str) -> Path | None:
        """Return the first file of a kind with a name, or None; of masks of several classes, of any."""
        if kind == "masks":
            return self.masks[name][0][1] if name in self.masks else None
        return getattr(self, kind).get(name)

    def drop(self, names: Iterable[str]) -> None:
        """Forget the files of some names."""
        for name in names:
            for files in (self.images, self.masks, self.valid):
                files.pop(name, None)  # type: ignore[attr-defined]


def match_files(
    root: Path, wanted: Mapping[str, str], leave_unpaired: bool = False, exclude: Iterable[str] = ()
) -> MatchedFiles:
    """Return the files below `root` that belong together by their patterns (of `patterns`).

    A name is what {name} stands for, after that of {folder}/ where the patterns have it. Every image has masks (and a
    field of view), and every mask an image; with `leave_unpaired`, images without masks and what has no image are left
    out. Names that `exclude` (folders, wildcards) takes do not count. Raises UserError where this is not so, and for
    files that are no images.
    """
    check_folders(root, wanted)
    found, refused, doubled = collect(root, wanted)
    if not found.images and not refused:
        raise UserError(f"{root / wanted['images']}: no image in it; put PNG, TIFF, GIF or JPEG files there")
    for entry in exclude:
        names = select_names(entry, [*found.images, *(found.masks.keys() - found.images.keys())])
        if not names and found.images:  # else the entries before it, or the files that are refused, are what is wrong
            raise UserError(f"exclude: no image has a name like {entry!r}; names are such as {min(found.images)!r}")
        found.drop(names)
        found.excluded += names
    problems = Problems(root)
    for path, reason in [*refused.items(), *doubled.items()]:
        problems.add(f"{path}: {reason}")
    check_matches(root, wanted, found, {*refused, *doubled}, leave_unpaired, problems)
    problems.refuse()
    if not found.images:
        raise UserError(f"{root / wanted['images']}: no image is left with a mask; correct the patterns or `exclude`")
    return found


def collect(root: Path, wanted: Mapping[str, str]) -> tuple[MatchedFiles, dict[Path, str], dict[Path, str]]:
    """Return the files by their patterns, those that are refused, and those whose name is taken, each with why."""
    found, refused, doubled = MatchedFiles(), {}, {}
    for path, key, name in matches(root, wanted):
        if path.is_symlink() and not path.exists():
            refused[path] = "a link to nothing; remove it or put the file there"
        elif key in (None, "images") and mark_of(path):
            found.ours.append(path)
            continue
        elif key is None and wanted.items() >= PATTERNS.items():
            refused[path] = NO_IMAGE
        elif key is None:
            found.left.append(path)
        elif path.suffix.lower() not in SUFFIXES or not path.is_file():
            refused[path] = NO_IMAGE
        if key is None:
            continue
        kind, _, of_class = key.partition(".")
        first = found.first(kind, name)
        if first and not takes_several(key, wanted[key]) and path not in refused:
            doubled[path] = f"has the same name as {first.name}; rename or remove one"
        elif kind == "masks":
            found.masks.setdefault(name, []).append((of_class or None, path))
        elif not first:
            getattr(found, kind)[name] = path
    return found, refused, doubled


def matches(root: Path, wanted: Mapping[str, str]) -> Iterator[tuple[Path, str | None, str]]:
    """Yield the files, each with the pattern that takes it (a key of `wanted`, or None) and its name.

    A file that another pattern takes is no image; of the patterns of classes, that with the most letters takes it.
    """
    order = sorted(wanted, key=lambda key: (key == "images", -len(wanted[key]) if key.startswith(OF_CLASS) else 0))
    shapes = {key: expression(wanted[key]) for key in order}
    for path in walk(root, wanted):
        place = path.relative_to(root).as_posix()
        for key, shape in shapes.items():
            if match := shape.fullmatch(place):
                yield path, key, name_of(match)
                break
        else:
            yield path, None, ""


def folder_files(settings: Preparation) -> dict[str, str]:
    """Return the files that a data set of source folder may read, sorted, and what each is; nothing for other sources.

    That is the key of its pattern (images, masks, …), or split.
    """
    if settings.source != "folder" or settings.path is None:
        return {}
    root, wanted = Path(settings.path).expanduser(), patterns_of(settings)
    split = settings.split
    lists = [root / str(entry) for entry in (split.train, split.val, split.test) if is_names_file(entry)]
    taken = {path: key for path, key, _ in matches(root, wanted) if key and path.suffix.lower() in SUFFIXES}
    return {str(path): key for path, key in sorted((taken | dict.fromkeys(lists, "split")).items()) if path.is_file()}


def walk(root: Path, wanted: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files of the folders that the patterns begin with, sorted, without hidden ones; links are followed."""
    folders = set(bases(root, wanted).values())
    for base in sorted(base for base in folders if not folders & set(base.parents)):
        for folder, inner, files in folders_below(base):
            inner[:] = filter(is_visible, sorted(inner))
            yield from (Path(folder, name) for name in sorted(files) if is_visible(name))


def is_visible(name: str) -> bool:
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


def check_matches(
    root: Path,
    wanted: Mapping[str, str],
    found: MatchedFiles,
    refused: Container[Path],
    leave_unpaired: bool,
    problems: Problems,
) -> None:
    """Note each image without a partner of some kind, and the other way round; not files that are refused anyway.

    With `leave_unpaired`, images without masks and what has no image are moved to `found.unpaired` instead.
    """
    kinds = {key.partition(".")[0]: pattern for key, pattern in list(wanted.items())[::-1]}  # of classes: the first
    dropped = set()
    for kind in (kind for kind in ("masks", "valid") if kind in kinds):
        images, files = found.of_kind("images"), found.of_kind(kind)
        for these, others, missing in ((images, files, kind), (files, images, "images")):
            forms = {normalize("NFC", name): path for name, path in others.items()}
            for name in sorted(name for name in these.keys() - others.keys() if these[name] not in refused):
                if twin := forms.get(normalize("NFC", name)):
                    if missing == kind:  # once for the pair
                        problems.add(f"{these[name]}: same name in another Unicode form as {twin}; rename one of them")
                elif leave_unpaired and (kind == "masks" or missing == "images"):
                    found.unpaired[name] = these[name]
                    dropped.add(name)
                else:
                    place = root / placed(kinds[missing], name)
                    problems.add(f"{these[name]}: no {KINDS[missing]} {place}; add it or remove this file")
        found.drop(dropped)
