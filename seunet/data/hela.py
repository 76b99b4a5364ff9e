"""DIC-C2DH-HeLa of the Cell Tracking Challenge: two sequences of 84 grey frames, cells in silver truth.

`0N/tTTT.tif` is a frame, `0N_ST/SEG/man_segTTT.tif` its silver truth: 0 is background, every cell has its own
label. The gold truth (`0N_GT`) covers few frames and is not used. Ulman et al. 2017, Maška et al. 2023.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seunet.data.images import open_image, to_array
from seunet.data.labels import values
from seunet.data.members import members, pairs
from seunet.data.source import Sample, Source
from seunet.data.splits import apply_limits
from seunet.runtime.errors import UserError

CLASSES = ("background", "cell")
VALIDATION_FRAMES = 10
_FRAME = re.compile(r"(?:^|/)(0[12])/t(\d+)\.tif$")
_TRUTH = re.compile(r"(?:^|/)(0[12])_ST/SEG/man_seg(\d+)\.tif$")


def generate(settings: dict, archives: dict[str, Path]) -> Source:
    """Return HeLa from its archive `sequences`, frames of 512 pixels.

    The last 10 frames of sequence 01 validate, the earlier ones train, sequence 02 tests. Frames without a
    silver truth are dropped, and named in the prepared data set.
    """
    archive = archives["sequences"]
    frames, truths = _index(archive)
    usable = sorted(frames.keys() & truths.keys())
    first, second = ([name for name in usable if name.startswith(sequence)] for sequence in ("01", "02"))
    whole = {"train": first[:-VALIDATION_FRAMES], "val": first[-VALIDATION_FRAMES:], "test": second}
    splits = apply_limits(whole, settings)

    def read(split: str) -> Iterator[Sample]:
        images = {frames[name]: name for name in splits[split]}
        masks = {truths[name]: name for name in splits[split]}
        for name, image, mask in pairs(archive, images, archive, masks):
            yield name, _image(image, frames[name]), _mask(mask, truths[name])

    return Source(
        classes=CLASSES,
        channels=1,
        splits=splits,
        read=read,
        dropped=[{"name": name, "reason": "no silver truth"} for name in sorted(frames.keys() - truths.keys())],
    )


def _index(archive: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return {"01/t000": member} of the frames and of the silver truth."""
    frames, truths = {}, {}

    def note(member: str) -> bool:
        for pattern, found in ((_FRAME, frames), (_TRUTH, truths)):
            if match := pattern.search(member):
                found[f"{match[1]}/t{match[2]}"] = member
        return False  # names are enough here

    list(members(archive, note))
    if not frames or not truths:
        missing = "0N_ST/SEG/man_segTTT.tif" if frames else "0N/tTTT.tif"
        raise UserError(f"{archive}: no file {missing} in it; is it DIC-C2DH-HeLa.zip? Check its url and sha256")
    return frames, truths


def _image(data: bytes, name: str) -> np.ndarray:
    return to_array(open_image(data, name), 1)


def _mask(data: bytes, name: str) -> np.ndarray:
    labels = values(open_image(data, name))
    return (labels > 0).astype(np.uint8)
