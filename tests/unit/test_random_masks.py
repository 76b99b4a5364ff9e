"""Masks in every form that says the same: one file per class or per object, palettes, colours; read as the truth, or
refused. Drawn at random."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from seunet.config.reading import validated
from seunet.data.mask_files import MaskReader
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation

SIZE, NAMES = (5, 7), ["background", "leaf", "stem", "root"]
COLOURS = [(0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 200)]
GREY_SUFFIXES = (".png", ".tif", ".bmp", ".pgm", ".gif")
many = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
truths = st.lists(
    st.lists(st.integers(0, 3), min_size=SIZE[0] * SIZE[1], max_size=SIZE[0] * SIZE[1]).map(
        lambda values: np.array(values, np.uint8).reshape(SIZE)
    ),
    min_size=2,
    max_size=4,
)


def reader(**change) -> MaskReader:
    """Return the reader of a data set with these keys."""
    return MaskReader(validated(Preparation, {"source": "folder", "path": ".", "image_size": 8} | change))


@many
@given(truths, st.permutations(NAMES[1:]), st.sampled_from(GREY_SUFFIXES), st.integers(1, 255), st.booleans())
def test_one_file_per_class(tmp_path_factory, truths, order, suffix, value, leave_out_empty):
    folder: Path = tmp_path_factory.mktemp("classes")
    read = reader(masks={name: f"{{name}}_{name}{suffix}" for name in order})
    classes = ["background", *order]
    assert read.classes == classes
    for number, truth in enumerate(truths):
        layers = []
        for name in NAMES[1:]:
            of_class = truth == NAMES.index(name)
            if of_class.any() or not leave_out_empty:
                path = folder / f"{number}_{name}{suffix}"
                Image.fromarray((of_class * value).astype(np.uint8)).save(path)
                layers.append((name, path))
        if layers:
            found = np.array([NAMES.index(name) for name in classes])[read(layers)]
            assert np.array_equal(found, truth)
    assert not read.report()


@many
@given(truths, st.data())
def test_one_file_per_object(tmp_path_factory, truths, data):
    """Each holds one class on a background of 0; their order says nothing."""
    folder: Path = tmp_path_factory.mktemp("objects")
    read = reader(classes=dict(zip(NAMES, (0, 7, 9, 255), strict=True)))
    for number, truth in enumerate(truths):
        layers = []
        pieces = np.array(data.draw(st.lists(st.integers(0, 1), min_size=truth.size, max_size=truth.size)))
        for part in range(2):
            for index, value in ((1, 7), (2, 9), (3, 255)):
                inside = (truth == index) & (pieces.reshape(SIZE) == part)
                path = folder / f"{number}_{part}_{index}.png"
                Image.fromarray((inside * value).astype(np.uint8)).save(path)
                layers.append((None, path))
        assert np.array_equal(read(data.draw(st.permutations(layers))), truth)


def with_palette(path: Path, truth: np.ndarray, order: list[int]) -> None:
    """Write classes as a palette image in which number i has the colour of class order[i]."""
    numbers = np.argsort(order)[truth].astype(np.uint8)
    image = Image.frombytes("P", SIZE[::-1], numbers.tobytes())
    image.putpalette([level for index in order for level in COLOURS[index]] + [7] * (768 - 3 * len(order)))
    image.save(path)


@many
@given(truths, st.data())
def test_palettes(tmp_path_factory, truths, data):
    """By colours always the truth; by numbers the truth of one order for all files, or a refusal."""
    folder: Path = tmp_path_factory.mktemp("palettes")
    paths = [folder / f"{number}.png" for number in range(len(truths))]
    orders = [data.draw(st.permutations(range(4))) for _ in truths]
    if data.draw(st.booleans()):
        orders = orders[:1] * len(truths)
    for path, truth, order in zip(paths, truths, orders, strict=True):
        with_palette(path, truth, order)
    by_colour = reader(classes={name: list(colour) for name, colour in zip(NAMES, COLOURS, strict=True)})
    assert all(np.array_equal(by_colour([(None, path)]), truth) for path, truth in zip(paths, truths, strict=True))

    read = reader(classes={NAMES[index]: number for number, index in enumerate(orders[0])})
    try:
        found = [np.array(orders[0])[read([(None, path)])] for path in paths]
    except UserError as error:
        assert "number colours differently" in str(error)
        assert any(order != orders[0] for order in orders)
        return
    # what no file's pixels tell apart: a colour that one file alone has, with a number that no other file has
    for one, truth, order in zip(found, truths, orders, strict=True):
        wrong = np.unique(truth[one != truth])
        known = {
            index for other, its in zip(truths, orders, strict=True) if its is not order for index in np.unique(other)
        }
        assert not known & set(wrong.tolist())


def test_a_number_that_changes_its_colour_is_refused(tmp_path):
    """Number 1 is red in one file and green in the other, and no colour is in both."""
    for name, order in (("a", [0, 1, 2, 3]), ("b", [0, 2, 1, 3])):
        with_palette(tmp_path / f"{name}.png", np.full(SIZE, order[1], np.uint8), order)
    read = reader(classes={"none": 0, "one": 1})
    read([(None, tmp_path / "a.png")])
    with pytest.raises(UserError, match=r"b\.png: colour \[0, 200, 0\] .* that class is \[200, 0, 0\]: the palettes"):
        read([(None, tmp_path / "b.png")])
    for classes in ({"none": 0, "nonzero": "any"}, {"none": 0, "any": "1..3"}):
        read = reader(classes=classes)
        assert [read([(None, tmp_path / f"{name}.png")]).max() for name in "ab"] == [1, 1]
