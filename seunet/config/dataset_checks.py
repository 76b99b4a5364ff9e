"""Data sets of the configuration: their keys fit together, and to their source."""

import math
from collections.abc import Mapping, Sequence

from seunet.config.name_checks import check_known
from seunet.config.plan import archive_suffix
from seunet.data import hela, pet, reef
from seunet.data.file_matching import folder_files
from seunet.data.fit import image_sides
from seunet.data.mask_files import MaskReader
from seunet.data.masks import classes_of
from seunet.data.patterns import patterns_of
from seunet.data.prepared import GENERATED, SOURCES
from seunet.data.splits import check_split
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Dataset
from seunet.settings.messages import format_value

# Keys that only one source reads, those of them that it needs, and the classes where the source fixes them.
OWN_KEYS = {
    "folder": ("path", "images", "masks", "valid", "classes", "ignore", "value_range", "split")
    + ("mask_channel", "unpaired", "exclude"),
    "shapes": ("count", "sizes"),
    "hela": ("truth",),
}
NEEDED_KEYS = {"folder": ("path",), "shapes": ("count",)}
CLASSES = {"pet": pet.CLASSES, "hela": hela.CLASSES, "shapes": reef.CLASSES}


def check_trained_on(path: str, dataset: Dataset, datasets: Mapping[str, Dataset]) -> None:
    """Check that the data set whose networks are tested here is one that trains them, with the same classes."""
    if dataset.trained_on is None:
        if dataset.truth == "gold":
            raise UserError(
                f"{path}: missing; truth: gold has no frames to train with, so name a data set of source hela"
            )
        return
    check_known(path, [dataset.trained_on], datasets)
    if datasets[dataset.trained_on].trained_on is not None:
        raise UserError(
            f"{path}: datasets.{dataset.trained_on} has trained_on itself; name a data set that is trained on"
        )


def check_dataset(path: str, dataset: Dataset) -> None:
    """Check what one key of a data set alone cannot say."""
    check_source(path, dataset)
    if 1 not in dataset.test_scales:
        raise UserError(f"{path}.test_scales: 1 is missing, and consistency compares with scale 1; add it")
    multiple, sides = dataset.size_multiple, image_sides(dataset.image_size)
    for size in sides:
        if size % multiple:
            below, above = size // multiple * multiple, (size // multiple + 1) * multiple
            near = f"{below} or {above}" if below else str(above)
            raise UserError(f"{path}.image_size: {size} is no multiple of size_multiple {multiple}; use {near}")
    crop, size = dataset.training.crop, min(sides)
    if crop is not None and crop > size:
        raise UserError(f"{path}.training.crop: {crop} is larger than image_size {size}; use at most {size}")
    if 1 in dataset.compared_scales:
        raise UserError(f"{path}.equivariance_scales: 1 is what the others are compared with; remove it")
    for key, pixels in dataset.tile or ():
        if pixels % multiple:
            raise UserError(f"{path}.tile.{key}: {pixels} is no multiple of size_multiple {multiple}; change it")


def check_source(path: str, dataset: Dataset) -> None:
    """Check the keys that depend on the source: archives, keys that it reads, sizes, files, classes."""
    check_archives(path, dataset)
    check_own_keys(path, dataset)
    if dataset.source in GENERATED:
        check_generated(path, dataset)
    elif dataset.test_pixels == "original" and dataset.fit == "tiles":
        raise UserError(f"{path}.test_pixels: tiles have the original's pixels already; remove it")
    if dataset.source == "folder":
        check_folder(path, dataset)
    elif dataset.duplicates == "group":
        raise UserError(f"{path}.duplicates: source {dataset.source} has splits of its own; use warn or error")
    check_classes(path, dataset)


def check_archives(path: str, dataset: Dataset) -> None:
    """Check that a data set names the archives of its source, with addresses that can be taken apart."""
    archives, (_, wanted) = dataset.archives.present(), SOURCES[dataset.source]
    if set(archives) != set(wanted):
        given = ", ".join(archives) or "none"
        raise UserError(f"{path}.archives: source {dataset.source} needs {' and '.join(wanted) or 'none'}, got {given}")
    for key, archive in archives.items():
        check_url(f"{path}.archives.{key}.url", archive.url)


def check_own_keys(path: str, dataset: Dataset) -> None:
    """Check that a data set has the keys that its source needs, and none that only another source reads."""
    source = dataset.source
    for other, keys in OWN_KEYS.items():
        for key in keys:
            if other != source and key in dataset.model_fields_set:
                raise UserError(f"{path}.{key}: only source {other} takes it, and this is source {source}; remove it")
    for key in NEEDED_KEYS.get(source, ()):
        if getattr(dataset, key) is None:
            raise UserError(f"{path}.{key}: missing; source {source} needs it")


def check_generated(path: str, dataset: Dataset) -> None:
    """Check the sizes of generated images."""
    source, sides = dataset.source, image_sides(dataset.image_size)
    if len(set(sides)) > 1:
        raise UserError(f"{path}.image_size: {dataset.image_size}; source {source} draws squares; give one number")
    if dataset.sizes and max(dataset.sizes) > 1:
        check_sizes(path, dataset.sizes, sides[0])
    if dataset.test_pixels == "original":
        raise UserError(f"{path}.test_pixels: source {source} draws its test images at each size; remove it")


def check_classes(path: str, dataset: Dataset) -> None:
    """Check the weights and the metric against the classes of a data set."""
    classes = CLASSES.get(dataset.source) or classes_of(dataset)
    weights = dataset.training.class_weights
    if isinstance(weights, list) and len(weights) != len(classes):
        raise UserError(
            f"{path}.training.class_weights: {len(weights)} weights, but {len(classes)} classes "
            f"({', '.join(classes)}); give one for each"
        )
    try:
        dataset.metric.check(classes)
    except UserError as error:
        raise UserError(f"{path}.{error}") from error


def check_sizes(path: str, sizes: Sequence[float], side: int) -> None:
    """Raise UserError when objects of these sizes fill generated images of so many pixels."""
    least = reef.least_side(sizes)
    if side < least:
        raise UserError(
            f"{path}.sizes: objects of size {max(sizes):g} fill images of {side} pixels; "
            f"use an image_size of at least {math.ceil(least)}"
        )


def check_url(path: str, url: str) -> None:
    """Raise UserError when an address cannot be taken apart."""
    try:
        archive_suffix(url)
    except ValueError as error:
        raise UserError(
            f"{path}: {format_value(url)} is no address ({error}); give https, http, file:// or a path"
        ) from error


def check_folder(path: str, dataset: Dataset) -> None:
    """Check the class map, the shares and the names of the files of a data set of source folder."""
    if isinstance(dataset.masks, Mapping) and dataset.classes is not None:
        raise UserError(f"{path}.classes: masks names the classes already, one file for each; remove this key")
    if not isinstance(dataset.masks, Mapping) and dataset.classes is None:
        raise UserError(f"{path}.classes: missing; source folder needs it")
    try:
        MaskReader(dataset)
        check_split(dataset.split.non_defaults())
        patterns_of(dataset)
    except UserError as error:
        raise UserError(f"{path}.{error}") from error
    try:
        braces = [file for file in folder_files(dataset) if set(file) & set("{}")]
    except (UserError, RuntimeError, OSError) as error:  # ~nobody, a name too long, a folder that may not be read
        raise UserError(f"{path}.path: {error}") from error
    if braces:
        raise UserError(f"{path}.path: {braces[0]}: Snakemake takes braces in a name for a wildcard; rename it")
