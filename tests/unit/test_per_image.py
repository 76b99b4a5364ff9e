"""Scores of single images, from the counts that an evaluation keeps."""

import json

import numpy as np
import pytest

from seunet.report.per_image import (
    PER_IMAGE_COLUMNS,
    WORST_COLUMNS,
    collect_per_image,
    worst_images,
    write_per_image,
)
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


def test_every_run_has_its_table_and_all_share_the_one_of_the_worst(counts, tmp_path):
    runs = [tmp_path / "toy" / "NA" / f"seed{seed}.npz" for seed in (3, 10)]
    for run in runs:
        run.parent.mkdir(parents=True, exist_ok=True)
        run.write_bytes(counts.read_bytes())
    description = tmp_path / "dataset.json"
    description.write_text(json.dumps({"names": {"train": [], "test": NAMES}}))
    tables = [tmp_path / f"{run.stem}.csv" for run in runs]
    collect_per_image(runs, {"toy": description}, {"toy": {"iou": "leaf"}}, tables, tmp_path / "worst.csv")
    worst = read_table(tmp_path / "worst.csv", WORST_COLUMNS)
    rows = [("toy", "NA", seed, file, iou) for seed in (3, 10) for file, iou in (("NA", 0.0), ("010", 1.0))]
    assert list(worst.itertuples(index=False, name=None)) == rows
    assert [len(read_table(table, PER_IMAGE_COLUMNS)) for table in tables] == [12, 12]
    description.write_text("{}")
    with pytest.raises(UserError, match="dataset.json: does not name the test images"):
        collect_per_image(runs, {"toy": description}, {"toy": "mean_iou"}, tables, tmp_path / "worst.csv")
