"""What to say of a folder in which no images with masks are found: what is there, and what to do about it."""

import json
import re
from pathlib import Path, PurePosixPath

from seunet.commands.guessing.folder_scan import FolderScan
from seunet.data.images import open_image, read_file
from seunet.runtime.errors import UserError
from seunet.runtime.wording import counted

# Suffixes of files that hold images or masks in forms that are not read, and what to do.
FORMS = {
    ".npy": "NumPy arrays: save each image and each mask as a file of its own, PNG or TIFF",
    ".npz": "NumPy arrays: save each image and each mask as a file of its own, PNG or TIFF",
    ".mat": "MATLAB files: save their masks as PNG",
    ".h5": "HDF5 files: save each image and each mask as PNG or TIFF",
    ".hdf5": "HDF5 files: save each image and each mask as PNG or TIFF",
    ".nii": "volumes: save their slices as PNG or TIFF",
    ".nii.gz": "volumes: save their slices as PNG or TIFF",
    ".mha": "volumes: save their slices as PNG or TIFF",
    ".dcm": "DICOM: save images as PNG or TIFF",
    ".zip": "archives: unpack them",
    ".tar": "archives: unpack them",
    ".tgz": "archives: unpack them",
    ".gz": "packed images: unpack them",
    ".czi": "images of a microscope: save each as TIFF",
    ".lif": "images of a microscope: save each as TIFF",
    ".nd2": "images of a microscope: save each as TIFF",
    ".heic": "photographs that are not read: save them as PNG or JPEG",
    ".dng": "photographs that are not read: save them as PNG or TIFF",
    ".shp": "outlines: draw them into PNG masks first, with the names of the images (gdal_rasterize does)",
    ".gpkg": "outlines: draw them into PNG masks first, with the names of the images (gdal_rasterize does)",
    ".webp": "images that are not read: save them as PNG",
    ".jp2": "images that are not read: save them as PNG",
    ".pbm": "images that are not read: save them as PNG",
    ".svs": "slides: cut them into tiles, as PNG or TIFF",
    ".ndpi": "slides: cut them into tiles, as PNG or TIFF",
    ".parquet": "tables with images inside: save these as files",
    ".tfrecord": "records with images inside: save these as files",
}
POLYGONS = "polygons or coded masks, which are not read: draw them into PNG masks first, with the names of the images"
DRAWN_BY = {
    "COCO": " (annToMask of pycocotools draws an annotation)",
    "labelme": " (labelme2voc.py in the examples of labelme does)",
}
RUN_LENGTHS = re.compile(r"rle|encodedpixels|run.?length", re.IGNORECASE)  # a column of Kaggle's tables
FEW_OTHERS = 0.1  # of the number of images: fewer files in other forms are named last
LEAST_PAIRS = 3  # one to train, one to validate, one to test
STUDIO = re.compile(r"task-\d+-annotation-\d+-by-\d+-tag-")


def nothing_found(found: FolderScan, doubt: UserError | None = None) -> UserError:
    """Return the error for a folder without pairs, in one line. doubt: what is wrong with files that may be masks."""
    root = found.root
    if polygons := polygon_files(found):
        return UserError(f"{root / polygons[0]}: {polygons[1]}: {POLYGONS}{DRAWN_BY.get(polygons[1], '')}")
    if studio := next((path for path in found.images if STUDIO.match(path.name)), None):
        return UserError(
            f"{root / studio}: Label Studio numbers masks by task, so no mask has the name of its image; rename each "
            "to it (the JSON export says which task is which image), then run again"
        )
    unread = [(suffix, count) for suffix, count in found.suffixes().most_common() if suffix in FORMS or packed(suffix)]
    if unread and unread[0][1] >= FEW_OTHERS * len(found.images):
        return UserError(f"{root / first_with(unread[0][0], found)}: {described(*unread[0])}")
    if channels := channels_apart(found):
        return UserError(
            f"{root / channels[0]}: by their names {' and '.join(path.name for path in channels)} are channels of one "
            "image; save all channels of an image in one file, PNG or TIFF"
        )
    if doubt:
        return doubt
    if not found.images:
        ours = f" but {counted(found.ours, 'file')} that seunet wrote" if found.ours else ""
        return UserError(
            f"{root}: no image in it (PNG, TIFF, GIF, JPEG, BMP, PGM or PPM){ours}; name the folder that has images "
            "and masks"
        )
    for path in found.images[:5]:
        open_image(read_file(root / path), str(root / path))  # stacks and damaged files say what they are
    if len(found.images) < 2 * LEAST_PAIRS:
        return UserError(
            f"{root}: no images with masks that are enough ({counted(len(found.images), 'image file')}); at least "
            f"{LEAST_PAIRS} images with a mask each are needed, to train, validate and test"
        )
    folders: dict[str, int] = {}
    for path in found.images:
        folders[str(path.parent)] = folders.get(str(path.parent), 0) + 1
    order = sorted(folders, key=lambda folder: -folders[folder])
    listed = ", ".join(f"{folder} ({counted(folders[folder], 'file')})" for folder in order[:6])
    more = f" and {len(order) - 6} more" if len(order) > 6 else ""
    return UserError(
        f"{root}: no images with masks of like names found in {listed}{more}; give each mask the name of its image, "
        "in a folder of its own or with an end such as _mask"
        + "".join(
            f"; {first_with(suffix, found)} is not read: {described(suffix, count)}" for suffix, count in unread[:1]
        )
    )


def described(suffix: str, count: int) -> str:
    """Return what files of a suffix are, and what to do with them."""
    return f"{counted(count, f'{suffix} file')} with {FORMS.get(suffix, FORMS['.gz'])}"


def first_with(suffix: str, found: FolderScan) -> PurePosixPath:
    """Return the first file with a suffix, in lower case."""
    return next(path for path in found.others if path.name.lower().endswith(suffix))


def channels_apart(found: FolderScan) -> list[PurePosixPath]:
    """Return the first files that differ in a number of channel alone, as nnU-Net writes it: a_0000.png, a_0001.png."""
    files = set(found.images)
    for path in found.images:
        if path.stem.endswith("_0000") and (other := path.with_stem(f"{path.stem[:-4]}0001")) in files:
            return [path, other]
    return []


def packed(suffix: str) -> bool:
    """Tell whether a suffix is of a file that is packed alone."""
    return suffix.endswith((".gz", ".bz2", ".xz"))


def polygon_files(found: FolderScan) -> tuple[str, str] | None:
    """Return a file that describes polygons, and in what form; None where there is none."""
    stems = {path.stem for path in found.images} | {path.name for path in found.images}
    for path in found.others:
        if path.suffix.lower() in (".json", ".geojson") and (form := json_form(found.root / path, path.stem in stems)):
            return str(path), form
    texts = [path for path in found.others if path.suffix.lower() == ".txt" and path.stem in stems]
    if texts and len(texts) >= len(found.images) / 2:
        return str(texts[0]), "YOLO"
    tables = [path for path in found.others if path.suffix.lower() == ".csv"]
    if file := next((path for path in tables if RUN_LENGTHS.search(header_of(found.root / path))), None):
        return str(file), "a table of run lengths"
    xml = [path for path in found.others if path.suffix.lower() == ".xml"]
    if file := next((path for path in xml if path.stem in stems or path.stem == "annotations"), None):
        return str(file), "annotations in XML"
    return None


def header_of(path: Path) -> str:
    """Return the first line of a text, or nothing."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline(1000)
    except (OSError, UnicodeDecodeError):
        return ""


def json_form(path: Path, beside_image: bool) -> str | None:
    """Return the form of annotations that a JSON file holds: COCO, labelme, VIA, …; None where it holds none."""
    if path.suffix.lower() == ".geojson":
        return "GeoJSON"
    try:
        with path.open(encoding="utf-8") as file:
            start = file.read(1_000_000)
    except (OSError, UnicodeDecodeError):
        return None
    for form, words in {
        "COCO": ('"annotations"',),
        "labelme": ('"shapes"',),
        "VIA": ('"regions"', '"shape_attributes"'),
        "Supervisely": ('"classTitle"', '"bitmap"'),
        "GeoJSON": ('"FeatureCollection"',),
        "polygons": ('"polygon"', '"polygons"', '"segmentation"', '"rle"'),
    }.items():
        if any(word in start for word in words):
            return form
    try:
        return "annotations in JSON" if beside_image and json.loads(start) else None
    except ValueError:
        return "annotations in JSON" if beside_image else None
