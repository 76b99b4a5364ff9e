"""Oxford-IIIT Pet: images and trimaps of pet, background and the border between (Parkhi et al., CVPR 2012).

The official archives hold more than images and trimaps: AppleDouble files (`._*.png`) among the trimaps,
`.mat` files among the images, GIF and PNG files named .jpg, grey, palette and RGBA images, and 41 pairs in
neither list. Files are taken by the names of the lists, and decoded by what they are. 23 trimaps without any
pet are legal.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seunet.data.archive_members import read_members, read_pairs
from seunet.data.images import open_image, to_array
from seunet.data.labels import values
from seunet.data.source import Sample, Source
from seunet.data.splits import apply_limits, random_split
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation

CLASSES = ("pet", "background", "border")  # trimap values 1, 2, 3
LISTS = ("annotations/trainval.txt", "annotations/test.txt")
TRIMAPS = "annotations/trimaps/"
TRAIN_SHARE = {"train": 0.8, "val": 0.2}


def generate(settings: Preparation, archives: dict[str, Path]) -> Source:
    """Return Pet from its archives `images` and `annotations`.

    Training and validation are 80 % and 20 % of trainval.txt, drawn by `seed`: the list is sorted by breed.
    The test set is test.txt.
    """
    trainval, test, trimaps = _read_annotations(archives["annotations"])
    splits = apply_limits({**random_split(trainval, TRAIN_SHARE, settings.seed), "test": test}, settings)
    unlisted = sorted(trimaps - set(trainval) - set(test))

    def read(split: str) -> Iterator[Sample]:
        names = splits[split]
        images = {f"images/{name}.jpg": name for name in names}
        masks = {f"{TRIMAPS}{name}.png": name for name in names}
        for name, image, mask in read_pairs(archives["images"], images, archives["annotations"], masks):
            yield name, _image(image, name), _mask(mask, name)

    return Source(
        classes=CLASSES,
        channels=3,
        splits=splits,
        read=read,
        dropped=[{"name": name, "reason": "in neither trainval.txt nor test.txt"} for name in unlisted],
    )


def _read_annotations(path: Path) -> tuple[list[str], list[str], set[str]]:
    """Return the names of trainval.txt and test.txt, and of the trimaps."""
    lists, trimaps = {}, set()

    def is_list(member: str) -> bool:
        folder, _, file = member.rpartition("/")
        if folder + "/" == TRIMAPS and file.endswith(".png") and not file.startswith("._"):
            trimaps.add(file.removesuffix(".png"))
        return member in LISTS

    for member, text in read_members(path, is_list):
        lines = text.decode("utf-8", errors="replace").splitlines()
        lists[member] = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    for member in LISTS:
        if not lists.get(member):
            raise UserError(
                f"{path}: {member} is missing or empty; is it the annotations archive of Pet? Check its url"
            )
        if repeated := len(lists[member]) - len(set(lists[member])):
            raise UserError(f"{path}: {repeated} name(s) occur twice in {member}; use the official archive")
    if both := set(lists[LISTS[0]]) & set(lists[LISTS[1]]):
        raise UserError(f"{path}: {min(both)} is in both {LISTS[0]} and {LISTS[1]}; use the official archive")
    return lists[LISTS[0]], lists[LISTS[1]], trimaps


def _image(data: bytes, name: str) -> np.ndarray:
    name = f"images/{name}.jpg"
    return to_array(open_image(data, name), 3)


def _mask(data: bytes, name: str) -> np.ndarray:
    """Return the class indices of a trimap: its values less one."""
    name = f"{TRIMAPS}{name}.png"
    trimap = values(open_image(data, name))
    if trimap.min() < 1 or trimap.max() > 3:
        raise UserError(
            f"{name}: values {trimap.min()} to {trimap.max()}, expected 1 (pet), 2 (background), 3 (border)"
        )
    return (trimap - 1).astype(np.uint8)
