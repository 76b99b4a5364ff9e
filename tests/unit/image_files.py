"""A writer of PNG, TIFF, BMP and GIF files, from the standards and independent of any library that reads them."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np


@dataclass
class File:
    """The content of a file, and what a reader must find: `stored` (H, W, samples), not turned yet."""

    data: bytes
    stored: np.ndarray
    alpha: bool = False
    palette: np.ndarray | None = None
    orientation: int = 1
    frames: int = 1
    white_is_zero: bool = False
    refused: bool = False  # a kind that cannot be read exactly
    transparent: np.ndarray | None = None  # a grey value or a colour


def packed(rows: np.ndarray, bits: int) -> bytes:
    """Pack samples (rows, n) of 1, 2, 4 or 8 bits, each row to whole bytes, the first sample in the high bits."""
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint8)
    spread = rows[..., None] >> shifts & 1
    return np.packbits(spread.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


# PNG

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
PASSES = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]  # Adam7


def png(stored, bits, colour, rng, palette=None, transparency=None, orientation=1, frames=1, adam7=False, late=False):
    """Return a PNG; a random filter per row; `late` puts the orientation behind the pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, _ = stored.shape
    parts = [stored[y::dy, x::dx] for y, x, dy, dx in PASSES] if adam7 else [stored]
    scans = b"".join(_filtered(part, bits, rng) for part in parts if part.size)
    exif = chunk(b"eXIf", b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0))
    exif = exif if orientation > 1 else b""
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, adam7))
    data += chunk(b"gAMA", struct.pack(">I", 45455))
    if palette is not None:
        data += chunk(b"PLTE", palette[:, :3].tobytes())
    if transparency is not None:
        data += chunk(b"tRNS", transparency)
    data += b"" if late else exif
    if frames > 1:
        data += chunk(b"acTL", struct.pack(">II", frames, 0))
        data += chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 10, 0, 0))
    content = zlib.compress(scans, 1)
    cut = int(rng.integers(len(content)))
    data += chunk(b"IDAT", content[:cut]) + chunk(b"IDAT", content[cut:])
    for i in range(1, frames):
        data += chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * i - 1, width, height, 0, 0, 1, 10, 0, 0))
        data += chunk(b"fdAT", struct.pack(">I", 2 * i) + content)
    return data + (exif if late else b"") + chunk(b"IEND", b"")


def _filtered(stored, bits, rng):
    """Return the scanlines of an image or pass, each with a random filter (PNG, section 9)."""
    height, width, samples = stored.shape
    flat = stored.reshape(height, width * samples)
    raw = flat.astype(">u2").tobytes() if bits == 16 else packed(flat, bits)
    lines = np.frombuffer(raw, np.uint8).reshape(height, -1).astype(int)
    step = max(1, samples * bits // 8)
    out, above = b"", np.zeros(lines.shape[1], int)
    for line in lines:
        left, corner = (np.concatenate([np.zeros(step, int), row])[: len(row)] for row in (line, above))
        p = left + above - corner
        da, db, dc = abs(p - left), abs(p - above), abs(p - corner)
        paeth = np.where((da <= db) & (da <= dc), left, np.where(db <= dc, above, corner))
        kind = int(rng.integers(5))
        guess = [0, left, above, (left + above) // 2, paeth][kind]
        out += bytes([kind]) + (line - guess).astype(np.uint8).tobytes()
        above = line
    return out


# TIFF

NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
TYPES = {"H": 3, "I": 4, "Q": 16}


def tiff(
    stored, bits, photometric, order="<", compression=NONE, planar=False, tile=None, rows=None, predictor=False,
    extras=(), palette=None, orientation=1, frames=1, big=False, lsb=False,
):  # fmt: skip
    """Return a TIFF of `frames` equal pages: strips of `rows`, or tiles (height, width)."""
    height, width, samples = stored.shape
    planes = [stored[..., i : i + 1] for i in range(samples)] if planar else [stored]
    parts = [_encoded(part, bits, order, compression, predictor, lsb) for p in planes for part in _parts(p, tile, rows)]
    kind = {"u": 1, "i": 2, "f": 3}[stored.dtype.kind]
    head, word, entry, count = ("Q", "Q", 20, "Q") if big else ("I", "I", 12, "H")
    magic = struct.pack(order + "HHHQ", 43, 8, 0, 0)[:6] if big else struct.pack(order + "H", 42)
    start = (b"II" if order == "<" else b"MM") + magic
    body = b""
    base = len(start) + struct.calcsize(order + head)
    offsets = []
    for part in parts:
        offsets.append(base + len(body))
        body += part + b"\0" * (len(part) % 2)
    tags = [(256, "I", [width]), (257, "I", [height]), (258, "H", [bits] * samples), (259, "H", [compression])]
    tags += [(262, "H", [photometric])]
    tags += [(266, "H", [2])] if lsb else []
    tags += [(274, "H", [orientation]), (277, "H", [samples]), (284, "H", [2 if planar else 1])]
    tags += [(317, "H", [2])] if predictor else []
    tags += [(320, "H", (palette.astype(int) * 257).T.ravel())] if palette is not None else []
    tags += [(338, "H", list(extras))] if extras else []
    tags += [(339, "H", [kind] * samples)]
    if tile:
        tags += [(322, "I", [tile[1]]), (323, "I", [tile[0]]), (324, word, offsets), (325, word, list(map(len, parts)))]
    else:
        tags += [(273, word, offsets), (278, "I", [rows or height]), (279, word, list(map(len, parts)))]
    ifds = []
    place = base + len(body)
    for i in range(frames):
        ifd, outside = struct.pack(order + count, len(tags)), b""
        after = place + len(ifd) + entry * len(tags) + struct.calcsize(head)
        for tag, code, values in sorted(tags, key=lambda tag: tag[0]):
            content = struct.pack(f"{order}{len(values)}{code}", *map(int, values))
            room = struct.calcsize(head)
            if len(content) > room:
                outside += b"\0" * (len(outside) % 2)
                content, outside = struct.pack(order + head, after + len(outside)), outside + content
            ifd += struct.pack(order + "HH" + head, tag, TYPES[code], len(values)) + content.ljust(room, b"\0")
        end = after + len(outside)
        ifd += struct.pack(order + head, end if i + 1 < frames else 0) + outside
        ifds.append(ifd)
        place = end
    return start + struct.pack(order + head, base + len(body)) + body + b"".join(ifds)


def _parts(plane, tile, rows):
    """Yield strips of some rows, or tiles padded with zeros."""
    height, width, samples = plane.shape
    if not tile:
        rows = rows or height
        yield from (plane[y : y + rows] for y in range(0, height, rows))
        return
    for y in range(0, height, tile[0]):
        for x in range(0, width, tile[1]):
            part = np.zeros((*tile, samples), plane.dtype)
            cut = plane[y : y + tile[0], x : x + tile[1]]
            part[: cut.shape[0], : cut.shape[1]] = cut
            yield part


def _encoded(part, bits, order, compression, predictor, lsb):
    if predictor:
        part = np.concatenate([part[:, :1], part[:, 1:] - part[:, :-1]], axis=1)
    flat = part.reshape(len(part), -1)
    raw = packed(flat, bits) if bits < 8 else flat.astype(flat.dtype.newbyteorder(order)).tobytes()
    if compression == DEFLATE:
        raw = zlib.compress(raw)
    elif compression == LZW:
        raw = tiff_lzw(raw)
    elif compression == PACKBITS:
        raw = b"".join(bytes([len(run) - 1]) + run for run in (raw[i : i + 99] for i in range(0, len(raw), 99)))
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in raw) if lsb else raw


def tiff_lzw(raw: bytes) -> bytes:
    """Return bytes as LZW codes of 9 bits, cleared so often that none is longer."""
    codes = []
    for i in range(0, len(raw), 200):
        codes += [256, *raw[i : i + 200]]
    text = "".join(f"{code:09b}" for code in [*codes, 257])
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)


# BMP and GIF


def bmp(stored, bits, palette=None, upside_down=True):
    """Return a BMP: indices of 1, 4 or 8 bits, or RGB of 24."""
    height, width, _ = stored.shape
    lines = stored[::-1] if upside_down else stored
    if bits == 24:
        rows = [line[:, ::-1].tobytes() for line in lines]
    else:
        rows = [packed(line[None, :, 0], bits) for line in lines]
    pixels = b"".join(row + b"\0" * (-len(row) % 4) for row in rows)
    colours = b"" if palette is None else b"".join(bytes([b, g, r, 0]) for r, g, b in palette.tolist())
    used = 0 if palette is None else len(palette)
    start = 14 + 40 + len(colours)
    header = struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start)
    side = height if upside_down else -height
    return (
        header + struct.pack("<IiiHHIIiiII", 40, width, side, 1, bits, 0, len(pixels), 0, 0, used, 0) + colours + pixels
    )


def gif(stored, palette, frames=1):
    """Return a GIF of `frames` equal frames, with a palette of 256 colours."""
    height, width, _ = stored.shape
    data = b"GIF89a" + struct.pack("<HHBBB", width, height, 0xF7, 0, 0) + palette.tobytes()
    codes = []
    raw = stored.tobytes()
    for i in range(0, len(raw), 200):
        codes += [256, *raw[i : i + 200]]
    text = "".join(f"{code:09b}"[::-1] for code in [*codes, 257])
    text += "0" * (-len(text) % 8)
    lzw = bytes(int(text[i : i + 8][::-1], 2) for i in range(0, len(text), 8))
    blocks = b"".join(bytes([len(b)]) + b for b in (lzw[i : i + 255] for i in range(0, len(lzw), 255)))
    for _ in range(frames):
        data += b"\x21\xf9\x04\x00\x0a\x00\x00\x00,"
        data += struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x08" + blocks + b"\0"
    return data + b";"
