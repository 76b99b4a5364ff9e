"""Which files below a folder are images, masks and fields of view, and how they are split: guessed, then tried."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from seunet.commands.guessing.choosing import chosen
from seunet.commands.guessing.companion_files import companions, sorted_out
from seunet.commands.guessing.families import families
from seunet.commands.guessing.folder_scan import FolderScan, scan_folder, split_word
from seunet.commands.guessing.no_pairs import nothing_found
from seunet.commands.guessing.official import Split, is_list, official_split
from seunet.commands.guessing.pairing import candidates
from seunet.commands.guessing.unmatched_files import in_no_pair, without_truth
from seunet.data.file_matching import MatchedFiles, match_files
from seunet.data.patterns import expression, patterns
from seunet.runtime.wording import counted, have

FIELD_OF_VIEW = "a second mask of each image, by its name the field of view; outside, pixels do not count"


@dataclass(frozen=True)
class Patterns:
    """The patterns of a configuration: images, masks (or one for each class), fields of view."""

    images: str
    masks: str | dict[str, str]
    valid: str | None

    def texts(self) -> list[str]:
        """Return all of them."""
        masks = self.masks.values() if isinstance(self.masks, dict) else [self.masks]
        return [self.images, *masks, *([self.valid] if self.valid else [])]

    def changed(self, change: Callable[[str], str]) -> "Patterns":
        """Return them with each one changed."""
        masks = self.masks
        new = {name: change(text) for name, text in masks.items()} if isinstance(masks, dict) else change(masks)
        return Patterns(change(self.images), new, change(self.valid) if self.valid else None)

    def match(self, root: Path) -> MatchedFiles:
        """Return the files that they take; what lacks its partner is left out."""
        return match_files(root, patterns(self.images, self.masks, self.valid), leave_unpaired=True)


@dataclass(frozen=True)
class FolderLayout:
    """What was found: patterns below `path`, files that belong together, the split, and why (`notes`: key → reason).

    kind: of the masks, see `appearance.kind_of_masks`. exclude: names that are left out. remarks: to be said first.
    """

    path: Path
    patterns: Patterns
    kind: str
    files: MatchedFiles
    split: Split | None
    exclude: list[str]
    remarks: list[str]
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def image_files(self) -> list[Path]:
        """The images that are not left out, in the order of their names."""
        return [self.files.images[name] for name in self._names()]

    @property
    def mask_files(self) -> list[Path]:
        """All their mask files."""
        return [path for name in self._names() for _, path in self.files.masks[name]]

    def _names(self) -> list[str]:
        return sorted(name for name in self.files.images if not name.startswith(tuple(self.exclude)))


def find_layout(folder: Path) -> tuple[FolderLayout, FolderScan]:
    """Return how the images and masks of a folder belong together, and all that is there; UserError without pairs."""
    found = scan_folder(folder)
    if not found.images:
        raise nothing_found(found)
    groups = families(found.images)
    best, kind = chosen(candidates(groups), found, groups)
    masks, valid, unused = sorted_out(best, companions(best, groups), found.root)
    guess, files, notes = tried(Patterns(best.patterns[0], masks, valid), found.root)
    exclude = without_truth(files)
    remarks = in_no_pair(found, best, files, unused)
    remarks += [f"{entry} is left out: its masks hold one value alone, which is no truth" for entry in exclude]
    kept = {name: path for name, path in files.images.items() if not name.startswith(tuple(exclude))}
    left_out = [*files.unpaired, *(path.stem for path in files.unpaired.values()), *(files.images.keys() - kept.keys())]
    split, notes["split"] = official_split(kept, left_out, found.others, found.root)
    notes |= described(guess, files, len(kept))
    layout = FolderLayout(found.root, guess, kind, files, split, exclude, remarks, notes)
    return shortened(layout), found


def tried(guess: Patterns, root: Path) -> tuple[Patterns, MatchedFiles, dict[str, str]]:
    """Return the patterns, the files that they take, and notes: with the name of a folder that all images lie in."""
    notes = {}
    files = guess.match(root)
    while all("/" in name for name in files.images):
        heads = {name.partition("/")[0] for name in files.images}
        if len(heads) > 1:
            break
        (head,) = heads
        lonely = sorted({name.partition("/")[0] for name in files.unpaired} - heads)
        if lonely:
            notes["images"] = f"only {head}/ has masks; {', '.join(lonely)} left out"
        token, new = ("{folder}", head) if "{folder}" in guess.images else ("{name}", f"{head}/{{name}}")
        if token == "{name}" and not all(is_alone(text) for text in guess.texts()):
            break
        guess = guess.changed(lambda text, token=token, new=new: text.replace(token, new, 1))  # type: ignore[misc]
        files = guess.match(root)
    used = [*files.images.values(), *files.valid.values(), *(path for of in files.masks.values() for _, path in of)]
    places = [path.relative_to(root).as_posix() for path in used]
    return guess.changed(lambda text: pinned(text, places)), files, notes


def pinned(pattern: str, places: list[str]) -> str:
    """Return a pattern whose only *, beside that of a suffix, is what it stands for, if that is always the same."""
    head, star, tail = pattern.partition("*")
    if not star or "*" in tail or pattern.endswith(".*"):
        return pattern
    shape = re.compile(expression(head).pattern + "([^/]*)" + expression(tail).pattern)
    words = {match[match.re.groups] for place in places if (match := shape.fullmatch(place))}
    return head + words.pop() + tail if len(words) == 1 and "{name}" in head else pattern


def is_alone(text: str) -> bool:
    """Tell whether {name} is preceded by a folder, or by nothing."""
    return text.partition("{name}")[0][-1:] in ("", "/")


def described(guess: Patterns, files: MatchedFiles, count: int) -> dict[str, str]:
    """Return notes on masks and what lacks them."""
    images = f"{counted(count, 'image')} {have(count)}"
    notes = {"masks": f"{images} one"}
    if isinstance(guess.masks, dict) and len(guess.masks) > 1:
        notes["masks"] = f"{images} masks, one file for each class; background is where none is"
    if any("man_seg" in text for text in guess.texts()):
        notes["masks"] += "; Cell Tracking Challenge: _ST is silver truth, _GT/SEG gold truth of a few frames"
    if files.unpaired:
        notes["unpaired"] = f"{counted(len(files.unpaired), 'file')} without a mask or without an image left out"
    if guess.valid:
        notes["valid"] = FIELD_OF_VIEW
    return notes


def shortened(layout: FolderLayout) -> FolderLayout:
    """Return the layout with what begins all its patterns as part of its path, unless that is the folder of a split."""
    split = layout.split or {}
    while True:
        lists = [part for part in split.values() if is_list(part)]
        head, slash, _ = layout.patterns.images.partition("/")
        texts = [*layout.patterns.texts(), *map(str, lists)]
        if not slash or set(head) & set("{*") or split_word(head) or not all(t.startswith(f"{head}/") for t in texts):
            return replace(layout, split=split or None)
        rest = len(head) + 1
        split = {key: part[rest:] if is_list(part) else part for key, part in split.items()}  # type: ignore[index]
        layout = replace(layout, path=layout.path / head, patterns=layout.patterns.changed(lambda t, n=rest: t[n:]))  # type: ignore[misc]
