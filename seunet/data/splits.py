"""Division of images into training, validation and test: by shares, folders, lists or folds; and limits.

A group is a set of images that must be in the same split: patches of one slide, or copies of one image. An image that
belongs with no other is a group of its own. Shares and folds divide groups, not images.
"""

import hashlib
import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from seunet.data.name_lists import names_of_entry
from seunet.data.source import SPLITS
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation

FOLD_VALIDATION = 0.1  # share of the images outside the fold


def check_split(split: Mapping) -> None:
    """Raise UserError if the `split` of a data set is wrong for any images."""
    if "folds" in split or "fold" in split:
        _check_folds(split)
    else:
        for key in SPLITS:
            if key not in split:
                raise UserError(f"split.{key}: missing; give a share, a folder such as {key}/, or names")
        _check_shares(_shares(split))
    if "groups" in split:
        if not _shares(split) and "folds" not in split:
            raise UserError("split.groups: goes with shares or folds, and this split lists its images; remove it")
        try:
            re.compile(split["groups"])
        except re.error as error:
            raise UserError(
                f"split.groups: {split['groups']!r} is no regular expression ({error}); change it"
            ) from error


def divide(
    names: Iterable[str],
    split: Mapping,
    seed: int,
    root: Path,
    fingerprints: Mapping[str, str] | None = None,
    left_out: Collection[str] = (),
) -> dict[str, list[str]]:
    """Return {split: sorted names} of the images `names`, as the `split` of a data set asks.

    Args:
        names: of the images; where it is a mapping to their files, lists may also name files.
        split: train, val and test, each a share, a folder ("train/"), names with a wildcard ("train_*"), a file of
            names below `root` ("train.txt") or a list of names; or folds, fold and val; and groups. See
            config/README.md.
        fingerprints: {name: fingerprint}; images with the same fingerprint are in one group.
        left_out: names (and files) of images that are left out, which lists may name too.

    Raises UserError for a name that no image has, one in two splits, and an expression that a name does not match.
    """
    check_split(split)
    files = names if isinstance(names, Mapping) else {}
    names = sorted(names)
    if "folds" in split:
        groups = group_images(names, split.get("groups"), fingerprints)
        return _divide_fold(groups, split["folds"], split["fold"], split.get("val", FOLD_VALIDATION), seed)
    by_name = {
        key: names_of_entry(key, split[key], names, root, files, left_out)
        for key in SPLITS
        if not _is_share(split[key])
    }
    counts = Counter(name for listed in by_name.values() for name in listed)
    if twice := [name for name, times in counts.items() if times > 1]:
        raise UserError(f"split: {twice[0]} is in two splits ({len(twice)} such); name each image once")
    taken = set(counts)
    groups = group_images([name for name in names if name not in taken], split.get("groups"), fingerprints)
    by_chance = divide_groups(groups, _shares(split), seed) if _shares(split) else {}
    return {key: by_name.get(key) or by_chance.get(key, []) for key in SPLITS}


def splits_by_chance(split: Mapping) -> set[str]:
    """Return the splits whose images are chosen at random (shares and folds), not named by the user."""
    return set(SPLITS) if "folds" in split else set(_shares(split))


def random_split(names: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, list[str]]:
    """Return {split: sorted names}: the names shuffled by `seed` and cut by `shares`, which sum to 1."""
    _check_shares(shares)
    return divide_groups({name: [name] for name in names}, shares, seed)


def divide_groups(groups: Mapping[str, Sequence[str]], shares: Mapping[str, float], seed: int) -> dict[str, list[str]]:
    """Return {split: sorted names}: the groups {key: names}, shuffled by `seed` and cut by `shares`.

    The shuffling is necessary because files on disk are sorted by breed, site or date. If there are enough groups,
    each split with a share above 0 has at least one.
    """
    order = shuffled(groups, seed)
    images = [0, *accumulate(len(groups[key]) for key in order)]  # how many images are before each cut
    waiting = sum(share > 0 for share in shares.values())  # splits that still need a group
    splits, start, total = {}, 0, 0.0
    for split, share in shares.items():
        total += share
        end = max(start, _nearest_cut(images, round(total * images[-1])))
        if len(order) - start >= waiting:
            waiting -= share > 0
            end = min(max(end, start + (share > 0)), len(order) - waiting)
        splits[split], start = sorted(name for key in order[start:end] for name in groups[key]), end
    return splits


def group_images(
    names: Iterable[str], pattern: str | None, fingerprints: Mapping[str, str] | None
) -> dict[str, list[str]]:
    """Return the groups, {first name: sorted names}.

    Two images are in one group if the regular expression `pattern` has the same match in their names, if they have the
    same fingerprint, or if a chain of other images connects them in this way.
    """
    group_of: dict[str, list[str]] = {}  # all images of a group share one list
    first_with: dict[tuple[str, str], str] = {}  # label → the first image that has it
    for name in names:
        group_of[name] = [name]
        for label in _labels(name, pattern, fingerprints or {}):
            first = first_with.setdefault(label, name)
            if group_of[first] is not group_of[name]:
                group_of[first].extend(group_of[name])
                for member in group_of[name]:
                    group_of[member] = group_of[first]
    groups = {id(group): group for group in group_of.values()}.values()
    return {min(group): sorted(group) for group in groups}


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """Return the names in a random order given by `seed`: sorted by the sha256 of "seed:name".

    The order of two names depends on these names and the seed alone. So it is the same on every machine, a new image
    moves few others between splits, and the images of a small limit are among those of a larger one.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def limited(names: Sequence[str], limit: int | None, seed: int) -> list[str]:
    """Return at most `limit` of `names`, drawn at random by `seed` and kept in their order; all if None."""
    kept = set(shuffled(names, seed)[:limit])
    return [name for name in names if name in kept]


def apply_limits(splits: Mapping[str, Sequence[str]], settings: Preparation) -> dict[str, list[str]]:
    """Return the splits after the `limit` of a data set: before anything is decoded."""
    return {split: limited(names, getattr(settings.limit, split), settings.seed) for split, names in splits.items()}


def _check_shares(shares: Mapping[str, float]) -> None:
    wrong = any(share < 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1, abs_tol=1e-6)
    if shares and wrong:
        raise UserError(f"split: {dict(shares)} must be shares of at least 0 that sum to 1; change them")


def _check_folds(split: Mapping) -> None:
    if "folds" not in split:
        raise UserError("split.folds: missing; fold is one of so many")
    for key in ("train", "test"):
        if key in split:
            raise UserError(f"split.{key}: folds decide it; remove it")
    if not _is_share(split.get("val", FOLD_VALIDATION)):
        raise UserError(f"split.val: {split['val']!r} beside folds must be a share of the images outside the fold")
    if split.get("fold", 0) >= split["folds"]:
        raise UserError(f"split.fold: {split['fold']} of {split['folds']} folds; use 0 to {split['folds'] - 1}")


def _divide_fold(groups: Mapping[str, list[str]], folds: int, fold: int, val: float, seed: int) -> dict[str, list[str]]:
    """Return the splits: one fold is the test split, a share `val` of the other images is the validation split."""
    if len(groups) < folds:
        raise UserError(f"split.folds: {folds}, but there are {len(groups)} images or groups; use at most so many")
    tested = set(divide_groups(groups, {str(i): 1 / folds for i in range(folds)}, seed)[str(fold)])
    others = {key: names for key, names in groups.items() if key not in tested}
    return divide_groups(others, {"train": 1 - val, "val": val}, seed) | {"test": sorted(tested)}


def _is_share(entry: object) -> bool:
    return isinstance(entry, int | float)


def _shares(split: Mapping) -> dict[str, float]:
    return {key: split[key] for key in SPLITS if key in split and _is_share(split[key])}


def _labels(name: str, pattern: str | None, fingerprints: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the labels of an image, as pairs (kind, value). Images that have a label in common are in one group."""
    labels = [("fingerprint", fingerprints[name])] if name in fingerprints else []
    if pattern:
        match = re.search(pattern, name)
        if not match:
            raise UserError(f"split.groups: {pattern!r} matches nothing in the name {name!r}; change it")
        text = match[1] if match.re.groups else match[0]
        if not text:
            raise UserError(f"split.groups: {pattern!r} matches no letter of the name {name!r}; change it")
        labels.append(("match", text))
    return labels


def _nearest_cut(images: Sequence[int], target: int) -> int:
    """Return the index of the cut that has nearest to `target` images before it; images: how many each cut has."""
    above = bisect_left(images, target)
    return above - 1 if above and target - images[above - 1] < images[above] - target else above
