"""Files of a folder that are in no pair, and masks that hold no truth."""

import re
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath

from seunet.commands.guessing.appearance import one_value, some
from seunet.commands.guessing.families import family_of
from seunet.commands.guessing.folder_scan import FolderScan, split_word
from seunet.commands.guessing.pairing import Candidate
from seunet.data.file_matching import MatchedFiles
from seunet.runtime.errors import UserError
from seunet.runtime.wording import be, counted, have

MOST_LEFT = 0.5  # of the images may be in no pair


def without_truth(files: MatchedFiles) -> list[str]:
    """Return the folders of names whose masks all hold one value (a test set's place holders), while others do not."""
    by_head: dict[str, list[Path]] = {}
    for name in sorted(files.images):
        head, slash, _ = name.partition("/")
        if slash and split_word(head):
            by_head.setdefault(head, []).append(files.masks[name][0][1])
    empty = {head: all(one_value(file) for file in some(masks, 12)) for head, masks in by_head.items()}
    if len(empty) < 2 or all(empty.values()):
        return []
    return [f"{head}/" for head, is_empty in empty.items() if is_empty]


def in_no_pair(found: FolderScan, best: Candidate, files: MatchedFiles, unused: Sequence[Candidate]) -> list[str]:
    """Return remarks on images that are in no pair; UserError where these are most of the folder's."""
    texts = [path.as_posix() for path in found.images]
    used = {path.relative_to(found.root).as_posix() for path in [*files.images.values(), *files.valid.values()]}
    used |= {path.relative_to(found.root).as_posix() for layers in files.masks.values() for _, path in layers}
    unpaired = {path.relative_to(found.root).as_posix() for path in files.unpaired.values()}
    shape = re.compile(as_other_split(best.images.pattern))
    tests = [text for text in texts if shape.fullmatch(text) and text not in used | unpaired]
    siblings = in_siblings(best, texts)
    remarks = []
    for other in unused:
        taken = set(family_of(other.masks.pattern, texts).files) - used - unpaired - set(tests) - siblings
        if taken:
            belong = f"{counted(len(taken), 'file')} {other.masks.pattern} of the same images"
            remarks.append(f"{belong} {be(len(taken))} not used")
            used |= taken
    rest = sorted(set(texts) - used - unpaired - set(tests))
    if tests:
        without = f"{counted(len(tests), 'image')} without masks ({counted_folders(tests)})"
        remarks.append(f"{without} {be(len(tests))} not used")
    left = f"{len(rest)} of {counted(len(texts), 'image file')} {be(len(rest))} in no pair ({counted_folders(rest)})"
    if len(rest) > MOST_LEFT * len(texts):
        paired = f"{counted(len(files.images), 'image')} {have(len(files.images))} masks"
        raise UserError(
            f"{found.root}: only {paired} ({best.patterns[0]}, {best.patterns[1]}), and {left}; name the folder that "
            "is meant, or give each mask the name of its image"
        )
    if rest:
        remarks.append(left)
    if found.ours:
        remarks.append(f"{counted(found.ours, 'file')} that seunet wrote {be(found.ours)} passed over")
    return remarks


def in_siblings(best: Candidate, texts: Sequence[str]) -> set[str]:
    """Return the files of folders beside that of a guess, made as it is: they are of other images with like names."""
    heads = [pattern.partition("{")[0].split("/")[:-1] for pattern in best.patterns]
    own = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(*heads, strict=False))]
    known, found = set(texts), set()
    for text in texts:
        parts = text.split("/")
        for i, name in enumerate(own):
            if parts[:i] == own[:i] and len(parts) > len(own) and parts[i] != name:
                twin = "/".join([*own[: i + 1], *(part.replace(parts[i], name) for part in parts[i + 1 :])])
                found |= {text} if twin in known else set()
    return found


def as_other_split(pattern: str) -> str:
    """Return an expression for images as those of a pattern, in the folder of another split."""
    parts = []
    for part in pattern.split("/"):
        if split_word(part) or re.search(r"Tr$|{folder}", part):
            part = re.sub(r"(?i)train(ing)?|val(id(ation)?)?|test(ing)?|Tr$|{folder}", "*", part)
        parts.append(part)
    return re.escape("/".join(parts)).replace(r"\{name\}", ".+").replace(r"\*", "[^/]*")


def counted_folders(texts: Sequence[str]) -> str:
    """Return the folders of files with their counts, the fullest first, in a few words."""
    counts: dict[str, int] = {}
    for text in texts:
        head = "/".join(PurePosixPath(text).parts[:-1][:3]) or "."
        counts[head] = counts.get(head, 0) + 1
    order = sorted(counts, key=lambda head: (-counts[head], head))
    more = f", and {len(order) - 4} more folders" if len(order) > 4 else ""
    return ", ".join(f"{head}: {counts[head]}" for head in order[:4]) + more
