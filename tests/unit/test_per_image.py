"""Scores of single images, from the counts that an evaluation keeps."""

import numpy as np
import pytest

from seunet.report.per_image import PER_IMAGE_COLUMNS, worst_images, write_per_image
from seunet.runtime.errors import UserError
from seunet.runtime.tables import read_table
from seunet.settings.metric import Metric

NAMES = ["NA", "010", "c"]
TP = [[[6, 0], [8, 2], [4, 0]], [[1, 1], [2, 2], [3, 3]]]  # (scales, images, classes)
FN = [[[0, 2], [0, 0], [4, 0]], np.ones((3, 2))]


@pytest.fixture
def counts(tmp_path):
    arrays = {"scale": [1.0, 2.0], "height": [8, 16], "width": [8, 16], "classes": ["nan", "leaf"]}
    arrays |= {"tp": TP, "fp": np.zeros((2, 3, 2)), "fn": np.array([np.array(part) for part in FN])}
    np.savez(tmp_path / "counts.npz", **{key: np.array(value) for key, value in arrays.items()})
    return tmp_path / "counts.npz"


def test_a_row_for_every_image_scale_and_class(counts, tmp_path):
    write_per_image(counts, NAMES, tmp_path / "per_image.csv")
    table = read_table(tmp_path / "per_image.csv", PER_IMAGE_COLUMNS)
    assert table["file"].tolist() == [name for name in NAMES for _ in range(4)]
    assert table["scale"].tolist() == [1, 1, 2, 2] * 3 and table["class"].tolist() == ["nan", "leaf"] * 6
    expected = [1, 0, 1 / 2, 1 / 2, 1, 1, 2 / 3, 2 / 3, 1 / 2, np.nan, 3 / 4, 3 / 4]
    np.testing.assert_allclose(table["iou"], expected)


def test_the_worst_images_come_first(counts):
    assert worst_images(counts, NAMES, Metric()) == [("NA", 0.5), ("c", 0.5), ("010", 1.0)]
    assert worst_images(counts, NAMES, Metric(of="leaf")) == [("NA", 0.0), ("010", 1.0)]  # none in c
    assert worst_images(counts, NAMES, Metric("dice"), most=1) == [("NA", 0.5)]
    with pytest.raises(UserError, match="of 3 images, not 2"):
        worst_images(counts, NAMES[:2], Metric())
