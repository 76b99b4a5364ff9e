"""Some files of a large folder, so that images and their masks are both among them, or neither."""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

MOST_FILES = 1200  # that are looked at
COMMON = 0.05  # of the files, at most, have a number that tells them apart
FEW, NEARLY_ALL = 0.01, 0.9  # of all files, at most, lie in a folder of one image, and, at least, in such a folder


def sampled(images: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """Return about MOST_FILES files at most, so that an image is among them if and only if its masks are."""
    parts = -(-len(images) // MOST_FILES)
    if parts <= 1:
        return list(images)
    identities = by_folder(images) or by_number(images)
    return [file for file, text in zip(images, identities, strict=True) if zlib.crc32(text.encode()) % parts == 0]


def by_folder(files: Sequence[PurePosixPath]) -> list[str]:
    """Return for each file its folder that holds few files, {image}/masks/*.png; [] where many have none."""
    counts = Counter(part for file in files for part in set(file.parts[:-1]))
    own = [next((part for part in file.parts[:-1] if counts[part] <= FEW * len(files)), "") for file in files]
    return own if sum(map(bool, own)) >= NEARLY_ALL * len(files) else []


def by_number(files: Sequence[PurePosixPath]) -> list[str]:
    """Return for each file the longest number of its name that others have too, but not many; else letters."""
    numbers = [re.findall(r"\d+", file.stem) or re.findall(r"\d+", file.as_posix()) for file in files]
    counts = Counter(number for own in numbers for number in set(own))
    telling = [[number for number in own if 1 < counts[number] <= COMMON * len(files)] for own in numbers]
    return [max(own, key=len, default=file.stem[:4].lower()) for file, own in zip(files, telling, strict=True)]
