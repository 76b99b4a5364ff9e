"""The official split of a data set: by lists of names, by folders, or by words in the names of its images."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from seunet.commands.guessing.folder_scan import WORD, split_word
from seunet.data.name_lists import NameIndex, is_table, read_list
from seunet.data.source import SPLITS
from seunet.runtime.errors import UserError

NEARLY_ALL = 0.95  # of the lines of a list must be images
SUFFIXES = (".txt", ".lst", ".csv")
LARGEST_LIST = 50_000_000  # bytes
Split = dict[str, float | str]


def official_split(
    names: Mapping[str, Path], left_out: Iterable[str], lists: Sequence[PurePosixPath], root: Path
) -> tuple[Split | None, str]:
    """Return the split of images {name: file} that the data set has, as in a configuration, and why; or None.

    lists: text files below `root`; they may also name what was left out.
    """
    if by_lists := split_by_lists(names, list(left_out), lists, root):
        return completed(by_lists, f"by {', '.join(by_lists.values())}")
    if by_folders := split_by_words(names, folders=True):
        return completed(by_folders, f"by the folders {', '.join(by_folders.values())}")
    if by_names := split_by_words(names, folders=False):
        return completed(by_names, f"by the names {', '.join(by_names.values())}")
    words = "no lists and no folders of a split"
    suffixes = (*SUFFIXES, ".json", ".yaml", ".yml")
    unread = [f for f in lists if f.suffix.lower() in suffixes and (split_word(f.stem) or "split" in f.stem.lower())]
    if unread:
        words = f"{', '.join(map(str, unread[:3]))} are no lists of these images' names that are read"
    return None, f"{words}: drawn at random; give groups where images belong together"


def is_list(part: object) -> bool:
    """Tell whether a part of a split is a file of names."""
    return isinstance(part, str) and part.lower().endswith(SUFFIXES)


def completed(found: Mapping[str, str], reason: str) -> tuple[Split, str]:
    """Return a split of all three parts, and why: without an official test, the official validation tests."""
    if len(found) == len(SPLITS):
        return {split: found[split] for split in SPLITS}, reason
    test = found.get("test", found.get("val", ""))
    others = found.get("train", "the rest")
    why = f"{reason}; " + ("" if "test" in found else f"there is no test, so {test} tests; ")
    return {"train": 0.9, "val": 0.1, "test": test}, f"{why}a tenth of {others} validates"


def split_by_lists(
    names: Mapping[str, Path], left_out: Sequence[str], lists: Sequence[PurePosixPath], root: Path
) -> dict[str, str]:
    """Return {split: list of names} of the folder whose lists name the most images; {} where there are none."""
    known, others = NameIndex(names, names), NameIndex(left_out, {})
    by_folder: dict[PurePosixPath, dict[str, list[tuple[PurePosixPath, set[str]]]]] = defaultdict(dict)
    for file in lists:
        split = split_word(file.stem)
        if split is None or file.suffix.lower() not in SUFFIXES or too_large(root / file):
            continue
        try:
            lines = read_list("split", root / file)
        except UserError:
            continue
        found = [known.all_of(line) for line in lines]
        if is_table(file) and found and not found[0]:
            found, lines = found[1:], lines[1:]
        strange = sum(not names and not others.all_of(line) for names, line in zip(found, lines, strict=True))
        named = {name for names in found for name in names}
        once = len(named) == sum(map(len, found))
        if named and once and strange <= (1 - NEARLY_ALL) * len(lines):
            by_folder[file.parent].setdefault(split, []).append((file, named))
    best: dict[str, tuple[PurePosixPath, set[str]]] = {}
    for entries in by_folder.values():
        chosen = {split: min(files, key=lambda entry: len(entry[0].stem)) for split, files in entries.items()}
        sets = [named for _, named in chosen.values()]
        disjoint = len(set().union(*sets)) == sum(map(len, sets))
        if disjoint and ("test" in chosen or "val" in chosen) and covered(chosen) > covered(best):
            best = chosen
    return {split: str(file) for split, (file, _) in best.items() if split in best}


def covered(entries: Mapping[str, tuple[PurePosixPath, set[str]]]) -> tuple[int, int]:
    """Return how many images lists name, and how surely they are for segmentation."""
    return sum(len(named) for _, named in entries.values()), sum(
        "seg" in str(file).lower() for file, _ in entries.values()
    )


def too_large(file: Path) -> bool:
    """Tell whether a file is too large for a list of names."""
    try:
        return file.stat().st_size > LARGEST_LIST
    except OSError:
        return True


def split_by_words(names: Iterable[str], folders: bool) -> dict[str, str]:
    """Return {split: folder or wildcard} by the first folders of names, or by how they begin; {} without two splits."""
    heads: dict[str | None, set[str]] = defaultdict(set)
    for name in names:
        head, slash, _ = name.partition("/")
        if folders and slash:
            heads[split_word(head)].add(head)
        elif not folders and not slash and (match := WORD.match(name)) and split_word(name[: match.end() + 1]):
            heads[split_word(name[: match.end() + 1])].add(name[: match.end()])
        else:
            heads[None].add(name)
    found = {}
    for split in SPLITS:
        words = sorted(heads.get(split, ()))
        if len(words) == 1:
            found[split] = f"{words[0]}/" if folders else f"{words[0]}*"
        elif words:  # testA/ and testB/
            starts = {match[0] for word in words if (match := WORD.match(word))}
            if len(starts) != 1 or any(not WORD.match(word) for word in words):
                return {}
            found[split] = f"{starts.pop()}*"
    complete = not heads[None] or folders
    return found if len(found) > 1 and ("test" in found or "val" in found) and complete else {}
