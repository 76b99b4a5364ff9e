"""Which groups of files are images and which their masks: guessed from what begins and ends the names of files."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from seunet.commands.groups import Group

# Parts of names that masks have, the surest first; "mask" alone is the field of view where a surer one is there.
MASK_WORDS = ("manual", "truth", "gt", "label", "annot", "trimap", "seg", "target", "mask")
ENOUGH = 0.5  # of the masks must belong to an image, for two groups of files to belong together
Key = tuple[str, str]  # of a file in its group: (folder, name)
Ends = tuple[str, str, str, str]  # begin and end of images' names, begin and end of masks' names


@dataclass(frozen=True)
class Candidate:
    """A guess: images and masks of two groups (or of one) with what begins and ends their names."""

    images: Group
    masks: Group
    ends: Ends
    pairs: list[tuple[Key, Key]]

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


def common_ends(images: Group, masks: Group) -> Ends | None:
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


def common_tail(group: Group) -> Ends | None:
    """Return what ends the names of masks that lie beside their images."""
    tails: Counter = Counter()
    names = sorted(group.files)
    for (folder, name), (other_folder, other) in zip(names, names[1:], strict=False):
        if folder == other_folder and other.startswith(name):
            tails[other[len(name) :]] += 1
    tail = max(tails, key=lambda tail: (sureness(tail), tails[tail]), default=None)
    return None if tail is None else ("", "", "", tail)


def matched(images: Group, masks: Group, ends: Ends) -> list[tuple[Key, Key]]:
    """Return the pairs of keys of images and masks whose names are the same without their ends."""
    before, after, start, end = ends
    own = {key: name for key in masks.files if (name := bare(key, start, end)) is not None}
    by_name = {name: key for key, name in own.items()}
    taken = set(own) if masks is images else set()
    names = [(key, bare(key, before, after)) for key in images.files if key not in taken]
    return [(image, by_name[name]) for image, name in names if name in by_name]


def ends_around(names: list[Key], group: Group) -> tuple[str, str] | None:
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


def bare(key: Key, start: str, end: str) -> Key | None:
    """Return (folder, name) without what begins and ends the name; None where it does not."""
    folder, name = key
    parent, slash, last = name.rpartition("/")
    if not last.startswith(start) or not last.endswith(end) or len(last) <= len(start) + len(end):
        return None
    return folder, parent + slash + last[len(start) : len(last) - len(end)]
