"""Which files below a folder are images, masks and fields of view: guessed from the names of files and folders."""

import os
from dataclasses import dataclass
from pathlib import Path

from seunet.commands.groups import SPLIT_OF, SPLITS, Group, grouped, walk
from seunet.commands.pairing import Candidate, bare, candidates, ends_around
from seunet.runtime.errors import UserError

VALID_WORDS = ("fov", "roi", "valid", "mask")


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
    reason = f"by the folders {', '.join(found.values())}"
    if missing := [split for split in SPLITS if split not in found]:
        shared = "train" if missing[0] != "train" else "val"
        split = {**found, shared: 0.9 if shared == "train" else 0.1, missing[0]: 0.1 if shared == "train" else 0.9}
        return {key: split[key] for key in SPLITS}, f"{reason}; {missing[0]} is a part of {found[shared]}"
    return {key: found[key] for key in SPLITS}, reason
