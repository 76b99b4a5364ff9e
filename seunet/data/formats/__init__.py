"""The gate through which every image and mask passes: facts from the file itself, then exactly the stored values.

Each format has a module. What cannot be read exactly, or in one way alone, is refused in one line.
"""

from pathlib import Path

from seunet.data.formats import pillow, png, pnm, tiff
from seunet.data.formats.picture import Picture, unreadable
from seunet.runtime.errors import UserError

MAX_PIXELS = 100_000_000  # more is taken for a decompression bomb: 10,000 x 10,000 is no training image
# Of the many formats of Pillow, those that data sets come in (Pet has GIFs); EPS would even start a program.
READERS = {
    png.SIGNATURE: png.read,
    b"II*\0": tiff.read,
    b"MM\0*": tiff.read,
    b"II+\0": tiff.read,  # BigTIFF
    b"MM\0+": tiff.read,
    b"\xff\xd8\xff": pillow.read,
    b"GIF8": pillow.read,
    b"BM": pillow.read,
    pnm.GREY: pnm.read,
    pnm.COLOUR: pnm.read,
}


def read_file(path: Path | str) -> bytes:
    """Return the content of a file; UserError in plain words where it cannot be read."""
    path = Path(path)
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        reason = "a link to nothing" if path.is_symlink() else "no such file"
        raise UserError(f"{path}: {reason}; correct the path or put the file there") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: a folder; name an image file") from error
    except PermissionError as error:
        raise UserError(f"{path}: no permission to read it; change its permissions") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name an image file") from error


def open_image(data: bytes, name: str) -> Picture:
    """Return the picture of a file's content, by its content and not by its suffix; pixels are not decoded yet.

    Raises UserError naming the file when it is empty, no image, damaged, of absurd dimensions, of several frames,
    or of a kind that is not read exactly.
    """
    if not data:
        raise UserError(f"{name}: the file is empty; replace or remove it")
    reader = next((reader for start, reader in READERS.items() if data.startswith(start)), None)
    if reader is None:
        raise unreadable(name, "none of PNG, JPEG, TIFF, GIF, BMP, PGM, PPM")
    picture = reader(data, name)
    if picture.width * picture.height > MAX_PIXELS:
        raise UserError(
            f"{name}: absurd dimensions ({picture.width}x{picture.height}, the limit is {MAX_PIXELS:,} pixels); "
            "reduce or remove it"
        )
    if picture.frames != 1:
        raise UserError(f"{name}: {picture.frames} frames; save each as an image of its own")
    return picture
