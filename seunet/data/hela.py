"""DIC-C2DH-HeLa of the Cell Tracking Challenge: two sequences of 84 grey frames, and which pixels are cells.

`0N/tTTT.tif` is a frame, `0N_ST/SEG/man_segTTT.tif` its silver truth, made by computer: 0 is background, every cell
has its own label. `0N_GT/SEG/man_segTTT.tif` is the gold truth, made by hand, of a few frames, and of some of these it
has a few cells alone; `0N_GT/TRA/man_trackTTT.tif` marks the place of every cell. Ulman et al. 2017, Maška et al. 2023.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seunet.data.archive_members import read_members, read_pairs
from seunet.data.images import open_image, to_array
from seunet.data.labels import values
from seunet.data.source import Sample, Source
from seunet.data.splits import apply_limits
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation

CLASSES = ("background", "cell")
VALIDATION_FRAMES = 10
_FRAME = re.compile(r"(?:^|/)(0[12])/t(\d+)\.tif$")
_TRUTHS = {
    "silver": re.compile(r"(?:^|/)(0[12])_ST/SEG/man_seg(\d+)\.tif$"),
    "gold": re.compile(r"(?:^|/)(02)_GT/SEG/man_seg(\d+)\.tif$"),
}
_MARKERS = re.compile(r"(?:^|/)(02)_GT/TRA/man_track(\d+)\.tif$")
ANNOTATED = 0.8  # of the marked cells must be in a gold truth: it lacks some that touch the border, here one in ten


def generate(settings: Preparation, archives: dict[str, Path]) -> Source:
    """Return HeLa from its archive `sequences`, frames of 512 pixels.

    The last 10 frames of sequence 01 validate, the earlier ones train, sequence 02 tests. Frames without a truth are
    dropped, and named in the prepared data set. With `truth: gold` only sequence 02 is read.
    """
    archive, truth = archives["sequences"], settings.truth or "silver"
    frames, truths = _index(archive, _FRAME), _index(archive, _TRUTHS[truth])
    if not frames or not truths:
        folder = {"silver": "ST", "gold": "GT"}[truth]
        missing = f"0N_{folder}/SEG/man_segTTT.tif" if frames else "0N/tTTT.tif"
        raise UserError(f"{archive}: no file {missing} in it; is it DIC-C2DH-HeLa.zip? Check its url and sha256")
    usable = sorted(frames.keys() & truths.keys())
    if truth == "gold":
        usable = _annotated(archive, {name: truths[name] for name in usable})
    first, second = ([name for name in usable if name.startswith(sequence)] for sequence in ("01", "02"))
    whole = {"train": first[:-VALIDATION_FRAMES], "val": first[-VALIDATION_FRAMES:], "test": second}
    splits = apply_limits(whole, settings)

    def read(split: str) -> Iterator[Sample]:
        images = {frames[name]: name for name in splits[split]}
        masks = {truths[name]: name for name in splits[split]}
        for name, image, mask in read_pairs(archive, images, archive, masks):
            yield name, _image(image, frames[name]), _mask(mask, truths[name])

    reason = {"silver": "no silver truth", "gold": "no gold truth of all its cells"}[truth]
    unusable = sorted(name for name in frames.keys() - set(usable) if truth == "silver" or name.startswith("02"))
    dropped = [{"name": name, "reason": reason} for name in unusable]
    return Source(classes=CLASSES, channels=1, splits=splits, read=read, dropped=dropped)


def _index(archive: Path, pattern: re.Pattern) -> dict[str, str]:
    """Return {"01/t000": member} of the members whose names match."""
    found = {}

    def note(member: str) -> bool:
        if match := pattern.search(member):
            found[f"{match[1]}/t{match[2]}"] = member
        return False  # names are enough here

    list(read_members(archive, note))
    return found


def _annotated(archive: Path, truths: dict[str, str]) -> list[str]:
    """Return the frames in whose truth the marked cells are."""
    marks = _index(archive, _MARKERS)
    pictures = {truths[name]: name for name in truths.keys() & marks.keys()}
    found = []
    for name, mark, truth in read_pairs(archive, {marks[name]: name for name in pictures.values()}, archive, pictures):
        markers, cells = values(open_image(mark, marks[name])), values(open_image(truth, truths[name])) > 0
        covered = [cells[markers == marker].mean() > 0.5 for marker in np.unique(markers[markers > 0])]
        if np.mean(covered or [1]) >= ANNOTATED:
            found.append(name)
    return sorted(found)


def _image(data: bytes, name: str) -> np.ndarray:
    return to_array(open_image(data, name), 1)


def _mask(data: bytes, name: str) -> np.ndarray:
    labels = values(open_image(data, name))
    return (labels > 0).astype(np.uint8)
