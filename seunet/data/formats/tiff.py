"""TIFF 6.0 by tifffile: grey, RGB, palette or up to 16 channels, planar or tiled, of any depth.

What tifffile would fill in or guess (missing strips, other photometrics) is refused here.
"""

import logging
import math
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from seunet.data.formats.picture import Picture, damaged, unreadable
from seunet.data.formats.pillow import upright_if_unknown
from seunet.runtime.errors import UserError

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

MAX_CHANNELS = 16
MAX_BYTES = 2**30  # of one image, or of one tile, decoded
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, YCBCR = 0, 1, 2, 3, 6  # tag 262: photometric interpretation
KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}  # tag 339: sample format
JPEG = 7
# tag 259: none, CCITT (3), LZW, JPEG, deflate (2), packbits, LZMA, Zstandard
COMPRESSIONS = (1, 2, 3, 4, 5, JPEG, 8, 32946, 32773, 34925, 50000)
ASSOCIATED, UNASSOCIATED = 1, 2  # alpha, in tag 338
BITS, SAMPLE_FORMAT = 258, 339
# Tags that say how pixels lie: sizes, bits, compression, colours, order, channels, strips, planes, tiles
LAYOUT = (256, 257, BITS, 259, 262, 266, 277, 278, 284, 317, 322, 323, 338, SAMPLE_FORMAT)
GRID = {False: ("rowsperstrip",), True: ("tilelength", "tilewidth")}  # by `is_tiled`

LOGGER = logging.getLogger("tifffile")
LOGGER.propagate = False
LOGGER.addHandler(logging.NullHandler())  # else Python prints what it warns of


def read(data: bytes, name: str) -> Picture:
    """Return the picture of a TIFF file; UserError for what would not be read exactly."""
    try:
        return _read(data, name)
    except UserError:
        raise
    except Exception as error:  # a damaged tag may hold anything, and tifffile hands it on
        raise unreadable(name, error) from error


def _read(data: bytes, name: str) -> Picture:
    """Do what `read` does, but for the errors of any kind that damaged files bring about."""
    import tifffile  # slow to import

    with _Strict():
        file = tifffile.TiffFile(BytesIO(data))
        page = file.pages.first
        _check_numbers(page, name)
        stacked = _stacked_channels(file, name, len(data))
        frames = 1 if stacked else _frames(file)
    samples, bits, dtype, compression = page.samplesperpixel, page.bitspersample, page.dtype, int(page.compression)
    photometric, orientation = int(page.photometric), page.tags.valueof(274, 1)
    extras = tuple(map(int, page.extrasamples))
    if not isinstance(bits, int):
        raise UserError(f"{name}: TIFF whose channels have other numbers of bits ({bits}); convert it")
    if compression not in COMPRESSIONS:
        raise UserError(f"{name}: TIFF compression {compression} is not read; save it with deflate, LZW or none")
    readable = (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, *([YCBCR] if compression == JPEG else []))
    if photometric not in readable:
        kind = tifffile.PHOTOMETRIC(photometric).name if photometric in tuple(tifffile.PHOTOMETRIC) else photometric
        raise UserError(f"{name}: TIFF of {kind} colours, which are not read; save it as RGB or grey")
    if int(page.sampleformat) not in KINDS or dtype is None:
        raise UserError(f"{name}: TIFF of samples that are not read (format {page.sampleformat}, {bits} bits)")
    if samples > MAX_CHANNELS:
        raise UserError(f"{name}: {samples} channels; at most {MAX_CHANNELS} are read")
    _check_segments(page, dtype.itemsize, len(data), name)
    extra = samples - (3 if photometric in (RGB, YCBCR) else 1)
    alpha = extra > 0 and extras[-1:] in ((ASSOCIATED,), (UNASSOCIATED,))
    if {ASSOCIATED, UNASSOCIATED} & set(extras[:-1]):
        raise UserError(f"{name}: alpha between other channels; save it with alpha last, or without")
    planar = samples > 1 and page.planarconfig == 2

    def decode() -> np.ndarray:
        array = file.series[0].asarray(maxworkers=1) if stacked else page.asarray(maxworkers=1)
        return np.moveaxis(array, 0, -1) if planar or stacked else array

    return Picture(
        name=name,
        format="TIFF",
        width=page.imagewidth,
        height=page.imagelength,
        samples=stacked or samples,
        decode=decode,
        bits=bits,
        kind=KINDS[int(page.sampleformat)],
        rgb=photometric in (RGB, YCBCR) and extra == alpha,
        white_is_zero=photometric == WHITE_IS_ZERO,
        alpha=alpha,
        palette=_palette(page, name) if photometric == PALETTE else None,
        orientation=upright_if_unknown(orientation),
        frames=frames,
        lossy=compression == JPEG,
    )


class _Strict(logging.Handler):
    """Raises what tifffile would only log, such as a tag that cannot be read, when the block ends."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(record.getMessage())

    def __enter__(self) -> None:
        LOGGER.addHandler(self)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        LOGGER.removeHandler(self)
        if self.errors and error is None:
            raise ValueError(self.errors[0])


def _check_numbers(page: "TiffPage", name: str) -> None:
    """Raise UserError unless the tags that say how pixels lie hold whole numbers, and one where one is meant.

    tifffile rounds fractions, and takes the first of several.
    """
    for code in LAYOUT:
        value = page.tags.valueof(code, 1)
        values = value if isinstance(value, (tuple, bytes)) else (value,)
        if not all(isinstance(one, int) for one in values):
            raise damaged(name, f"tag {code} is {value!r}, not a whole number")
        if code in (BITS, SAMPLE_FORMAT) and len(set(values)) > 1 and len(values) != page.samplesperpixel:
            raise damaged(name, f"tag {code} is {value!r}, of {page.samplesperpixel} channels")
    for key in ("imagewidth", "imagelength", "imagedepth", "samplesperpixel", "planarconfig", *GRID[page.is_tiled]):
        value = getattr(page, key)
        if not isinstance(value, int):
            raise damaged(name, f"{key} is {value!r}, not one whole number")


def _frames(file: "TiffFile") -> int:
    """Return the images of a file: its pages but for reduced copies, times planes; or what ImageJ says of one page."""
    first = file.pages.first
    # Tag 254 has 1 for a smaller copy, 4 for a mask. A page of ScanImage or LSM files may come without tags: an image.
    others = [page for page in file.pages if isinstance(page, type(first)) and page.tags.valueof(254, 0) & 5]
    count = (len(file.pages) - len(others)) * first.imagedepth
    if file.is_imagej or first.is_shaped:  # all images may lie behind one page
        count = max(count, file.series[0].size // max(1, math.prod(first.shape)))
    return count


def _stacked_channels(file: "TiffFile", name: str, length: int) -> int:
    """Return the channels of a file whose metadata (ImageJ, OME, tifffile) say that its planes are these; else 0."""
    if len(file.pages) == 1 and not (file.is_imagej or file.pages.first.is_shaped):
        return 0
    series, first = file.series[0], file.pages.first
    if series.axes != "CYX" or first.samplesperpixel != 1 or len(file.series) > 1:
        return 0
    if series.shape[0] > MAX_CHANNELS:
        raise UserError(f"{name}: {series.shape[0]} channels; at most {MAX_CHANNELS} are read")
    if series.dataoffset is not None:  # all planes in one piece, perhaps behind one page
        if series.dataoffset + series.nbytes > length:
            raise damaged(name, "it ends early")
        return int(series.shape[0])
    for page in file.pages:
        if not isinstance(page, type(first)) or page.shape != first.shape or page.dtype != first.dtype:
            raise damaged(name, "its channels have different sizes or depths")
        _check_segments(page, series.dtype.itemsize, length, name)
    return int(series.shape[0])


def _check_segments(page: "TiffPage", itemsize: int, length: int, name: str) -> None:
    """Raise UserError unless every strip or tile is there, whole and of a sane size."""
    height, width = page.imagelength, page.imagewidth
    rows, columns = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    if min(rows, columns, height, width) < 1:
        raise damaged(name, "a side of 0 pixels")
    planes = page.samplesperpixel if page.planarconfig == 2 else 1
    expected = math.ceil(height / rows) * math.ceil(width / columns) * planes
    if max(height * width, rows * columns) * page.samplesperpixel * itemsize > MAX_BYTES:
        raise UserError(f"{name}: absurd dimensions ({width}x{height}, {page.samplesperpixel} channels); reduce it")
    offsets, counts = page.dataoffsets, page.databytecounts
    if not len(offsets) == len(counts) == expected or min(counts) < 1 or min(offsets) < 1:
        raise damaged(name, "parts of the image are missing")
    if max(map(sum, zip(offsets, counts, strict=True))) > length:
        raise damaged(name, "it ends early")


def _palette(page: "TiffPage", name: str) -> np.ndarray:
    """Return the colours (n, 3) uint8 of a palette; TIFF gives them 16 bits, as v · 257 or v · 256."""
    if page.colormap is None or page.samplesperpixel != 1:
        raise damaged(name, "it has no palette")
    colours = np.asarray(page.colormap).T.astype(np.uint16)
    for factor in (257, 256):
        if not (colours % factor).any():
            return (colours // factor).astype(np.uint8)
    raise UserError(f"{name}: a palette of colours of 16 bits; save it with colours of 8 bits")
