"""What `classes` and `ignore` make of the values and colours of a mask."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from seunet.data.images import open_image
from seunet.data.labels import LARGEST
from seunet.data.masks import ClassMap, classes_of, mask_values
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation

RED, GREEN, BLUE = [255, 0, 0], [0, 255, 0], [0, 0, 255]


def picture(pixels, dtype=np.uint8):
    file = io.BytesIO()
    Image.fromarray(np.array(pixels, dtype)).save(file, "PNG")
    return open_image(file.getvalue(), "m")


def said(classes, ignore=(), channel=None) -> str:
    with pytest.raises(UserError) as error:
        ClassMap(classes, list(ignore), channel)
    return str(error.value)


def refused(to_class: ClassMap, pixels) -> str:
    with pytest.raises(UserError) as error:
        to_class(picture(pixels))
    return str(error.value)


def test_one_value_in_no_class_is_enough_to_refuse_a_mask():
    to_class = ClassMap({"a": 0, "b": "3..5"}, [9])
    assert refused(to_class, [[0, 4, 7]]).startswith("m: mask value 7 is in no class; known are 0, 3..5, 9. ")
    assert refused(to_class, [[2, 0, 4]]).startswith("m: mask value 2 ")


def test_of_nonzero_zero_alone_is_in_no_class():
    to_class = ClassMap({"nonzero": "cell", "edge": 2}, [])
    assert to_class(picture([[1, 2, 255]])).tolist() == [[0, 1, 0]]
    assert refused(to_class, [[1, 0]]).startswith("m: mask value 0 is in no class; known are 2. ")


def test_at_most_twenty_values_are_said():
    to_class = ClassMap({"a": list(range(0, 42, 2)), "b": 100}, [])  # 22 entries
    assert ", 38. Add" in refused(to_class, [[1]])


def test_a_colour_is_one_number_of_three_bytes():
    to_class = ClassMap({"r": RED, "others": [GREEN, [0, 1, 2]]}, [BLUE])
    found = to_class(picture([[RED, GREEN, BLUE, [0, 1, 2]]]))
    assert found.tolist() == [[0, 1, 255, 1]] and found.dtype == np.uint8
    text = refused(to_class, [[RED, [1, 2, 3]]])
    assert "mask value [1, 2, 3] is in no class; known are [0, 0, 255], [0, 1, 2], [0, 255, 0], [255, 0, 0]. " in text


def test_classes_are_bytes_whatever_the_mask_stores():
    assert ClassMap({"a": 0, "b": 300}, [])(picture([[0, 300]], np.uint16)).dtype == np.uint8
    assert ClassMap({"a": 0, "nonzero": "b"}, [])(picture([[0, 300]], np.uint16)).dtype == np.uint8


@pytest.mark.parametrize(
    ("classes", "ignore", "expected"),
    [
        ({"b": 3, "a": 3}, [], "classes: 3 stands for two of them ('a' is one); change one"),
        ({"a": 0, "b": 1}, [1], "classes: 1 stands for two of them ('ignore' is one); change one"),
        ({"r": RED, "s": [RED, BLUE]}, [], "classes: [255, 0, 0] stands for two of them ('s' is one); change one"),
        ({"a": "1..5", "b": "5..9"}, [], "classes: 5 stands for two of them ('b' is one); change one"),
    ],
)
def test_a_value_of_two_classes_is_named_with_the_later_one(classes, ignore, expected):
    assert said(classes, ignore) == expected


@pytest.mark.parametrize(
    "entry", [True, -1, LARGEST + 1, 1.0, "1..", "..2", "5..1", [], [0, None], {"values": []}, [[]]]
)
def test_what_is_no_value_is_refused(entry):
    assert said({"a": 7, "b": entry}).startswith(f"classes.b: {entry} must be a pixel value, a range")


def test_the_largest_value_is_one_and_a_range_may_hold_one():
    to_class = ClassMap({"a": "0..0", "b": LARGEST}, [])
    assert to_class.intervals == [(0, 0), (LARGEST, LARGEST)]


@pytest.mark.parametrize("colour", [[0, 0, 256], [-1, 0, 0]])
def test_a_colour_has_three_bytes(colour):
    assert said({"a": colour, "b": BLUE}).startswith(f"classes.a: {colour} is no colour [r, g, b] of 0 to 255")
    ClassMap({"a": [0, 0, 255], "b": [255, 255, 0]}, [])  # the bounds are


@pytest.mark.parametrize("entry", [[0, 0, "x"], [BLUE, [2]]])
def test_one_entry_that_is_no_colour_makes_all_of_them_values(entry):
    assert said({"a": entry, "b": BLUE}).startswith(f"classes.a: {entry} must be a pixel value")
    to_class = ClassMap({"a": [1, 2, 3], "b": 0, "c": {"values": [4, 5, 6]}}, [])
    assert to_class(picture([[0, 1, 3, 5]])).tolist() == [[1, 0, 0, 2]]


def test_colours_go_with_no_channel():
    assert "mask_channel: goes with values" in said({"r": RED, "b": BLUE}, channel="red")
    assert ClassMap({"a": 0, "b": 1}, [], "green")(picture([[[9, 1, 9], [9, 0, 9]]])).tolist() == [[1, 0]]


def test_there_are_two_classes_to_255():
    assert said({"a": 0}).startswith("classes: 1 given; name at least 2, and at most 255")
    assert said({str(i): i for i in range(256)}).startswith("classes: 256 given")
    ClassMap({str(i): i for i in range(255)}, [])


def test_masks_of_classes_begin_with_the_background_unless_it_is_named():
    def named(masks, classes=None) -> list[str]:
        return classes_of(Preparation(source="folder", path=".", masks=masks, image_size=8, classes=classes))

    assert named({"leaf": "{name}_l.*"}) == ["background", "leaf"]
    assert named({"leaf": "{name}_l.*", "background": "{name}_b.*"}) == ["leaf", "background"]
    assert named("m/{name}.*", {"b": 0, "nonzero": "cell"}) == ["b", "cell"] and named(None) == []
    assert re.match("classes: .* has a name twice", said({"b": 0, "nonzero": "b"}))


def test_which_classes_stand_for_one_value_alone():
    classes = {"a": 0, "b": [1, 2], "c": "3..3", "d": "4..9", "e": {"values": [10, "11..12"]}, "nonzero": "f"}
    assert ClassMap(classes, [255]).of_one_value == {0, 2}


def test_the_keys_that_say_what_masks_hold():
    def keys(**given) -> dict | None:
        return mask_values(Preparation(source="folder", path=".", image_size=8, **given))

    assert keys() is None and keys(masks={"leaf": "{name}.*"}) is None
    assert keys(classes={"a": 0, "b": 1}) == {"classes": {"a": 0, "b": 1}, "ignore": []}
    found = keys(classes={"a": 0, "b": 1}, ignore=[9], mask_channel="red")
    assert found == {"classes": {"a": 0, "b": 1}, "ignore": [9], "mask_channel": "red"}
