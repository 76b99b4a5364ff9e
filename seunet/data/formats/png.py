"""PNG (W3C Recommendation, third edition): its chunks say what is stored; Pillow or libpng decodes it."""

import logging
import struct
import zlib
from collections.abc import Iterator

import numpy as np

from seunet.data.formats.picture import Picture, damaged
from seunet.data.formats.pillow import ORIENTATION, open_pillow, palette, pixels, upright_if_unknown

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # colour types of IHDR
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
CHECKED = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf", b"acTL")
ORIENTED = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")  # keywords of texts that may hold an orientation


def read(data: bytes, name: str) -> Picture:
    """Return the picture of a PNG file. Raises UserError where it is damaged, cut short or against the standard."""
    frames, oriented, header, transparency = 0, False, b"", b""
    still: bool | None = True
    for kind, content in _chunks(data, name):
        if kind == b"IHDR" and not header:
            header = bytes(content)
        elif kind == b"tRNS":
            transparency = bytes(content)
        elif kind == b"acTL":
            frames = int.from_bytes(content[:4])
        elif kind == b"fcTL" and still is True:
            still = False  # a frame's header before the first data: the image is the first frame
        elif kind == b"IDAT" and still is True:
            still = None  # the image is no frame of the animation
        oriented |= kind == b"eXIf" or (
            kind in (b"tEXt", b"zTXt", b"iTXt") and bytes(content[:22]).startswith(ORIENTED)
        )
    if len(header) != 13:
        raise damaged(name, "its header is missing")
    width, height, bits, colour = struct.unpack(">IIBB", header[:10])
    image = open_pillow(data, name, ("PNG",))  # refuses wrong combinations of bits and colours
    samples = SAMPLES[colour]
    orientation = 1
    if oriented:
        try:
            image.load()  # the chunk may lie behind the data
            orientation = image.getexif().get(ORIENTATION, 1)
        except Exception as error:  # as in `open_pillow`
            raise damaged(name, error) from error

    def decode() -> np.ndarray:
        if bits == 16 and samples > 1:  # Pillow would cut it to 8 bits
            from imagecodecs import png_decode

            logging.getLogger("imagecodecs").setLevel(logging.CRITICAL)  # it warns of interlaced files
            return png_decode(data).reshape(height, width, -1)[..., :samples]
        array = pixels(image)
        # Pillow stretches grey of 2 and 4 bits to 0 … 255
        return array // (255 // (2**bits - 1)) if colour == GREY and bits in (2, 4) else array

    return Picture(
        name=name,
        format="PNG",
        width=width,
        height=height,
        samples=samples,
        decode=decode,
        bits=bits,
        rgb=colour in (RGB, RGB_ALPHA),
        alpha=colour in (GREY_ALPHA, RGB_ALPHA),
        transparent=_transparent(transparency, samples, bits, name) if transparency and colour in (GREY, RGB) else None,
        palette=palette(image),
        orientation=upright_if_unknown(orientation),
        frames=max(1, frames + (still is None)) if frames else 1,
    )


def _transparent(content: bytes, samples: int, bits: int, name: str) -> np.ndarray:
    """Return the grey value or colour that a tRNS chunk makes transparent, (samples,); two bytes each."""
    if len(content) != 2 * samples:
        raise damaged(name, "tRNS has a wrong length")
    return np.frombuffer(content, ">u2") & (2**bits - 1)


def _chunks(data: bytes, name: str) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (kind, content) of every chunk to IEND, with their checksums compared."""
    view, start = memoryview(data), len(SIGNATURE)
    while start + 12 <= len(data):
        length, kind = struct.unpack(">I4s", view[start : start + 8])
        content, end = view[start + 8 : start + 8 + length], start + 12 + length
        if end > len(data):
            break
        if kind in CHECKED and zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise damaged(name, f"wrong checksum in {kind.decode()}")
        yield kind, content
        if kind == b"IEND":
            return
        start = end
    raise damaged(name, "it ends early")
