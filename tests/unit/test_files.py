"""The gate: of any file, exactly the stored values or one line; never other values."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from image_files import (
    DEFLATE,
    GREY,
    GREY_ALPHA,
    LZW,
    NONE,
    PACKBITS,
    PALETTE,
    RGB,
    RGB_ALPHA,
    File,
    bmp,
    gif,
    png,
    tiff,
)

from seunet.data.formats.picture import UPRIGHT
from seunet.data.images import Window, open_image, to_array
from seunet.data.labels import colours, values
from seunet.runtime.errors import UserError

# Files of every kind, by the writer of image_files


def noise(rng, shape, bits, kind="u"):
    """Return random samples, few of them different, so that palettes and runs occur; extremes are among them."""
    if kind == "f":
        dtype = np.dtype(f"f{bits // 8}")
        return rng.choice(np.array([0, 1, 2, 0.5, 300, -1], dtype), shape)
    info = np.iinfo(f"{kind}{max(8, bits) // 8}")
    low, high = (0, 2**bits - 1) if kind == "u" else (info.min, info.max)
    choice = rng.integers(low, high, 6, endpoint=True, dtype=info.dtype)
    return rng.choice(np.array([low, high, *choice], info.dtype), shape)


def a_png(rng, size, turn, frames):
    colour = int(rng.choice([GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA]))
    bits = int(rng.choice({GREY: [1, 2, 4, 8, 16], PALETTE: [1, 2, 4, 8]}.get(colour, [8, 16])))
    samples = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}[colour]
    stored = noise(rng, (*size, samples), bits)
    alpha = colour in (GREY_ALPHA, RGB_ALPHA)
    if alpha and rng.integers(4):
        stored[..., -1] = 2**bits - 1
    palette = transparency = None
    if colour == PALETTE:
        palette = rng.integers(0, 256, (2**bits, 3), dtype=np.uint8)
        if not rng.integers(3):
            transparency = rng.integers(254, 256, 2**bits, dtype=np.uint8)
            palette, transparency = np.column_stack([palette, transparency]), transparency.tobytes()
    options = {"adam7": bool(rng.integers(2)), "late": bool(rng.integers(2))}
    data = png(stored, bits, colour, rng, palette, transparency, turn, frames, **options)
    return File(data, stored, alpha, palette, turn, frames)


def a_tiff(rng, size, turn, frames):
    photometric = int(rng.choice([0, 1, 1, 1, 2, 2, 3, 5, 6, 8]))
    kind = "u" if photometric == 3 else str(rng.choice(["u", "u", "i", "f"]))
    bits = int(rng.choice({"u": [1, 2, 4, 8, 16, 32], "i": [8, 16, 32], "f": [16, 32, 64]}[kind]))
    bits = min(bits, 8) if photometric == 3 else bits
    colour = {2: 3, 5: 4, 6: 3, 8: 3}.get(photometric, 1)
    extra = 0 if photometric in (3, 5, 6, 8) else int(rng.choice([0, 0, 1, 2, 5]))
    alpha = extra > 0 and not rng.integers(2)
    stored = noise(rng, (*size, colour + extra), bits, kind)
    if alpha and rng.integers(4):
        stored[..., -1] = 1 if kind == "f" else 2 ** (bits - (kind == "i")) - 1
    options = {
        "order": "<>"[rng.integers(2)],
        "compression": int(rng.choice([NONE, LZW, DEFLATE, PACKBITS])),
        "planar": bool(rng.integers(2)),
        "tile": (16, 32) if not rng.integers(3) else None,
        "rows": int(rng.integers(1, size[0] + 1)),
        "big": not rng.integers(4),
        "lsb": bits < 8 and not rng.integers(3),
        "extras": [0] * (extra - alpha) + [int(rng.integers(1, 3))] * alpha,
        "orientation": turn,
        "frames": frames,
        "palette": rng.integers(0, 256, (2**bits, 3), dtype=np.uint8) if photometric == 3 else None,
    }
    options["predictor"] = kind != "f" and bits in (8, 16, 32) and options["compression"] in (LZW, DEFLATE)
    data = tiff(stored, bits, photometric, **options)
    palette = options["palette"]
    return File(data, stored, alpha, palette, turn, frames, photometric == 0, photometric in (5, 6, 8))


def a_bmp(rng, size, turn, frames):
    bits = int(rng.choice([1, 4, 8, 24]))
    palette = None if bits == 24 else rng.integers(0, 256, (2**bits, 3), dtype=np.uint8)
    if palette is not None and not rng.integers(3):  # a ramp of grey, which Pillow takes for a grey image
        palette = np.repeat(np.linspace(0, 255, 2**bits).astype(np.uint8)[:, None], 3, axis=1)
    stored = noise(rng, (*size, 3 if bits == 24 else 1), min(bits, 8))
    return File(bmp(stored, bits, palette, bool(rng.integers(2))), stored, palette=palette)


def a_gif(rng, size, turn, frames):
    palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    stored = noise(rng, (*size, 1), 8)
    return File(gif(stored, palette, frames), stored, palette=palette, frames=frames)


def random_file(make, seed, size, turn, frames):
    return make(np.random.default_rng(seed), size, turn, frames)


FILES = st.builds(
    random_file,
    st.sampled_from([a_png, a_tiff, a_tiff, a_bmp, a_gif]),
    st.integers(0, 2**32),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([1, 1, 1, 2, 3, 4, 5, 6, 7, 8]),
    st.sampled_from([1, 1, 1, 1, 2, 3]),
)


def result(function, *arguments):
    """Return what a function returns, or None where it refuses, in one line."""
    try:
        return function(*arguments)
    except UserError as error:
        assert len(str(error).splitlines()) == 1 and str(error).startswith("a.file: ")
        return None


def check_file(file):
    """Demand the stored values or a refusal of every way to read a file, and no refusal of what is clear."""
    picture = result(open_image, file.data, "a.file")
    if file.frames > 1 or file.refused:
        assert picture is None
        return
    stored = UPRIGHT[file.orientation](file.stored)
    bits, kind = picture.bits, stored.dtype.kind
    assert picture.size == (stored.shape[1], stored.shape[0])
    opaque = 1 if kind == "f" else 2 ** (bits - (kind == "i")) - 1
    clear = not file.alpha or (stored[..., -1] == opaque).all()
    stored = stored[..., :-1] if file.alpha else stored
    got = result(picture.stored)
    assert (got is not None) == bool(clear) and (got is None or np.array_equal(got, stored))

    whole = kind != "f" or (stored == np.rint(stored)).all()
    one = stored.shape[2] == 1 or (picture.rgb and (stored == stored[..., :1]).all())
    got = result(values, picture)
    assert (got is not None) == bool(clear and whole and one)
    assert got is None or np.array_equal(got, stored[..., 0])

    colour = file.palette
    small = colour is not None or (kind == "u" and bits in (1, 2, 4, 8))
    looks = stored * (255 // (2**bits - 1)) if kind == "u" else stored
    if colour is not None:
        looks = colour[stored[..., 0]]
        clear = colour.shape[1] == 3 or (looks[..., 3] == 255).all()
        looks = looks[..., :3]
    channels, readable = looks.shape[2], clear and not file.white_is_zero
    got = result(colours, picture)
    assert (got is not None) == bool(readable and small and (channels == 1 or picture.rgb or colour is not None))
    assert got is None or np.array_equal(got, np.broadcast_to(looks, got.shape))

    got = result(to_array, picture, channels)
    assert (got is not None) == bool(readable and small)
    assert got is None or (got.dtype == np.uint8 and np.array_equal(got, looks))
    window = Window([-10, 1000])
    got = result(to_array, picture, channels, None, window)
    assert (got is not None) == bool(readable and picture.palette is None)  # Pillow finds ramps of grey in BMP
    if got is not None:
        wide = stored.astype(np.float64)
        assert np.abs(got - (wide.clip(-10, 1000) + 10) * (255 / 1010)).max() <= 0.5 + 1e-9
        assert window.clipped == ((wide < -10) | (wide > 1000)).sum()


QUICK = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}


@settings(max_examples=300, **QUICK)
@given(FILES)
def test_stored_values_or_refusal(file):
    check_file(file)


@pytest.mark.slow
@settings(max_examples=3000, **QUICK)
@given(FILES)
def test_stored_values_or_refusal_of_3000_files(file):
    check_file(file)
