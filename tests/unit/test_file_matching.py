"""Folders whose images have one mask per class, per object, in one channel, or none; and lists that name paths."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from test_own_data import description, folder, noise, own_settings, prepared, write

from seunet.data.images import Window
from seunet.data.marks import ANSWER, MARK
from seunet.data.masks import classes_of
from seunet.data.name_lists import select_names
from seunet.runtime.errors import UserError

LISTED = {"train": list("abcdef"), "val": ["g"], "test": ["h"]}


def squares(root: Path, masks: dict[str, np.ndarray], names: str = "abcdefgh") -> Path:
    """Write images, and beside them masks of these endings."""
    for i, name in enumerate(names):
        write(root / f"{name}.png", noise(i))
        for end, mask in masks.items():
            write(root / f"{name}{end}", mask)
    return root


def part(rows: slice, value: int = 255) -> np.ndarray:
    mask = np.zeros((12, 10), np.uint8)
    mask[rows] = value
    return mask


def no_classes(root: Path, **change):
    return prepared(root, **{"classes": None, "image_size": [12, 10], "split": LISTED, "images": "{name}.png"} | change)


def test_one_mask_file_per_class(tmp_path, capfd):
    squares(tmp_path, {"_leaf.png": part(slice(2, 6)), "_stem.gif": part(slice(5, 9))})
    (tmp_path / "a_stem.gif").unlink()
    data = no_classes(tmp_path, masks={"leaf": "{name}_leaf.*", "stem": "{name}_stem.gif"})
    assert data.classes == ["background", "leaf", "stem"]
    assert data.train[1][1][:, 0].tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0]  # the later class covers
    assert data.train[1][0][:, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    said = capfd.readouterr().err
    assert "train: 50 pixels (6.94%) lie in the masks of two classes" in said
    assert "1 image has no mask of stem: nothing is stem there, such as a" in said


def test_files_of_one_object_each_are_one_mask(tmp_path):
    for i, name in enumerate("abcdefgh"):
        write(tmp_path / name / "images" / f"{name}.png", noise(i))
        for k in range(3):
            write(tmp_path / name / "masks" / f"{k}f{i}.png", part(slice(4 * k, 4 * k + 2)))
    change = {"images": "{name}/images/*.png", "image_size": [12, 10], "split": LISTED}
    expected = [1, 1, 0, 0] * 3
    data = prepared(tmp_path, **change, masks="{name}/masks/*.png", classes={"background": 0, "cell": 255})
    assert data.names["train"] == list("abcdef") and data.train[1][0][:, 0].tolist() == expected
    data = prepared(tmp_path, **change, masks={"cell": "{name}/masks/*"}, classes=None)
    assert data.classes == ["background", "cell"] and data.train[1][0][:, 0].tolist() == expected


def test_objects_of_two_classes_on_a_pixel_are_refused(tmp_path):
    squares(tmp_path, {"_m/1.png": part(slice(0, 6), 1), "_m/2.png": part(slice(5, 9), 2)})
    with pytest.raises(UserError, match=r"2\.png: pixels that other masks of its image give to another class"):
        prepared(tmp_path, images="{name}.png", masks="{name}_m/*", classes={"none": 0, "one": 1, "two": 2})


def test_unpaired_images_are_left_out_and_counted(tmp_path, capfd):
    folder(tmp_path)
    for name in "ab":
        (tmp_path / "masks" / f"{name}.png").unlink()
    with pytest.raises(UserError, match=r"a\.png: no mask .*masks/a\.\*"):
        prepared(tmp_path)
    (tmp_path / "train.txt").write_text("a\nc\nd\ne\n")
    split = {"train": "train.txt", "val": ["f"], "test": ["g", "h"]}
    assert prepared(tmp_path, unpaired="leave", split=split).names["train"] == ["c", "d", "e"]
    assert "2 files without a mask or without an image are left out, such as " in capfd.readouterr().err


def test_an_image_without_a_field_of_view_is_an_error_and_one_without_an_image_is_left_out(tmp_path, capfd):
    """Only masks may lack: without its field of view, the border of an image would count as background."""
    folder(tmp_path)
    fields = {"unpaired": "leave", "valid": "fov/{name}.png", "split": LISTED}
    for name in "abcdefgx":
        write(tmp_path / "fov" / f"{name}.png", part(slice(0, 10)))
    with pytest.raises(UserError, match=r"h\.png: no mask of the field of view .*fov/h\.png"):
        prepared(tmp_path, **fields)
    (tmp_path / "fov" / "x.png").rename(tmp_path / "fov" / "h.png")
    write(tmp_path / "fov" / "x.png", part(slice(0, 10)))
    assert prepared(tmp_path, **fields).names == LISTED
    assert "1 file without a mask or without an image is left out, such as " in capfd.readouterr().err


def test_pictures_that_seunet_wrote_among_the_images_are_passed_over(tmp_path, capfd):
    folder(tmp_path)
    text = PngInfo()
    text.add_text(MARK, f"{ANSWER} of a network")
    Image.fromarray(noise(1)).save(tmp_path / "images" / "a_overlay.png", pnginfo=text)
    assert prepared(tmp_path, split=LISTED).names == LISTED
    assert "1 file that seunet wrote is passed over, such as " in capfd.readouterr().err


def test_excluded_images_need_no_masks(tmp_path):
    folder(tmp_path, [f"{part}/{name}" for part in ("train", "test") for name in "abcde"])
    for file in (tmp_path / "masks" / "test").iterdir():
        file.unlink()
    data = prepared(tmp_path, exclude=["test/"])
    assert sorted(name for names in data.names.values() for name in names) == [f"train/{name}" for name in "abcde"]
    with pytest.raises(UserError, match="exclude: no image has a name like 'held/'"):
        prepared(tmp_path, exclude=["held/"])
    with pytest.raises(UserError, match="no image is left with a mask; correct the patterns or `exclude`"):
        prepared(tmp_path, exclude=["*", "held/"])


def test_wildcards_of_names():
    names = ["train_1", "testA_1", "test[1]", "test/a"]
    assert select_names("test*", names) == names[1:] and select_names("test[*", names) == ["test[1]"]
    assert select_names("test/", names) == ["test/a"] and select_names("train_1", names) == ["train_1"]


@pytest.mark.parametrize(
    "line",
    [
        "train/x.png",
        "images/train/x.png",
        "./somewhere/train/x.jpg masks/train/x.png",
        "train/x_img.png,train/x_m.png",
        "x_img.png",
    ],
)
def test_lines_of_lists_may_be_paths_and_have_columns(tmp_path, line):
    for i, name in enumerate(["train/x", "val/y", "test/z"]):
        write(tmp_path / f"{name}_img.png", noise(i))
        write(tmp_path / f"{name}_m.png", part(slice(3)))
    (tmp_path / "list.txt").write_text(line)
    split = {"train": "list.txt", "val": "val/", "test": "test*"}
    data = prepared(tmp_path, images="{name}_img.png", masks="{name}_m.png", split=split)
    assert list(data.names.values()) == [["train/x"], ["val/y"], ["test/z"]]


def test_lines_that_may_mean_two_images_are_refused(tmp_path):
    folder(tmp_path, ["one/x", "two/x", "y", "z"])
    (tmp_path / "list.txt").write_text("x.png\n")
    with pytest.raises(UserError, match=r"split\.train: no image has the name 'x\.png'"):
        prepared(tmp_path, split={"train": "list.txt", "val": ["y"], "test": ["z"]})


def test_values_in_one_channel_of_rgba(tmp_path):
    mask = np.zeros((12, 10, 4), np.uint8)
    mask[3:6, :, 0], mask[..., 3] = 7, 255
    squares(tmp_path, {"_m.png": mask})
    change = {"images": "{name}.png", "masks": "{name}_m.png", "classes": {"background": 0, "nonzero": "cell"}}
    with pytest.raises(UserError, match="a mask in colour"):
        prepared(tmp_path, **change)
    data = prepared(tmp_path, **change, mask_channel="red", image_size=[12, 10])
    assert description(tmp_path)["mask_values"]["mask_channel"] == "red"
    assert data.train[1][0][:, 0].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    write(tmp_path / "a_m.png", part(slice(3)))
    with pytest.raises(UserError, match=r"a_m\.png: mask_channel is red, but this mask is not in RGB"):
        prepared(tmp_path, **change, mask_channel="red")


def with_palette(path: Path, colours: list[int]) -> None:
    image = Image.fromarray(part(slice(4), 1) + part(slice(8, 12), 2), "L")
    image = image.convert("P")
    image.putpalette(colours + [9] * (768 - len(colours)))
    image.putdata((part(slice(4), 1) + part(slice(8, 12), 2)).ravel().tolist())
    image.save(path)


def test_a_colour_that_changes_its_number_is_refused(tmp_path):
    """Files whose programs number the colours that they hold: index 1 is red here and green there."""
    folder(tmp_path)
    red, green = [255, 0, 0], [0, 255, 0]
    for name in "abcdefgh":
        with_palette(tmp_path / "masks" / f"{name}.png", [0, 0, 0, *red, *green])
    classes = {"none": 0, "one": 1, "two": 2}
    prepared(tmp_path, classes=classes)
    with_palette(tmp_path / "masks" / "h.png", [0, 0, 0, *green, *red])
    with pytest.raises(UserError, match=r"colour \[.*\] of its palette is class .*palettes number colours differently"):
        prepared(tmp_path, classes=classes)
    prepared(tmp_path, classes={"none": 0, "nonzero": "any"})  # objects are numbered, and all of one class
    data = prepared(tmp_path, classes={"none": [0, 0, 0], "one": red, "two": green}, split=LISTED, image_size=[12, 10])
    assert data.train[1][0][:, 0].tolist() == [1] * 4 + [0] * 4 + [2] * 4
    assert data.test[1][0][:, 0].tolist() == [2] * 4 + [0] * 4 + [1] * 4


def test_a_range_that_is_hardly_used_is_said():
    window = Window([0, 65535])
    window(np.arange(900).reshape(30, 30), "a")
    assert any("warning: 98% of the values lie on 4 of 256 levels" in line for line in window.report())
    assert window.report() == []
    window(np.arange(0, 65535, 80), "a")
    assert window.report() == []


def test_masks_of_classes_name_the_classes(tmp_path):
    settings = own_settings(tmp_path, classes=None, masks={"leaf": "{name}_l.*", "background": "{name}_b.*"})
    assert classes_of(settings) == ["leaf", "background"]
