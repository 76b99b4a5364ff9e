"""Where the pixels of a TIFF lie, for an image of the same pixels: GeoTIFF tags, or the size of a pixel as the tags of
the resolution, ImageJ's unit or OME-XML say it."""

import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np

from seunet.data.formats.picture import Picture, one_line

GEOTIFF = (33550, 33922, 34264, 34735, 34736, 34737)  # scale, tie points, transformation, keys and their values
RESOLUTION = (282, 283, 296)  # pixels per unit along x and y, and the unit
SIZES = ("PhysicalSizeX", "PhysicalSizeXUnit", "PhysicalSizeY", "PhysicalSizeYUnit")  # of OME-XML


@dataclass(frozen=True)
class Georeference:
    """Arguments of tifffile.imwrite that say where pixels lie; lost: in words, what an answer cannot keep of it."""

    arguments: dict[str, Any] = field(default_factory=dict)
    lost: str = ""


def georeference(data: bytes, picture: Picture) -> Georeference:
    """Return where the pixels of a file lie, upright; nothing for what is no TIFF or says nothing."""
    if picture.format != "TIFF":
        return Georeference()
    import tifffile  # slow to import

    try:
        found = _read(data, picture.orientation)
        tifffile.imwrite(BytesIO(), np.zeros((1, 1), np.uint8), **found.arguments)
    except Exception as error:  # a tag may hold anything
        return Georeference(lost=f"its georeference or resolution ({one_line(error)})")
    return found


def _read(data: bytes, orientation: int) -> Georeference:
    """Do what `georeference` does; damaged tags raise errors of any kind."""
    import tifffile

    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages.first
        tags = [page.tags[code] for code in GEOTIFF if code in page.tags]
        x, y, unit = (page.tags.valueof(code) for code in RESOLUTION)
        sizes = ome_sizes(file.ome_metadata or "") if file.is_ome else {}
        imagej = page.description if file.is_imagej else ""
    found: dict[str, Any] = {"metadata": None}
    if tags and orientation == 1:
        found["extratags"] = [(tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in tags]
    if x and y:
        found["resolution"] = (y, x) if orientation > 4 else (x, y)
        found["resolutionunit"] = int(unit or 2)
    if sizes:
        found |= {"ome": True, "metadata": {"axes": "YX"} | (swapped(sizes) if orientation > 4 else sizes)}
    elif imagej:
        lines = [line for line in imagej.splitlines() if line.startswith(("ImageJ=", "unit="))]
        found["description"] = "\n".join([*lines, ""]).encode()
    return Georeference(found, "its georeference, since it was turned upright" if tags and orientation != 1 else "")


def ome_sizes(xml: str) -> dict[str, float | str]:
    """Return the size of a pixel and its units in OME-XML; nothing where it does not say both sides."""
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", xml)
    found = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', pixels[0])) if pixels else {}
    sizes: dict[str, float | str] = {}
    for key in SIZES:
        if key in found:
            sizes[key] = found[key] if key.endswith("Unit") else float(found[key])
    return sizes if {"PhysicalSizeX", "PhysicalSizeY"} <= sizes.keys() else {}


def swapped(sizes: dict[str, float | str]) -> dict[str, float | str]:
    """Return sizes with X and Y exchanged."""
    other = {"X": "Y", "Y": "X"}
    return {re.sub("[XY]", lambda axis: other[axis[0]], key, count=1): value for key, value in sizes.items()}
