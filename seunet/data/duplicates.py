"""Copies of an image in two splits, also mirrored or turned by 90°: a test on images of the training is worthless."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from seunet.data.source import SPLITS
from seunet.data.splits import splits_by_chance
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation

Copies = list[dict[str, list[str]]]  # of each image that is in several splits: {split: names}


def fingerprint(image: np.ndarray) -> str:
    """Return a checksum of the pixels (h, w, C) that is the same for the 8 ways to mirror and turn them.

    Only the orientation with the largest key (shape and sums of its quarters) is hashed, not all eight. If several have
    the largest key, the smallest of their checksums is returned.
    """
    turned, quarters = orientations(image), orientations(_quarters(image))
    keys = [(*one.shape, *sums.ravel().tolist()) for one, sums in zip(turned, quarters, strict=True)]
    return min(_checksum(one) for one, key in zip(turned, keys, strict=True) if key == max(keys))


def orientations(array: np.ndarray) -> list[np.ndarray]:
    """Return the 8 ways to mirror and turn an array (h, w, …)."""
    return [np.rot90(side, turns) for side in (array, array[:, ::-1]) for turns in range(4)]


def copies(fingerprints: Mapping[str, Mapping[str, str]]) -> Copies:
    """Return the images that are in several splits, from {split: {name: fingerprint}}."""
    found: dict[str, dict[str, list[str]]] = {}
    for split in SPLITS:
        for name, checksum in fingerprints.get(split, {}).items():
            found.setdefault(checksum, {}).setdefault(split, []).append(name)
    return [{split: sorted(names) for split, names in places.items()} for places in found.values() if len(places) > 1]


def describe(found: Copies, names: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each two splits: how many images they have in common, with examples. names: by split."""
    lines = []
    for i, first in enumerate(SPLITS):
        for second in SPLITS[i + 1 :]:
            both = [places for places in found if first in places and second in places]
            if both:
                count = sum(len(places[second]) for places in both)
                examples = ", ".join(f"{places[second][0]} = {places[first][0]}" for places in both[:3])
                lines.append(
                    f"{count} of {len(names[second])} {second} images are also in {first}, as they are, mirrored or "
                    f"turned: {examples}{', …' if len(both) > 3 else ''}"
                )
    return lines


def refuse(found: Copies, names: Mapping[str, Sequence[str]], settings: Preparation) -> None:
    """Raise UserError if an image is in several splits; the message says what the user can do."""
    if lines := describe(found, names):
        raise UserError(f"duplicates: {lines[0]}; {remedies(found, settings)}")


def remedies(found: Copies, settings: Preparation) -> str:
    """Return what the user of a data set can do about its copies.

    Archives have checksums, so they cannot be changed. Copies can be grouped if all their splits are drawn at random.
    """
    accept = "accept them (duplicates: warn)"
    if settings.source != "folder":
        return accept
    by_chance = splits_by_chance(settings.split.non_defaults())
    if all(by_chance.issuperset(places) for places in found):
        return f"remove one of each, keep them together (duplicates: group), or {accept}"
    return f"remove one of each, name both in the same split, or {accept}"


def _quarters(image: np.ndarray) -> np.ndarray:
    """Return the sums of the four quarters, (2, 2); an odd row or column in the middle belongs to none."""
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    halves = image[:rows], image[image.shape[0] - rows :]
    parts = [(half[:, :columns], half[:, image.shape[1] - columns :]) for half in halves]
    return np.array([[part.sum(dtype=np.int64) for part in row] for row in parts])


def _checksum(image: np.ndarray) -> str:
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()
