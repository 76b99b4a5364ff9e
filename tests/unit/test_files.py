"""The gate: of any file, exactly the stored values or one line; never other values."""

import os
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
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

from seunet.commands.inputs import find_images
from seunet.data.arrays import Prepared
from seunet.data.formats.picture import UPRIGHT
from seunet.data.images import Window, open_image, read_file, to_array
from seunet.data.labels import colours, values
from seunet.data.prepared import prepare
from seunet.runtime.errors import UserError
from seunet.runtime.files import folders_below
from seunet.settings.dataset import Preparation

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
    clear = None
    if colour in (GREY, RGB) and not rng.integers(3):
        clear = stored[rng.integers(size[0]), rng.integers(size[1])] ^ rng.integers(2)
        transparency = clear.astype(">u2").tobytes()
    options = {"adam7": bool(rng.integers(2)), "late": bool(rng.integers(2))}
    data = png(stored, bits, colour, rng, palette, transparency, turn, frames, **options)
    return File(data, stored, alpha, palette, turn, frames, transparent=clear)


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
    if not rng.integers(3):  # greys in any order, and the ramp, which Pillow takes for a grey image
        greys = rng.permutation(256) if rng.integers(3) else np.arange(256)
        palette = np.repeat(greys.astype(np.uint8)[:, None], 3, axis=1)
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
    # Encoders number the palette of a GIF as they like: there the value is the grey that the index stands for
    worth = file.palette[stored[..., 0]] if picture.format == "GIF" else stored
    one = worth.shape[2] == 1 or ((picture.rgb or picture.format == "GIF") and (worth == worth[..., :1]).all())
    got = result(values, picture)
    assert (got is not None) == bool(clear and whole and one)
    assert got is None or np.array_equal(got, worth[..., 0])

    if file.transparent is not None:  # the value is as it is, but not its look
        clear = not (stored == file.transparent).all(axis=2).any()
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


# Folders

PLAIN = {"source": "folder", "image_size": 32, "classes": {"background": 0, "leaf": 255}}
QUARTER = np.zeros((32, 32, 1), np.uint8)
QUARTER[:16, :16] = 255
RANDOM = np.random.default_rng


def grey(seed, top=255, dtype=np.uint8):
    return RANDOM(seed).integers(0, top, (32, 32, 1), endpoint=True, dtype=dtype)


def a_folder(root, image=lambda i: png(grey(i), 8, GREY, RANDOM(0)), mask=lambda i: tiff(QUARTER, 8, 1), count=10):
    for i in range(count):
        for part, make in (("images", image), ("masks", mask)):
            (root / part).mkdir(parents=True, exist_ok=True)
            (root / part / f"a{i}.png").write_bytes(make(i))
    return root


def prepared(root, **change):
    prepare("mine", Preparation.model_validate(PLAIN | {"path": str(root)} | change), {}, root / "out")
    data = Prepared(root / "out")
    names = {name: i for i, name in enumerate(data.names["train"])}
    return data, {name: (data.train[0][i], data.train[1][i]) for name, i in names.items()}


def test_white_is_zero_masks_are_their_stored_values(tmp_path):
    data, _ = prepared(a_folder(tmp_path, mask=lambda i: tiff(QUARTER, 8, 0)))
    assert (data.train[1] == 1).mean() == 0.25


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int16, np.float32, np.float64])
def test_masks_of_any_type_that_holds_whole_numbers(tmp_path, dtype):
    mask = tiff(QUARTER.astype(dtype), np.dtype(dtype).itemsize * 8, 1)
    assert (prepared(a_folder(tmp_path, mask=lambda i: mask))[0].train[1] == 1).mean() == 0.25


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (tiff(np.where(QUARTER, 0.98, 0.02).astype(np.float32), 32, 1), "mask value 0.98 is no whole number"),
        (
            png(np.concatenate([QUARTER * 0 + 255] * 3 + [QUARTER], 2), 8, RGB_ALPHA, RANDOM(0)),
            "768 transparent pixels",
        ),
        (png(np.concatenate([QUARTER * 0 + 255, QUARTER], 2), 8, GREY_ALPHA, RANDOM(0)), "768 transparent pixels"),
        (
            tiff(np.concatenate([QUARTER] * 2, 2), 8, 1, extras=[0]),
            "a mask of one channel was expected, this one has 2",
        ),
    ],
)
def test_masks_of_which_nobody_can_say_the_classes(tmp_path, mask, said):
    with pytest.raises(UserError, match=f"a0.png: {said}"):
        prepared(a_folder(tmp_path, mask=lambda i: mask))


def test_two_bit_grey_masks(tmp_path):
    mask = png(QUARTER // 85, 2, GREY, RANDOM(0))
    assert (
        prepared(a_folder(tmp_path, mask=lambda i: mask), classes={"no": 0, "leaf": 3})[0].train[1] == 1
    ).mean() == 0.25


def test_colours_are_those_of_a_palette(tmp_path):
    mask = png(QUARTER // 255, 1, PALETTE, RANDOM(0), palette=np.array([[9, 8, 7], [1, 2, 3]], np.uint8))
    classes = {"no": [9, 8, 7], "leaf": [1, 2, 3]}
    assert (prepared(a_folder(tmp_path, mask=lambda i: mask), classes=classes)[0].train[1] == 1).mean() == 0.25


def test_a_declared_window_reads_deep_images(tmp_path, capfd):
    root = a_folder(tmp_path, image=lambda i: png(grey(i, 4200, np.uint16), 16, GREY, RANDOM(0)))
    with pytest.raises(
        UserError, match=r"10 problems:\n.*a0.png: pixels of more than 8 bits .*value_range: \[low, high\]"
    ):
        prepared(root)
    _, samples = prepared(root, value_range=[0, 4095])
    for name, (image, _) in samples.items():
        assert np.array_equal(image, np.rint(grey(int(name[1]), 4200, np.uint16).clip(0, 4095) * (255 / 4095)))
    assert "lie outside value_range [0, 4095]: clipped" in capfd.readouterr().err


@pytest.mark.parametrize("limits", [[4095, 0], [7, 7], [float("nan"), 1]])
def test_a_window_rises(limits):
    with pytest.raises(UserError, match=r"value_range \[.*\]: low must be below high"):
        Window(limits)


def one_tag(code, kind, count, value):
    """Return a grey TIFF of 4 x 4 pixels with a tag that says something else."""
    data = bytearray(tiff(np.full((4, 4, 1), 7, np.uint8), 8, 1))
    start = int.from_bytes(data[4:8], "little")
    for place in range(start + 2, start + 2 + 12 * int.from_bytes(data[start : start + 2], "little"), 12):
        if int.from_bytes(data[place : place + 2], "little") == code:
            data[place + 2 : place + 12] = struct.pack("<HI4s", kind, count, value)
            return bytes(data)
    raise KeyError(code)


BYTE, SHORT, LONG, FLOAT = 1, 3, 4, 11  # types of tags
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, ROWS = 256, 257, 258, 259, 262, 277, 278


@pytest.mark.parametrize("code", [WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, ROWS])
@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [(LONG, 0, bytes(4)), (SHORT, 2, b"\4\0\4\0"), (FLOAT, 1, struct.pack("<f", 1.5)), (BYTE, 4, b"\1\2\3\4")],
)
def test_tags_that_are_no_whole_number_are_refused_and_nothing_is_printed(code, kind, count, value, capfd):
    picture = result(open_image, one_tag(code, kind, count, value), "a.file")
    got = picture and result(picture.stored)
    if (code, kind) == (BITS, SHORT):  # twice 4 bits is clear: half of a byte
        assert np.array_equal(got, np.tile([0, 7], (4, 2))[..., None])
    elif code == ROWS and count > 1:  # of no meaning where all rows are in one strip
        assert np.array_equal(got, np.full((4, 4, 1), 7))
    else:
        assert got is None
    assert capfd.readouterr() == ("", "")


def test_a_window_is_meant_for_one_depth(tmp_path):
    root = a_folder(tmp_path, image=lambda i: png(grey(i, 200, np.uint16), 16 if i else 8, GREY, RANDOM(0)))
    with pytest.raises(UserError, match="one value_range is meant for all"):
        prepared(root, value_range=[0, 4095])


def test_sixteen_bits_of_three_channels_keep_their_values(tmp_path):
    colour = RANDOM(0).integers(0, 4096, (32, 32, 3), dtype=np.uint16)
    root = a_folder(tmp_path, image=lambda i: png(colour, 16, RGB, RANDOM(0)))
    image, _ = next(iter(prepared(root, value_range=[0, 255])[1].values()))
    assert np.array_equal(image, colour.clip(0, 255))


@pytest.mark.parametrize("channels", [2, 4, 5, 16])
def test_channels_are_kept(tmp_path, channels):
    many = RANDOM(1).integers(0, 256, (32, 32, channels), dtype=np.uint8)
    root = a_folder(
        tmp_path, image=lambda i: tiff(many, 8, 1, planar=i % 2, tile=(16, 16), extras=[0] * (channels - 1))
    )
    data, samples = prepared(root)
    assert data.channels == channels and all(np.array_equal(image, many) for image, _ in samples.values())


def test_a_folder_has_one_number_of_channels(tmp_path):
    many = RANDOM(1).integers(0, 256, (32, 32, 5), dtype=np.uint8)
    root = a_folder(tmp_path)
    (root / "images" / "a3.png").write_bytes(tiff(many, 8, 1, extras=[0] * 4))
    with pytest.raises(UserError, match="a3.png: 5 channels, but .*a4.png has 1 channel|a3.png: 5 channels"):
        prepared(root)


@pytest.mark.parametrize("turn", [3, 6])
def test_image_and_mask_are_turned_alike(tmp_path, turn):
    root = a_folder(
        tmp_path,
        image=lambda i: png(np.stack([QUARTER[..., 0]] * 3, 2), 8, RGB, RANDOM(0), orientation=turn),
        mask=lambda i: tiff(QUARTER, 8, 1, orientation=turn),
    )
    for image, mask in prepared(root)[1].values():
        assert np.array_equal(mask, UPRIGHT[turn](QUARTER)[..., 0] // 255) and np.array_equal(image[..., 0], mask * 255)


def test_another_orientation_of_the_mask_is_refused_where_it_is_not_clear(tmp_path):
    root = a_folder(tmp_path, image=lambda i: png(grey(i), 8, GREY, RANDOM(0), orientation=3))
    with pytest.raises(UserError, match="a0.png: orientation 1 .* its image has 3"):
        prepared(root)


def test_an_untagged_mask_of_the_upright_size_fits(tmp_path):
    """As annotation tools write it, that turn the image by its tag."""
    stored = np.zeros((16, 32, 1), np.uint8)
    stored[:, :8] = 255
    root = a_folder(
        tmp_path,
        image=lambda i: png(stored, 8, GREY, RANDOM(0), orientation=6),
        mask=lambda i: tiff(UPRIGHT[6](stored), 8, 1),
    )
    for image, mask in prepared(root)[1].values():
        assert np.array_equal(mask[:, 0], np.arange(32) < 8) and (np.abs(image[..., 0] - 255.0 * mask) < 200).all()


def test_all_problems_of_a_folder_are_listed_at_once(tmp_path):
    root = a_folder(tmp_path, count=30)
    for i in range(3, 17):
        (root / "images" / f"a{i}.png").write_bytes(b"")
    (root / "masks" / "a20.png").write_bytes(tiff(QUARTER[:20], 8, 1))
    with pytest.raises(UserError) as caught:
        prepared(root)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{root}: 15 problems:" and lines[-1] == "  and 5 more" and len(lines) == 12
    assert sum("the file is empty" in line for line in lines) == 9  # a20 comes before a3


def test_problems_that_only_the_pixels_show_are_listed_at_once(tmp_path):
    root = a_folder(tmp_path, count=12)
    for i in (2, 5, 9):
        (root / "masks" / f"a{i}.png").write_bytes(tiff(QUARTER // 2, 8, 1))
    with pytest.raises(UserError) as caught:
        prepared(root)
    text = str(caught.value)
    assert "3 problems:" in text and all(f"a{i}.png: mask value 127 is in no class" in text for i in (2, 5, 9))


def test_names_of_files_are_explained(tmp_path):
    root = a_folder(tmp_path)
    (root / "images" / "a0.png").unlink()
    (root / "images" / "a0.png").symlink_to(tmp_path / "nowhere")
    composed, apart = "caf\u00e9.png", "cafe\u0301.png"
    (root / "images" / composed).write_bytes(png(grey(0), 8, GREY, RANDOM(0)))
    (root / "masks" / apart).write_bytes(tiff(QUARTER, 8, 1))
    with pytest.raises(UserError) as caught:
        prepared(root)
    text = str(caught.value)
    assert "a0.png: a link to nothing" in text and f"{composed}: same name in another Unicode form as" in text
    assert "2 problems:" in text


def test_files_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(UserError, match="x.png: no permission to read it"):
        read_file(tmp_path / "x.png")


@pytest.mark.parametrize("where", ["folder", "names"])
def test_a_folder_that_may_not_be_read_is_not_left_out(tmp_path, monkeypatch, where):
    """Both halves of its pairs would be missing, so nobody would notice."""
    root = a_folder(tmp_path)
    for part in ("images", "masks"):
        (root / part / "sub").mkdir()
        (root / part / "sub" / "x.png").write_bytes(png(grey(0), 8, GREY, RANDOM(0)))
    scandir, access = os.scandir, os.access

    def refuse(path):
        if "sub" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    if where == "folder":
        monkeypatch.setattr("os.scandir", refuse)
    else:
        monkeypatch.setattr("os.access", lambda path, mode: "sub" not in str(path) and access(path, mode))
    with pytest.raises(UserError, match="images/sub: no permission to read it"):
        prepared(root)
    with pytest.raises(UserError, match="images/sub: no permission to read it"):
        find_images([root], tmp_path / "out")


def test_links_to_folders_are_followed_once_around_a_ring(tmp_path):
    for place in ("a/1.png", "b/2.png"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / place).touch()
    (tmp_path / "a" / "there").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    found = [
        str(Path(folder, file).relative_to(tmp_path)) for folder, _, names in folders_below(tmp_path) for file in names
    ]
    assert sorted(found) == ["a/1.png", "a/there/2.png", "b/2.png", "b/back/1.png"]


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(UserError, match="a folder; name an image file"):
        read_file(tmp_path)


@pytest.mark.parametrize("make", [a_png, a_tiff])
def test_files_cut_short_are_refused(make):
    """TIFF has no checksum: a cut may leave the pixels whole, never change them."""
    for seed in range(40):
        file = random_file(make, seed, (9, 11), 1, 1)
        for cut in (1, 9, 40, len(file.data) // 2):
            picture = result(open_image, file.data[:-cut], "a.file")
            got = picture and result(picture.stored)
            assert got is None or np.array_equal(got, file.stored[..., : got.shape[2]])


def test_the_frames_of_a_microscope_are_counted_where_tifffile_gives_them_no_tags():
    stream = BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for frame in noise(np.random.default_rng(0), (6, 8, 8), 8):  # "state.": how ScanImage describes a page
            file.write(frame, description="state.x=1", metadata=None)
    with pytest.raises(UserError, match="a.tif: . frames; save each as an image of its own"):
        open_image(stream.getvalue(), "a.tif")


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (3, np.uint8), (1, np.uint16), (3, np.uint16)])
def test_portable_maps_are_their_stored_values(channels, dtype):
    stored = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (4, 5, channels)).astype(dtype)
    kind, largest = (b"P5", b"P6")[channels == 3], str(np.iinfo(dtype).max).encode()
    samples = stored.astype(stored.dtype.newbyteorder(">")).tobytes()
    data = kind + b"\n# made by hand\n5 4\n" + largest + b"\n" + samples
    picture = open_image(data, "a.ppm")
    assert np.array_equal(picture.stored(), stored) and picture.rgb == (channels == 3)
    for wrong, said in [
        (data[:-1], "ends early"),
        (data + data, "several images"),
        (data.replace(largest, b"100", 1), "largest value 100"),
        (data.replace(b"5 4", b"5 x", 1), "header"),
    ]:
        with pytest.raises(UserError, match=said):
            open_image(wrong, "a.ppm")


@pytest.mark.parametrize("form", [{"imagej": True}, {"ome": True}, {}])
def test_planes_that_are_channels_by_the_metadata_are_channels(form):
    stored = np.random.default_rng(0).integers(0, 4000, (2, 6, 7)).astype(np.uint16)
    for axes, frames in (("CYX", 1), ("ZYX", 2)):
        file = BytesIO()
        tifffile.imwrite(file, stored, photometric="minisblack", metadata={"axes": axes}, **form)
        if frames > 1:
            with pytest.raises(UserError, match="2 frames"):
                open_image(file.getvalue(), "a.tif")
        else:
            picture = open_image(file.getvalue(), "a.tif")
            assert picture.channels == 2 and np.array_equal(picture.stored(), np.moveaxis(stored, 0, -1))
            with pytest.raises(UserError):
                open_image(file.getvalue()[:-60], "a.tif").stored()
