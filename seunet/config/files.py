"""The files of a configuration, as they are written: a key that stands there twice is refused.

YAML's readers take the last of two equal keys and drop the first in silence.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from seunet.runtime.errors import UserError
from seunet.settings.messages import format_path, one_line

# JSON is YAML, too. No value is made of what is read, but of keys: tags and aliases stay what they are.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_files(paths: Iterable[Path | str]) -> None:
    """Raise UserError, with file and line, for the first key that stands twice in one mapping of a file."""
    for path in paths:
        try:
            root = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=LOADER)
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(one_line(f"configuration: {path}: cannot be read ({error}); it must be UTF-8")) from error
        except yaml.YAMLError as error:
            raise UserError(one_line(f"configuration: {path}: no valid YAML ({error})")) from error
        for place, line, before in repetitions(root, (), set()):
            text = f"{path}, line {line}: {format_path(place)} stands there twice, first in line {before}; remove one"
            raise UserError(one_line(f"configuration: {text}"))


def repetitions(node: yaml.Node | None, place: tuple, seen: set[int]) -> Iterator[tuple[tuple, int, int]]:
    """Yield the path of every key that repeats one of its mapping, its line, and the line of the first.

    `seen` holds the nodes that were looked at: an alias may lead back to any of them.
    """
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for i, entry in enumerate(node.value):
            yield from repetitions(entry, (*place, i), seen)
        return
    lines: dict[tuple, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        same = key.tag, meaning(key)
        if same in lines:
            yield (*place, name), line, lines[same]
        lines.setdefault(same, line)
        yield from repetitions(value, (*place, name), seen)


def meaning(key: yaml.Node) -> str:
    """Return what a key is to YAML's readers, to whom 16 and 0x10 are one number, and yes and true one word."""
    try:
        return repr(yaml.constructor.SafeConstructor().construct_object(key))
    except (yaml.YAMLError, ValueError):  # a tag or a number that the readers refuse
        return str(key.value)
