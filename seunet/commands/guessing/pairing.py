"""Which families of files are images and which their masks: guessed from their names and from what the patterns say."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from seunet.commands.guessing.families import Family

# Parts of names that masks have, the surest first; "mask" alone is the field of view where a surer one is there.
MASK_WORDS = (
    "semantic", "manual", "truth", "gt", "label", "lab", "annot", "anno", "ann", "trimap", "segm", "seg", "parsing",
    "target", "ids", "mask",
)  # fmt: skip
IMAGE_WORDS = (
    "image", "img", "photo", "original", "raw", "rgb", "sat", "jpeg", "input", "ortho", "frame", "picture",
)  # fmt: skip
# Masks that are not the first choice, and files that are drawn for people.
LESS_WORDS = (
    "instance", "object", "panoptic", "visual", "vis", "viz", "overlay", "colour", "color", "human", "edge",
    "bound", "contour", "outline", "2nd", "second", "manual2", "depth", "prob", "confidence", "box", "preview",
    "skeleton", "distance", "weight", "thumb", "blend", "fov", "roi", "vk", "pred", "predict", "coarse",
)  # fmt: skip
# Masks without outlines.
MARKERS = (
    "track", "tracks", "tra", "marker", "markers", "center", "centers", "centre", "centres", "centroid", "centroids",
    "point", "points", "seeds",
)  # fmt: skip
SHORT = 4  # words up to here must stand alone
ENOUGH = 0.5  # of the masks must belong to an image
MOST_CANDIDATES = 30


@dataclass(frozen=True, eq=False)
class Candidate:
    """A guess: families of images and of masks, and the names that both have."""

    images: Family
    masks: Family
    names: frozenset[str]

    @cached_property
    def patterns(self) -> tuple[str, str]:
        """The patterns of images and masks: both with {folder}, or neither."""
        return unified(self.images, self.masks), unified(self.masks, self.images)

    @cached_property
    def worth(self) -> float:
        """How sure the guess is, by names alone."""
        images, masks = self.images.literal, self.masks.literal
        mask_words, image_words = rest_of(masks, images), rest_of(images, masks)
        sure = sureness(mask_words)
        worth = 6 * len(self.names) / len(self.masks.places) + 3 * math.log2(len(self.names))
        worth += 3 * bool(sure) + 0.1 * sure + has(IMAGE_WORDS, image_words) + 0.3 * has(["rgb"], image_words)
        worth -= 5 * bool(sureness(image_words)) + 3 * (has(IMAGE_WORDS, mask_words) and not sure)
        worth -= 5 * less(mask_words) + 2 * less(image_words) + 6 * marks(image_words)
        worth += 0.5 * (self.images.simplicity + self.masks.simplicity)
        worth -= 4 * lossy(self.masks.pattern) + 6 * marks(mask_words)
        worth += lossy(self.images.pattern) and not lossy(self.masks.pattern)
        numbers = {word for word in image_words.split() if word.isdigit()}  # 01/ has not its masks in 02_masks/
        return worth - (not self.masks.single) - min(2, len(numbers))


def candidates(families: Sequence[Family]) -> list[Candidate]:
    """Return the likely guesses, the surest first."""
    names = [frozenset(family.places) for family in families]
    found = []
    for images, image_names in zip(families, names, strict=True):
        if not images.single:
            continue
        for masks, mask_names in zip(families, names, strict=True):
            shared = image_names & mask_names
            if masks is images or len(shared) < max(2, ENOUGH * len(mask_names)) or not unified(images, masks):
                continue
            if images.files & masks.files:  # what masks take is no image
                own = {name for name, (place,) in images.places.items() if place not in masks.files}
                shared &= own
            if len(shared) >= max(2, ENOUGH * len(mask_names)) and unified(masks, images):
                found.append(Candidate(images, masks, shared))
    return sorted(found, key=lambda candidate: -candidate.worth)[:MOST_CANDIDATES]


def unified(family: Family, other: Family) -> str:
    """Return a family's pattern, with {folder} where the other has it; "" where that is not possible."""
    missing = other.folders - family.folders
    if missing <= 0:
        return family.pattern
    head, _, tail = family.pattern.partition("{name}")
    inside = all(name.count("/") >= other.folders for name in family.places)
    return f"{head}{'{folder}/' * missing}{{name}}{tail}" if inside and (not head or head.endswith("/")) else ""


def rest_of(text: str, other: str) -> str:
    """Return the words of a text that another text has not, in lower case."""
    known = set(words_of(other))
    return " ".join(word for word in words_of(text) if word not in known)


def words_of(text: str) -> list[str]:
    """Return the words of a text: letters with the digits that touch them; also the parts of CamelCase."""
    plain = re.sub(r"{\w+}", " ", text)
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return [word.lower() for word in re.findall(r"[A-Za-z0-9]+", f"{parted}")]


def has(words: Iterable[str], text: str) -> bool:
    """Tell whether one of some words is in a text; short words must stand alone, or be followed by digits."""
    alone = {re.sub(r"\d+$", "", word) for word in text.split()} | set(text.split())
    return any(word in alone if len(word) <= SHORT and word not in ("mask", "segm") else word in text for word in words)


def sureness(text: str) -> int:
    """Return how sure it is that a text is about masks, 0: not at all."""
    return max((len(MASK_WORDS) - i for i, word in enumerate(MASK_WORDS) if has([word], text)), default=0)


def less(text: str) -> bool:
    """Tell whether a word says that masks are not the first choice."""
    return has(LESS_WORDS, text)


def marks(text: str) -> bool:
    """Tell whether a word says that objects are marked by points or pieces, without their outlines."""
    return not set(MARKERS).isdisjoint(re.sub(r"\d+\b", "", text).split())


def lossy(pattern: str) -> bool:
    """Tell whether a pattern is of JPEG files."""
    return pattern.lower().endswith((".jpg", ".jpeg"))
