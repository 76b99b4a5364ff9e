"""Which files below a folder are images, masks and fields of view: guessed from the names of files and folders."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
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
# Parts of names that masks have, the surest first; "mask" alone is the field of view where a surer one is there.
MASK_WORDS = ("manual", "truth", "gt", "label", "annot", "trimap", "seg", "target", "mask")
VALID_WORDS = ("fov", "roi", "valid", "mask")
ENOUGH = 0.5  # of the masks must belong to an image, for two groups of files to belong together


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


@dataclass
class Layout:
    """What was found: patterns below `path`, the pairs of files, the split, and why (`notes`: key → reason)."""

    path: Path
    images: str
    masks: str
    valid: str | None
    pairs: list[tuple[Path, Path]]
    split: dict | None
    notes: dict[str, str]


def find_layout(folder: Path) -> Layout:
    """Return how the images and masks of a folder belong together; UserError where no pairs are found."""
    files = sorted(walk(folder))
    if not files:
        raise UserError(f"{folder}: no image in it (PNG, TIFF, GIF or JPEG); name the folder that has images and masks")
    root = Path(os.path.commonpath([file.parent for file in files]))
    root = next((p for p in [root, *root.parents] if p.name.lower() not in SPLIT_OF), root) if root != folder else root
    groups = grouped(root, files)
    best = max(candidates(groups), key=lambda c: (c.worth, len(c.pairs)), default=None)
    if best is None:
        found = ", ".join(f"{group.place or '.'} ({len(group.files)} files)" for group in groups)
        raise UserError(
            f"{folder}: no images with masks of like names found in {found}; give each mask the name of its image, "
            "in a folder of its own or with an end such as _mask"
        )
    return described(root, best, groups)


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


@dataclass(frozen=True)
class Candidate:
    """A guess: images and masks of two groups (or of one) with what begins and ends their names."""

    images: Group
    masks: Group
    ends: tuple[str, str, str, str]  # begin and end of images' names, begin and end of masks' names
    pairs: list[tuple[tuple[str, str], tuple[str, str]]]

    @property
    def worth(self) -> tuple[int, int]:
        """Return how sure the words of the masks' names are, and that the images' have none."""
        words = f"{self.masks.place} {self.ends[2]} {self.ends[3]}" if self.masks is not self.images else self.ends[3]
        return sureness(words) - sureness(f"{self.images.place} {self.ends[1]}"), -sum(map(len, self.ends))


def sureness(text: str) -> int:
    """Return how sure it is that a text is about masks, 0: not at all."""
    return max((len(MASK_WORDS) - i for i, word in enumerate(MASK_WORDS) if word in text.lower()), default=0)


def candidates(groups: list[Group]) -> Iterator[Candidate]:
    """Yield all guesses at which files are the masks of which."""
    for images in groups:
        for masks in groups:
            ends = common_ends(images, masks) if masks is not images else common_tail(images)
            if ends is None or (masks is not images and masks.split != images.split):
                continue
            pairs = matched(images, masks, ends)
            least = ENOUGH * (len(masks.files) if masks is not images else len(images.files) / 2)
            if pairs and len(pairs) >= least:
                yield Candidate(images, masks, ends, pairs)


def common_ends(images: Group, masks: Group) -> tuple[str, str, str, str] | None:
    """Return what begins and ends the names of images and of masks around the name that they share."""
    if len(images.files.keys() & masks.files.keys()) >= ENOUGH * min(len(images.files), len(masks.files)):
        return "", "", "", ""
    found: Counter = Counter()
    names = [name.rpartition("/")[2] for _, name in images.files]
    for _, mask in list(masks.files)[:20]:
        mask = mask.rpartition("/")[2]
        for name in names[:200]:
            match = SequenceMatcher(None, name, mask, autojunk=False).find_longest_match()
            shared = name[match.a : match.a + match.size].strip("_-. ")
            if shared and re.search(r"\d|\w{3}", shared):
                (before, _, after), (start, _, end) = name.partition(shared), mask.partition(shared)
                found[before, after, start, end] += 1
    plausible = [ends for ends, _ in found.most_common(20)]
    return max(plausible, key=lambda ends: len(matched(images, masks, ends)), default=None)


def common_tail(group: Group) -> tuple[str, str, str, str] | None:
    """Return what ends the names of masks that lie beside their images."""
    tails: Counter = Counter()
    names = sorted(group.files)
    for (folder, name), (other_folder, other) in zip(names, names[1:], strict=False):
        if folder == other_folder and other.startswith(name):
            tails[other[len(name) :]] += 1
    tail = max(tails, key=lambda tail: (sureness(tail), tails[tail]), default=None)
    return None if tail is None else ("", "", "", tail)


def matched(
    images: Group, masks: Group, ends: tuple[str, str, str, str]
) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Return the pairs of keys of images and masks whose names are the same without their ends."""
    before, after, start, end = ends
    own = {key: name for key in masks.files if (name := bare(key, start, end)) is not None}
    by_name = {name: key for key, name in own.items()}
    taken = set(own) if masks is images else set()
    names = [(key, bare(key, before, after)) for key in images.files if key not in taken]
    return [(image, by_name[name]) for image, name in names if name in by_name]


def ends_around(names: list[tuple[str, str]], group: Group) -> tuple[str, str] | None:
    """Return what begins and ends the names of a group that has a file for each of these names; None if it has not."""
    found: Counter = Counter()
    for _, other in list(group.files)[:200]:
        for _, name in names[:200]:
            start, shared, end = other.rpartition("/")[2].partition(name.rpartition("/")[2])
            found[start, end] += bool(shared)
    for ends, _ in found.most_common(5):
        if set(names) <= {bare(key, *ends) for key in group.files}:
            return ends
    return None


def bare(key: tuple[str, str], start: str, end: str) -> tuple[str, str] | None:
    """Return (folder, name) without what begins and ends the name; None where it does not."""
    folder, name = key
    parent, slash, last = name.rpartition("/")
    if not last.startswith(start) or not last.endswith(end) or len(last) <= len(start) + len(end):
        return None
    return folder, parent + slash + last[len(start) : len(last) - len(end)]


def described(root: Path, best: Candidate, groups: list[Group]) -> Layout:
    """Return the layout of a guess, with reasons."""
    before, after, start, end = best.ends
    paired = {image[0] for image, _ in best.pairs}
    lonely = sorted({folder for folder, _ in best.images.files} - paired)
    folder = "{folder}"
    notes = {}
    if best.images.split and len(paired) == 1 and lonely:  # a test set without truth
        folder = next(iter(paired))
        notes["images"] = f"only {folder}/ has masks; {', '.join(lonely)} left out"
    split, reason = split_of(best, paired if folder == "{folder}" else set())
    valid = None
    for group in groups:
        if group in (best.images, best.masks) or not any(word in group.place.lower() for word in VALID_WORDS):
            continue
        shared = [name for image, _ in best.pairs if (name := bare(image, before, after))]
        if ends := ends_around(shared, group):
            valid = group.pattern(*ends, folder)
            notes["valid"] = "a second mask of each image, by its name the field of view; outside, pixels do not count"
    count = len(best.pairs)
    alone = len(best.images.files) - count * (1 + (best.masks is best.images))
    notes["masks"] = f"{count} images have one" + (
        f", {alone} do not: give them masks, or move them elsewhere" if alone and folder == "{folder}" else ""
    )
    notes["split"] = reason
    return Layout(
        path=root,
        images=best.images.pattern(before, after, folder),
        masks=best.masks.pattern(start, end, folder),
        valid=valid,
        pairs=[(best.images.files[image], best.masks.files[mask]) for image, mask in best.pairs],
        split=split,
        notes=notes,
    )


def split_of(best: Candidate, folders: set[str]) -> tuple[dict | None, str]:
    """Return the split by official folders, and why; None where there are none."""
    heads = folders - {""} or {name.split("/")[0] for (_, name), _ in best.pairs if "/" in name}
    found = {SPLIT_OF[head.lower()]: f"{head}/" for head in sorted(heads) if head.lower() in SPLIT_OF}
    if len(found) < 2:
        return None, "no folders named train, val, test: drawn at random; give groups where images belong together"
    said = f"by the folders {', '.join(found.values())}"
    if missing := [split for split in SPLITS if split not in found]:
        shared = "train" if missing[0] != "train" else "val"
        split = {**found, shared: 0.9 if shared == "train" else 0.1, missing[0]: 0.1 if shared == "train" else 0.9}
        return {key: split[key] for key in SPLITS}, f"{said}; {missing[0]} is a part of {found[shared]}"
    return {key: found[key] for key in SPLITS}, said
