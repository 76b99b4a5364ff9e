"""How images are divided into training, validation and test: by shares, folders, lists, groups or folds; and limits."""

import hashlib
import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from seunet.data.source import SPLITS
from seunet.runtime.errors import UserError

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
FOLD_VALIDATION = 0.1  # share of the images outside the fold


def check_split(split: Mapping) -> None:
    """Raise UserError where the `split` of a data set says what cannot be: whatever the images are."""
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
    names: Iterable[str], split: Mapping, seed: int, root: Path, same: Mapping[str, str] | None = None
) -> dict[str, list[str]]:
    """Return {split: sorted names} of the images `names`, as the `split` of a data set asks.

    Args:
        split: train, val and test, each a share, a folder ("train/"), a file of names below `root` ("train.txt") or a
            list of names; or folds, fold and val; and groups. See config/README.md.
        same: {name: label} of images that must not be parted: those with one label.

    Raises UserError for a name that no image has, one in two splits, and an expression that a name does not match.
    """
    check_split(split)
    names = sorted(names)
    if "folds" in split:
        units = together(names, split.get("groups"), same)
        return _fold(units, split["folds"], split["fold"], split.get("val", FOLD_VALIDATION), seed)
    named = {key: _named(key, split[key], names, root) for key in SPLITS if not _is_share(split[key])}
    if twice := [name for name, times in Counter(n for listed in named.values() for n in listed).items() if times > 1]:
        raise UserError(f"split: {twice[0]} is in two splits ({len(twice)} such); name each image once")
    taken = {name for listed in named.values() for name in listed}
    units = together([name for name in names if name not in taken], split.get("groups"), same)
    drawn = draw(units, _shares(split), seed) if _shares(split) else {}
    return {key: named.get(key) or drawn.get(key, []) for key in SPLITS}


def drawn(split: Mapping) -> set[str]:
    """Return the splits whose images are drawn, not named: those of shares, or of folds."""
    return set(SPLITS) if "folds" in split else set(_shares(split))


def random_split(names: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, list[str]]:
    """Return {split: sorted names}: the names shuffled by `seed` and cut by `shares`, which sum to 1."""
    _check_shares(shares)
    return draw({name: [name] for name in names}, shares, seed)


def draw(units: Mapping[str, Sequence[str]], shares: Mapping[str, float], seed: int) -> dict[str, list[str]]:
    """Return {split: sorted names}: units of images that stay together, shuffled by `seed` and cut by `shares`.

    Lists on disk are sorted by breed, site or date, so they are never cut in their order. Every split with a
    share has at least one unit where there are enough.
    """
    order = shuffled(units, seed)
    images = [0, *accumulate(len(units[unit]) for unit in order)]  # before each cut
    waiting = sum(share > 0 for share in shares.values())
    splits, start, total = {}, 0, 0.0
    for split, share in shares.items():
        total += share
        end = max(start, _nearest(images, round(total * images[-1])))
        if len(order) - start >= waiting:
            waiting -= share > 0
            end = min(max(end, start + (share > 0)), len(order) - waiting)
        splits[split], start = sorted(name for unit in order[start:end] for name in units[unit]), end
    return splits


def together(names: Iterable[str], groups: str | None, same: Mapping[str, str] | None) -> dict[str, list[str]]:
    """Return {first name: names} of what stays together: one match of the expression `groups`, one label of `same`."""
    unit = {}  # name → the names of its unit, one list for all of them
    seen: dict[tuple, str] = {}
    for name in names:
        unit[name] = [name]
        for label in _labels(name, groups, same or {}):
            first = seen.setdefault(label, name)
            if unit[first] is not unit[name]:
                unit[first].extend(unit[name])
                for member in unit[name]:
                    unit[member] = unit[first]
    return {min(members): sorted(members) for members in {id(members): members for members in unit.values()}.values()}


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """Return the names in an order drawn by `seed`: that of the sha256 of "seed:name".

    The order of any two names depends on nothing else. So it is the same on every machine and version, a new
    image moves few others between splits, and a small limit draws a part of what a larger one draws.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def limited(names: Sequence[str], limit: int | None, seed: int) -> list[str]:
    """Return at most `limit` of `names`, drawn at random by `seed` and kept in their order; all if None."""
    kept = set(shuffled(names, seed)[:limit])
    return [name for name in names if name in kept]


def apply_limits(splits: Mapping[str, Sequence[str]], settings: Mapping) -> dict[str, list[str]]:
    """Return the splits after the `limit` of a data set's `settings`: before anything is decoded."""
    limits = settings.get("limit") or {}
    seed = settings.get("seed", 0)
    return {split: limited(names, limits.get(split), seed) for split, names in splits.items()}


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


def _fold(units: Mapping[str, list[str]], folds: int, fold: int, val: float, seed: int) -> dict[str, list[str]]:
    """Return the splits where one fold tests, and a share `val` of the others validates."""
    if len(units) < folds:
        raise UserError(f"split.folds: {folds}, but there are {len(units)} images or groups; use at most so many")
    tested = set(draw(units, {str(i): 1 / folds for i in range(folds)}, seed)[str(fold)])
    rest = {unit: names for unit, names in units.items() if unit not in tested}
    return draw(rest, {"train": 1 - val, "val": val}, seed) | {"test": sorted(tested)}


def _is_share(entry: object) -> bool:
    return isinstance(entry, int | float)


def _shares(split: Mapping) -> dict[str, float]:
    return {key: split[key] for key in SPLITS if key in split and _is_share(split[key])}


def _named(key: str, entry: str | list[str], names: Sequence[str], root: Path) -> list[str]:
    """Return the images that an entry of `split` names: a folder, a file of names or a list of names."""
    if isinstance(entry, str) and entry.endswith("/"):
        found = [name for name in names if name.startswith(entry)]
        if not found:
            folders = sorted({f"{PurePosixPath(name).parts[0]}/" for name in names if "/" in name})
            raise UserError(
                f"split.{key}: no image has a name that begins with {entry!r}; "
                f"there are the folders {', '.join(folders[:10]) or '(none)'}"
            )
        return found
    listed = _read_list(f"split.{key}", root / entry) if isinstance(entry, str) else entry
    known = set(names)
    chosen: set[str] = set()
    for line in listed:
        name = next((n for n in (line, str(PurePosixPath(line).with_suffix(""))) if n in known), None)
        if name is None:
            raise unknown(key, line, names)
        if name in chosen:
            raise UserError(f"split.{key}: {line!r} stands there twice; name each image once")
        chosen.add(name)
    return sorted(chosen)


def unknown(key: str, line: str, names: Sequence[str]) -> UserError:
    """Return the UserError for a name of `split` that no image has, though one may look the same."""
    look = {normalize("NFC", line), normalize("NFC", str(PurePosixPath(line).with_suffix("")))}
    if twin := next((name for name in names if normalize("NFC", name) in look), None):
        return UserError(
            f"split.{key}: {line!r} and the image {twin!r} are the same name in two Unicode forms; rename one"
        )
    return UserError(f"split.{key}: no image has the name {line!r}; names are such as {names[0]!r}")


def _read_list(key: str, path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # editors may put a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{key}: {path}: cannot be read as a list of names ({error}); a folder ends with /") from error
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _labels(name: str, groups: str | None, same: Mapping[str, str]) -> list[tuple[str, str]]:
    labels = [("same", same[name])] if name in same else []
    if groups:
        match = re.search(groups, name)
        if not match:
            raise UserError(f"split.groups: {groups!r} matches nothing in the name {name!r}; change it")
        label = match[1] if match.re.groups else match[0]
        if not label:
            raise UserError(f"split.groups: {groups!r} matches no letter of the name {name!r}; change it")
        labels.append(("group", label))
    return labels


def _nearest(images: Sequence[int], target: int) -> int:
    """Return the cut before which there are nearest to `target` images."""
    above = bisect_left(images, target)
    return above - 1 if above and target - images[above - 1] < images[above] - target else above
