"""Patterns of the files of a folder, such as `{folder}/images/{name}.*`, and the names that they give files."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation

PATTERNS = {"images": "images/{name}.*", "masks": "masks/{name}.*"}  # unless the data set has its own
TOKENS = {"{name}": "(?P<name>.+)", "{folder}": "([^/]+)", "*": "[^/]*"}
OF_CLASS = "masks."  # begins the key of the pattern of one class's masks


def patterns_of(settings: Preparation) -> dict[str, str]:
    """Return the patterns of a data set of source folder."""
    return patterns(settings.images, settings.masks, settings.valid)


def patterns(images: str | None, masks: str | Mapping[str, str] | None, valid: str | None) -> dict[str, str]:
    """Return {images, masks and perhaps valid: pattern}, by default PATTERNS; UserError when one is no pattern.

    Masks of one file per class, {class: pattern}, have the keys masks.{class}.
    """
    given: dict[str, str | None] = {"images": images, "valid": valid}
    found = dict(PATTERNS)
    if isinstance(masks, Mapping):
        del found["masks"]
        given |= {OF_CLASS + name: pattern for name, pattern in masks.items()}
    else:
        given["masks"] = masks
    found |= {key: pattern for key, pattern in given.items() if pattern}
    for key, pattern in found.items():
        words = re.findall(r"{[^}]*}", pattern)
        if words.count("{name}") != 1 or set(words) - TOKENS.keys():
            raise UserError(f"{key}: {pattern!r} must have one {{name}}, perhaps {{folder}}, and no other braces")
        if ".." in PurePosixPath(pattern).parts or pattern.startswith("/"):
            raise UserError(f"{key}: {pattern!r} must lie below path; set path to a folder above")
        if pattern.count("{folder}") != found["images"].count("{folder}"):
            raise UserError(
                f"{key}: {pattern!r} and images {found['images']!r} must both have {{folder}}, or neither, and as often"
            )
    return found


def expression(pattern: str) -> re.Pattern:
    """Return the regular expression of a pattern, for paths below the data set's."""
    parts = re.split(r"({name}|{folder}|\*)", pattern)
    return re.compile("".join(TOKENS.get(part) or re.escape(part) for part in parts))


def name_of(match: re.Match) -> str:
    """Return the name of a file that a pattern takes: what {name} stands for, after that of each {folder}/."""
    folders = [text for i, text in enumerate(match.groups(), 1) if i != match.re.groupindex["name"]]
    return "/".join([*folders, match["name"]])


def bases(root: Path, wanted: Mapping[str, str]) -> dict[str, Path]:
    """Return the folder that each pattern begins with."""
    return {key: root / re.split(r"[^/]*[{*]", pattern)[0] for key, pattern in wanted.items()}


def takes_several(key: str, pattern: str) -> bool:
    """Tell whether several files of a pattern may be one mask: those of a class, or all of a folder {name}/."""
    folders, _, file = pattern.rpartition("/")
    of_folder = "{name}" in folders and "*" in PurePosixPath(file).stem
    return key.startswith(OF_CLASS) or (key == "masks" and of_folder)


def placed(pattern: str, name: str) -> str:
    """Return a pattern with a name put into it."""
    while "{folder}" in pattern:
        folder, _, name = name.partition("/")
        pattern = pattern.replace("{folder}", folder, 1)
    return pattern.replace("{name}", name)
