"""Portable grey and colour maps, PGM (P5) and PPM (P6) in binary form: a header of numbers, then the samples."""

import re

import numpy as np

from seunet.data.formats.picture import Picture, damaged
from seunet.runtime.errors import UserError

GREY, COLOUR = b"P5", b"P6"
GAP = rb"(?:\s|#[^\n]*\n)+"  # white space and comments
HEADER = re.compile(rb"P[56]" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})\s")
DEPTHS = {255: 8, 65535: 16}  # bits by the largest value


def read(data: bytes, name: str) -> Picture:
    """Return the picture of a PGM or PPM file; UserError where it is damaged, or its largest value is another."""
    match = HEADER.match(data)
    if match is None:
        raise damaged(name, "its header is wrong")
    width, height, largest = map(int, match.groups())
    if largest not in DEPTHS:
        raise UserError(f"{name}: PGM or PPM with the largest value {largest}; save it with 255 or 65535, or as PNG")
    samples, bits = (3 if data.startswith(COLOUR) else 1), DEPTHS[largest]
    length = width * height * samples * bits // 8
    start = match.end()
    if not length or len(data) - start < length:
        raise damaged(name, "it ends early")
    if data[start + length :].strip():
        raise UserError(f"{name}: several images, or other data, behind the image; save each as an image of its own")

    def decode() -> np.ndarray:
        stored = np.frombuffer(data, ">u2" if bits == 16 else np.uint8, length * 8 // bits, start)
        return stored.astype(np.uint16 if bits == 16 else np.uint8).reshape(height, width, samples)

    return Picture(
        name=name,
        format="PNM",
        width=width,
        height=height,
        samples=samples,
        decode=decode,
        bits=bits,
        rgb=samples == 3,
    )
