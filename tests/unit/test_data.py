"""Preparing data sets: small archives with the oddities of the real ones, spoilt folders, real archives."""

import errno
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from seunet.config.reading import validated
from seunet.data import arrays, formats
from seunet.data.arrays import Prepared
from seunet.data.images import nearest, open_image, to_array
from seunet.data.masks import ClassMap
from seunet.data.prepared import prepare, render
from seunet.data.splits import limited, random_split
from seunet.runtime.errors import UserError
from seunet.runtime.files import sha256
from seunet.settings.dataset import Counts, Limit, Preparation, Testing
from seunet.settings.metric import Metric

MIRROR = Path(__file__).parents[3] / "shared" / "data"
SIZE = 16


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def colour(index, mode="RGB", size=(24, 20)):
    """A plain image whose colour tells which one it is."""
    return Image.new("RGB", size, (index * 3 % 256, 100, 200)).convert(mode)


def write_tar(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


# Source: splits and limits


def test_splits_are_random_disjoint_and_complete():
    names = [f"breed{i // 100:02d}_{i % 100}" for i in range(3680)]
    splits = random_split(names, {"train": 0.8, "val": 0.2}, seed=0)
    assert (len(splits["train"]), len(splits["val"])) == (2944, 736)
    assert sorted(splits["train"] + splits["val"]) == sorted(names)
    assert len({name[:7] for name in splits["val"]}) == 37  # every breed: not cut in order
    assert splits == random_split(reversed(names), {"train": 0.8, "val": 0.2}, seed=0)
    assert splits != random_split(names, {"train": 0.8, "val": 0.2}, seed=1)


def test_limits_are_nested_and_keep_the_order():
    names = [f"n{i:03d}" for i in range(100)]
    assert limited(names, None, 0) == limited(names, 200, 0) == names
    few, more = limited(names, 10, 0), limited(names, 20, 0)
    assert len(few) == 10
    assert set(few) < set(more)
    assert few == sorted(few)
    assert few != limited(names, 10, 1)


@pytest.mark.parametrize("shares", [{"train": 0.5, "val": 0.2}, {"train": 1.2, "val": -0.2}])
def test_bad_shares(shares):
    with pytest.raises(UserError, match="sum to 1"):
        random_split(["a"], shares, 0)


# Images


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_mode_becomes_grey_or_rgb(mode, channels):
    array = to_array(open_image(encoded(colour(0, mode)), "x"), channels, (8, 12))
    assert array.shape == (8, 12, channels)
    assert array.dtype == np.uint8
    grey = np.asarray(colour(0, mode).convert("L")).mean()
    assert np.abs(array.mean(axis=(0, 1)).astype(float).mean() - grey) < 40


def test_palette_with_transparency():
    image = colour(0, "P")
    data = encoded(image, "PNG", transparency=0)
    assert to_array(open_image(data, "x"), 3, (4, 4)).shape == (4, 4, 3)


def test_reduction_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    assert np.ptp(to_array(open_image(encoded(stripes), "x"), 1, (8, 8))[:, 1:-1]) < 40


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 2, 3, 5]), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_nearest_keeps_classes_apart(height, width, factor, seed):
    mask = np.random.default_rng(seed).integers(0, 9, (height, width), dtype=np.uint8)
    larger = nearest(mask, (height * factor, width * factor))
    assert np.array_equal(larger, mask.repeat(factor, 0).repeat(factor, 1))
    assert np.array_equal(nearest(larger, (height, width)), mask)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"<html>no</html>", "not a readable image"),
        (encoded(colour(0))[:60], "truncated|not a readable"),
        (encoded(Image.effect_noise((90, 90), 50))[:-400], "truncated"),
        (encoded(np.zeros((4, 4), np.uint16), "TIFF"), "more than 8 bits"),
        (encoded(np.zeros((4, 4), np.float32), "TIFF"), "more than 8 bits"),
    ],
)
def test_unreadable_images(data, said):
    with pytest.raises(UserError, match=f"some.png: .*({said})") as caught:
        to_array(open_image(data, "some.png"), 3, (4, 4))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pillow_limit", [10, 10**9])
def test_absurd_dimensions(monkeypatch, pillow_limit):
    monkeypatch.setattr(formats, "MAX_PIXELS", 100)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    with pytest.raises(UserError, match="big.png: absurd dimensions"):
        open_image(encoded(colour(0)), "big.png")


# Pet


def pet_files():
    """Archives like the official ones: 20 listed for training, 5 for the test, 2 in neither list."""
    names = [f"breed{i // 5}_{i}" for i in range(27)]
    photos, annotations = {}, {}
    for i, name in enumerate(names):
        mask = np.full((20, 24), 2, np.uint8)
        mask[:8] = 1 if i != 3 else 2  # a trimap without a pet is legal
        mask[8:10] = 3
        annotations[f"annotations/trimaps/{name}.png"] = encoded(mask)
        annotations[f"annotations/trimaps/._{name}.png"] = b"\0\5\26\7AppleDouble"
        photos[f"images/{name}.jpg"] = encoded(colour(i), "JPEG", quality=95)
    for i, (kind, mode) in enumerate([("GIF", "P"), ("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "L"), ("PNG", "LA")]):
        photos[f"images/{names[i]}.jpg"] = encoded(colour(i, mode), kind)
    photos["images/breed0_0.mat"] = b"MATLAB 5.0"
    lists = {"trainval": names[:20], "test": names[20:25]}
    for list_name, listed in lists.items():
        lines = "# a comment\n" + "".join(f"{name} 1 2 3\n" for name in listed)
        annotations[f"annotations/{list_name}.txt"] = lines.encode()
    return photos, annotations


def pet_archives(folder, photos, annotations):
    return {
        "images": write_tar(folder / "images.tar.gz", photos),
        "annotations": write_tar(folder / "annotations.tar.gz", annotations),
    }


PET = Preparation(source="pet", image_size=SIZE)


def test_pet(tmp_path):
    archives = pet_archives(tmp_path, *pet_files())
    prepare("pets", PET, archives, tmp_path / "out")
    data = Prepared(tmp_path / "out")
    assert data.classes == ["pet", "background", "border"]
    assert (data.channels, data.height, data.width, data.metric.written()) == (3, SIZE, SIZE, "mean_iou")
    assert [len(pair[0]) for pair in (data.train, data.val, data.test)] == [16, 4, 5]
    assert {name for split in ("train", "val") for name in data.names[split]} == {
        f"breed{i // 5}_{i}" for i in range(20)
    }
    for split in ("train", "val", "test"):  # every image is at the place of its name
        photos, masks = getattr(data, split)
        for name, photo, mask in zip(data.names[split], photos, masks, strict=True):
            i = int(name.split("_")[1])
            assert mask[0, 0] == (0 if i != 3 else 1)
            assert mask[-1, 0] == 1
            assert set(np.unique(mask)) <= {0, 1, 2}
            if i > 4:
                assert np.abs(photo.mean(axis=(0, 1)) - [i * 3, 100, 200]).max() < 4
    description = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert description["archives"] == {key: sha256(path) for key, path in archives.items()}
    assert [entry["name"] for entry in description["dropped"]] == ["breed5_25", "breed5_26"]
    assert data.rendered(8, 8) is None


def test_limits_decode_only_what_is_kept(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("seunet.data.pet.open_image", lambda data, name: opened.append(name) or open_image(data, name))
    archives = pet_archives(tmp_path, *pet_files())
    prepare("pets", PET.model_copy(update={"limit": Limit(train=3, test=2)}), archives, tmp_path / "out")
    data = Prepared(tmp_path / "out")
    assert [len(data.names[split]) for split in ("train", "val", "test")] == [3, 4, 2]
    assert len(opened) == 2 * (3 + 4 + 2)


def damaged_pet(photos, annotations, damage):
    if damage == "no list":
        del annotations["annotations/test.txt"]
    elif damage == "empty list":
        annotations["annotations/test.txt"] = b"#\n"
    elif damage == "both lists":
        annotations["annotations/test.txt"] += b"breed0_1 1 1 1\n"
    elif damage == "twice":
        annotations["annotations/test.txt"] *= 2
    elif damage == "no image":
        del photos["images/breed4_20.jpg"]
    elif damage == "no trimap":
        del annotations["annotations/trimaps/breed4_20.png"]
    elif damage == "bad trimap":
        annotations["annotations/trimaps/breed4_20.png"] = encoded(np.zeros((20, 24), np.uint8))
    elif damage == "colour trimap":
        annotations["annotations/trimaps/breed4_20.png"] = encoded(colour(1))
    elif damage == "bad image":
        photos["images/breed4_20.jpg"] = photos["images/breed4_20.jpg"][:200]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("no list", "test.txt is missing"),
        ("empty list", "test.txt is missing or empty"),
        ("both lists", "breed0_1 is in both"),
        ("twice", "occur twice"),
        ("no image", "images.tar.gz: 1 expected.*images/breed4_20.jpg"),
        ("no trimap", "annotations.tar.gz: 1 expected.*breed4_20.png"),
        ("bad trimap", "breed4_20.png: values 0 to 0"),
        ("colour trimap", "breed4_20.png: a mask in colour"),
        ("bad image", "breed4_20.jpg: .*(truncated|not a readable)"),
    ],
)
def test_damaged_pet(tmp_path, damage, said):
    photos, annotations = pet_files()
    damaged_pet(photos, annotations, damage)
    with pytest.raises(UserError, match=said):
        prepare("pets", PET, pet_archives(tmp_path, photos, annotations), tmp_path / "out")
    assert not (tmp_path / "out" / "dataset.json").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metric": Metric("iou", "cat")}, "datasets.pets.metric.*pet, background, border"),
        ({"source": "hela"}, "datasets.pets.archives: source hela takes sequences"),
    ],
)
def test_bad_settings(tmp_path, change, said):
    with pytest.raises(UserError, match=said):
        prepare("pets", PET.model_copy(update=change), pet_archives(tmp_path, *pet_files()), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metric": "dice"}, "^metric"),
        ({"source": "pest"}, "^source: .*pest"),
        ({"limit": {"val": 0}}, "^limit.val: 0 .* at least 1"),
        ({"classes": {}}, "^classes: .* at least 2"),
        ({"split": {"train": 1.0, "val": 0.0, "test": 0.0}}, "^split.*: .* out of bounds"),
        *(({"count": {"train": 1, "val": value, "test": 1}}, "^count.val: ") for value in (0, -1, None, 2.5, True)),
    ],
)
def test_settings_that_no_data_set_has(change, said):
    with pytest.raises(UserError, match=said):
        validated(Preparation, {"source": "shapes", "image_size": 64} | change)


def test_an_archive_with_another_checksum(tmp_path):
    with pytest.raises(UserError, match="images.tar.gz: sha256 .* expects 000"):
        prepare("pets", PET, pet_archives(tmp_path, *pet_files()), tmp_path / "out", {"images": "0" * 64})
    assert not (tmp_path / "out").exists()


# HeLa


def hela_files():
    files = {}
    for sequence in ("01", "02"):
        for frame in range(14):
            labels = np.zeros((SIZE, SIZE), np.uint16)
            labels[:4], labels[4 : 4 + frame % 5] = 300 + frame, 7
            top = f"DIC-C2DH-HeLa/{sequence}"
            grey = np.full((SIZE, SIZE), int(sequence) * 100 + frame, np.uint8)
            files[f"{top}/t{frame:03d}.tif"] = encoded(grey, "TIFF")
            files[f"{top}_ST/SEG/man_seg{frame:03d}.tif"] = encoded(labels, "TIFF", compression="tiff_lzw")
            files[f"{top}_GT/SEG/man_seg{frame:03d}.tif"] = b"gold truth: not read"
            files[f"{top}_GT/TRA/man_track{frame:03d}.tif"] = b"tracking: not read"
    del files["DIC-C2DH-HeLa/02_ST/SEG/man_seg003.tif"]
    return files


def hela_archive(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("DIC-C2DH-HeLa")
        for name, data in files.items():
            archive.writestr(name, data)
    return {"sequences": path}


HELA = Preparation(source="hela", image_size=SIZE, metric=Metric("iou", "cell"))


def test_hela(tmp_path):
    prepare("cells", HELA, hela_archive(tmp_path / "a.zip", hela_files()), tmp_path / "out")
    data = Prepared(tmp_path / "out")
    assert (data.classes, data.channels, data.metric) == (["background", "cell"], 1, Metric("iou", "cell"))
    assert data.names["train"] == [f"01/t{i:03d}" for i in range(4)]
    assert data.names["val"] == [f"01/t{i:03d}" for i in range(4, 14)]
    assert data.names["test"] == [f"02/t{i:03d}" for i in range(14) if i != 3]
    description = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert description["dropped"] == [{"name": "02/t003", "reason": "no silver truth"}]
    for i, (image, mask) in enumerate(zip(*data.val, strict=True), start=4):
        assert (image == 100 + i).all()
        assert (mask == (np.arange(SIZE) < 4 + i % 5)[:, None]).all()


def test_hela_gold_tests_on_the_frames_whose_cells_are_all_outlined(tmp_path):
    files = hela_files()
    for frame in range(14):
        markers = np.zeros((SIZE, SIZE), np.uint16)
        markers[1, :5] = range(1, 6)  # five cells are marked in row 1, frame % 3 of them lie outside of the truth
        truth = np.zeros((SIZE, SIZE), np.uint16)
        truth[:3, : 5 - frame % 3] = 9
        files[f"DIC-C2DH-HeLa/02_GT/SEG/man_seg{frame:03d}.tif"] = encoded(truth, "TIFF")
        files[f"DIC-C2DH-HeLa/02_GT/TRA/man_track{frame:03d}.tif"] = encoded(markers, "TIFF")
    del files["DIC-C2DH-HeLa/02_GT/SEG/man_seg000.tif"]
    settings = HELA.model_copy(update={"truth": "gold", "trained_on": "cells"})
    prepare("gold", settings, hela_archive(tmp_path / "a.zip", files), tmp_path / "out")
    data = Prepared(tmp_path / "out")
    whole = [i for i in range(1, 14) if i % 3 < 2]  # at least four of five
    assert data.names == {"train": [], "val": [], "test": [f"02/t{i:03d}" for i in whole]}
    assert [int(mask.sum()) for mask in data.test[1]] == [3 * (5 - i % 3) for i in whole]


@pytest.mark.parametrize(("gone", "said"), [("_ST/", "man_segTTT.tif"), ("/t", "0N/tTTT.tif")])
def test_hela_without_frames_or_truth(tmp_path, gone, said):
    files = {name: data for name, data in hela_files().items() if gone not in name}
    with pytest.raises(UserError, match=f"a.zip: no file .*{said}"):
        prepare("cells", HELA, hela_archive(tmp_path / "a.zip", files), tmp_path / "out")


# Folders

FOLDER = {"source": "folder", "image_size": 8, "classes": {"sky": 0, "sea": [1, 2]}, "metric": "mean_iou"}


def folder_data(root, count=12, mode="RGB"):
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for i in range(count):
        colour(i, mode).save(root / "images" / f"{i:02d}.{('png', 'tif', 'jpg')[i % 3]}")
        mask = np.zeros((20, 24), np.uint8)
        mask[10:] = 1 + i % 2
        Image.fromarray(mask).save(root / "masks" / f"{i:02d}.{('png', 'tif')[i % 2]}")
    (root / "images" / ".hidden").write_text("")
    return root


def prepare_folder(root, **change):
    prepare("own", validated(Preparation, {**FOLDER, "path": str(root), **change}), {}, root / "out")
    return Prepared(root / "out")


def test_folder(tmp_path):
    data = prepare_folder(folder_data(tmp_path))
    assert [len(data.names[split]) for split in ("train", "val", "test")] == [8, 2, 2]
    assert data.train[0].shape == (8, 8, 8, 3)
    assert (data.train[1] == (np.arange(8) >= 4)[:, None]).all()


def test_folder_of_grey_images_and_of_both(tmp_path):
    root = folder_data(tmp_path, mode="L")
    assert prepare_folder(root).channels == 1
    colour(0).save(root / "images" / "00.png")
    data = prepare_folder(root, limit={"train": 2})  # the channels do not depend on the limit
    assert (data.channels, data.train[0].shape) == (3, (2, 8, 8, 3))


def test_folder_with_colours_and_ignored(tmp_path):
    root = folder_data(tmp_path)
    for path in (root / "masks").iterdir():
        mask = np.zeros((20, 24, 3), np.uint8)
        mask[:5], mask[5:10] = (255, 0, 0), (9, 9, 9)
        image = Image.fromarray(mask)
        (image.quantize(4) if path.suffix == ".png" else image).save(path)
    classes = {"sky": [255, 0, 0], "sea": [[0, 0, 0], [0, 0, 1]]}
    data = prepare_folder(root, classes=classes, ignore=[[9, 9, 9]])
    assert (data.train[1][:, :, 0] == [0, 0, 255, 255, 1, 1, 1, 1]).all()


def spoil(root, mistake):
    photo, mask = root / "images" / "00.png", root / "masks" / "00.png"
    if mistake == "no mask":
        mask.unlink()
    elif mistake == "no image":
        photo.unlink()
    elif mistake == "size":
        Image.new("L", (24, 21)).save(mask)
    elif mistake == "value":
        Image.new("L", (24, 20), 7).save(mask)
    elif mistake == "colour":
        colour(0).save(mask)
    elif mistake == "jpeg":
        Image.new("L", (24, 20)).save(mask, "JPEG")  # whatever its name
    elif mistake == "empty":
        photo.write_bytes(b"")
    elif mistake == "text":
        photo.write_text("not an image")
    elif mistake == "cut":
        Image.effect_noise((24, 20), 90).save(photo)
        photo.write_bytes(photo.read_bytes()[:-200])
    elif mistake == "twin":
        colour(0).save(photo.with_suffix(".jpg"))
    elif mistake == "other":
        (root / "images" / "notes.txt").write_text("")
    elif mistake == "subfolder":
        (root / "images" / "more").mkdir()
        colour(0).save(root / "images" / "more" / "x.png")
    elif mistake == "none":
        for path in [*(root / "images").iterdir(), *(root / "masks").iterdir()]:
            path.unlink()
    elif mistake == "no folder":
        (root / "masks").rename(root / "labels")
    elif mistake == "stack":
        colour(0).save(photo, "TIFF", save_all=True, append_images=[colour(1)])
    elif mistake == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        colour(0).save(photo, "JPEG", exif=exif)
    elif mistake == "deep":
        Image.fromarray(np.zeros((20, 24), np.uint16)).save(photo, "TIFF")


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("no mask", "images/00.png: no mask"),
        ("no image", "masks/00.png: no image"),
        ("size", "masks/00.png: 24x21 pixels, its image has 24x20"),
        ("value", "masks/00.png: mask value 7 is in no class; known are 0, 1, 2"),
        ("colour", r"masks/00.png: a mask in colour; give every class .* as \[r, g, b\]"),
        ("jpeg", "masks/00.png: a JPEG mask; compression"),
        ("empty", "images/00.png: the file is empty"),
        ("text", "images/00.png: not a readable image"),
        ("cut", "images/00.png: damaged or truncated"),
        ("twin", "same name"),
        ("other", "notes.txt: not a PNG, TIFF, GIF or JPEG"),
        ("subfolder", "more/x.png: no mask .*masks/more/x"),
        ("none", "images.*: no image in it"),
        ("no folder", "masks: no such folder"),
        ("stack", "00.png: 2 frames"),
        ("turned", "00.png: 24x20 pixels, its image has 20x24"),
        ("deep", "00.png: pixels of more than 8 bits"),
    ],
)
def test_spoilt_folders(tmp_path, mistake, said):
    spoil(folder_data(tmp_path), mistake)
    with pytest.raises(UserError, match=said):
        prepare_folder(tmp_path, split={"train": 0.5, "val": 0.25, "test": 0.25})
    assert not (tmp_path / "out" / "dataset.json").exists()


@pytest.mark.parametrize("what", ["text", "link"])
def test_a_file_that_is_no_image_is_reported_once(tmp_path, what):
    """Not as no image, and again as an image without a mask."""
    file = folder_data(tmp_path) / "images" / "notes.txt"
    file.symlink_to("nowhere") if what == "link" else file.write_text("notes")
    with pytest.raises(UserError) as error:
        prepare_folder(tmp_path, split={"train": 0.5, "val": 0.25, "test": 0.25})
    assert str(error.value).count("notes") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"classes": {"sky": 0, "sea": 0}}, "0 stands for two"),
        ({"classes": {"sky": 0, "sea": [1, 2]}, "ignore": [2]}, "2 stands for two"),
        ({"classes": {"sky": 0, "sea": "blue"}}, "classes.sea: blue must be a pixel value"),
        ({"classes": {"sky": 0, "sea": []}}, "classes.sea"),
        ({"classes": {"sky": [0, 0, 256], "sea": [0, 0, 0]}}, "classes.sky.* no colour"),
        ({"classes": {"sky": 0}}, "at least 2"),
        ({"split": {"train": 0.5, "val": 0.1, "test": 0.1}}, "sum to 1"),
    ],
)
def test_bad_folder_settings(tmp_path, change, said):
    folder_data(tmp_path)
    with pytest.raises(UserError, match=said):
        prepare_folder(tmp_path, **change)


def test_two_images_are_too_few_for_three_splits(tmp_path):
    with pytest.raises(UserError, match="datasets.own: no image is left for 'test'; change its split or limit"):
        prepare_folder(folder_data(tmp_path, count=2))


@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=5), min_size=2, max_size=9), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_class_maps(groups, seed):
    seen = set()
    groups = [[v for v in group if not (v in seen or seen.add(v))] for group in groups]
    groups = [group for group in groups if group]
    if len(groups) < 3 or all(len(group) == 3 for group in groups):  # three numbers would be a colour
        return
    classes, ignore = {f"c{i}": group for i, group in enumerate(groups[:-1])}, groups[-1]
    mask = np.random.default_rng(seed).choice(sorted(seen), (7, 5)).astype(np.uint8)
    got = ClassMap(classes, ignore)(open_image(encoded(mask), "m"))
    expected = {v: i for i, group in enumerate(groups[:-1]) for v in group} | dict.fromkeys(ignore, 255)
    assert np.array_equal(got, np.vectorize(expected.get)(mask))


# Prepared arrays


def test_rendered_sizes(tmp_path):
    settings = Preparation(source="shapes", image_size=32, count=Counts(train=2, val=1, test=3))
    prepare("reef", settings, {}, tmp_path / "out")
    render("reef", settings, Testing(test_scales=[0.5, 0.7, 1, 1.5]), tmp_path / "out/test/rendered")
    data = Prepared(tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out/test/rendered").iterdir()) == ["16x16", "48x48"]
    photos, masks = data.rendered(48, 48)
    assert (photos.shape, masks.shape) == ((3, 48, 48, 3), (3, 48, 48))
    assert isinstance(photos, np.memmap)
    assert data.rendered(32, 32) is None


@pytest.fixture
def folder(tmp_path):
    prepare_folder(folder_data(tmp_path))
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "dataset.json").unlink(), "dataset.json: missing"),
        (lambda f: (f / "dataset.json").write_text("{"), "dataset.json: not a description"),
        (lambda f: (f / "dataset.json").write_text("{}"), "dataset.json: not a description"),
        (lambda f: (f / "val" / "masks.npy").unlink(), "val/masks.npy: missing"),
        (lambda f: (f / "val" / "masks.npy").write_bytes(b""), "val/masks.npy: truncated"),
        (
            lambda f: (f / "val/images.npy").write_bytes((f / "val/images.npy").read_bytes()[:-9]),
            "val/images.npy: truncated",
        ),
        (
            lambda f: np.save(f / "test/masks.npy", np.zeros((2, 8, 9), np.uint8)),
            r"test/masks.npy: uint8 \(2, 8, 9\), but dataset.json says uint8 \(2, 8, 8\)",
        ),
    ],
)
def test_damaged_prepared_data(folder, damage, said):
    damage(folder)
    with pytest.raises(UserError, match=said):
        Prepared(folder)


def test_full_disk(folder, monkeypatch):
    """The disk is full the second time: one line, nothing half-written, no dataset.json over mixed arrays."""
    before = {path: path.read_bytes() for path in folder.rglob("*.npy")}

    def full(self, index, array):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(arrays.ArrayFile, "put", full)
    with pytest.raises(UserError, match="npy: the disk is full"):
        prepare_folder(folder.parent)
    assert not (folder / "dataset.json").exists()
    assert {path: path.read_bytes() for path in folder.rglob("*.npy")} == before
    assert not list(folder.rglob(".*"))


def test_preparing_again_gives_the_same_bytes(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    prepare_folder(folder.parent)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


# The real archives, reduced


@pytest.mark.slow
@pytest.mark.skipif(not (MIRROR / "mirror.yaml").exists(), reason="no local copy of the archives in ../shared/data")
@pytest.mark.parametrize(("name", "size", "channels", "dropped"), [("pet", 64, 3, 41), ("hela", 512, 1, 0)])
def test_local_copy(tmp_path, name, size, channels, dropped):
    entries = yaml.safe_load((MIRROR / "mirror.yaml").read_text())["datasets"][name]["archives"]
    archives = {key: MIRROR / name / Path(entry["url"]).name for key, entry in entries.items()}
    settings = Preparation.model_validate(
        {"source": name, "image_size": size, "limit": {"train": 4, "val": 3, "test": 3}}
    )
    prepare(name, settings, archives, tmp_path, {key: entry["sha256"] for key, entry in entries.items()})
    data = Prepared(tmp_path)
    assert data.train[0].shape == (4, size, size, channels)
    for photos, masks in (data.train, data.val, data.test):
        assert photos.std() > 5
        assert set(np.unique(masks)) == set(range(len(data.classes)))
    assert len(json.loads((tmp_path / "dataset.json").read_text())["dropped"]) == dropped
