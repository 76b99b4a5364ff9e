"""The mark in files that the commands write: class maps, overlays, probabilities, pictures and figures are no images to
segment, and only what carries it is ever replaced."""

import warnings
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

MARK = "seunet"  # the text of a PNG, or the array of an .npz, that holds the mark
ANSWER = "written by seunet predict"  # how the mark of an answer begins
FIGURE = "drawn by seunet"
SOFTWARE = 305  # the tag of a TIFF that holds the mark


def mark_of(file: Path) -> str | None:
    """Return the mark of a file; None where it has none, as when somebody saved it anew."""
    try:
        if file.suffix == ".npz":
            with zipfile.ZipFile(file) as archive, archive.open(f"{MARK}.npy") as array:
                return str(np.lib.format.read_array(array, allow_pickle=False))
        if file.suffix.lower() not in (".png", ".tif", ".tiff"):
            return None
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=["PNG", "TIFF"]) as image:
            text = image.info.get(MARK) if image.format == "PNG" else image.tag_v2.get(SOFTWARE)  # type: ignore[attr-defined]
    except Exception:  # whatever a file of somebody else leads to: it is none of ours
        return None
    return text if isinstance(text, str) and text.startswith((ANSWER, FIGURE)) else None


def is_answer(file: Path) -> bool:
    """Tell whether `predict` or `scales` wrote this file, and nobody saved it anew since."""
    return (mark_of(file) or "").startswith(ANSWER)
