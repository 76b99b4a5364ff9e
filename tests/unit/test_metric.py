"""The metric of a data set: written, checked, computed, named."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from seunet.runtime.errors import UserError
from seunet.settings.metric import Metric

CLASSES = ["sky", "sea", "land"]


def counts(target, prediction):
    """Return tp, fp, fn of each class."""
    of = np.arange(3)[:, None]
    wanted, given = target == of, prediction == of
    return (wanted & given).sum(1), (given & ~wanted).sum(1), (wanted & ~given).sum(1)


@pytest.mark.parametrize("written", ["mean_iou", "mean_dice", {"iou": "sea"}, {"dice": "land"}])
def test_a_metric_is_read_as_it_is_written(written):
    metric = Metric.parse(written)
    assert metric.written() == written and Metric.parse(metric) is metric
    metric.check(CLASSES)


def test_the_values_are_those_of_scikit_learn():
    target, prediction = np.random.default_rng(0).integers(3, size=(2, 999))
    found = counts(target, prediction)
    for ratio, reference in {"iou": jaccard_score, "dice": f1_score}.items():
        each = reference(target, prediction, average=None)
        assert Metric(ratio).of_counts(*found, CLASSES) == pytest.approx(each.mean())
        assert Metric(ratio, "land").of_counts(*found, CLASSES) == pytest.approx(each[2])


def test_classes_that_are_neither_there_nor_predicted_do_not_count():
    found = counts(np.array([0, 0, 1]), np.array([0, 0, 0]))
    assert Metric().of_counts(*found, CLASSES) == pytest.approx((2 / 3 + 0) / 2)
    assert np.isnan(Metric("iou", "land").of_counts(*found, CLASSES))


def test_whole_arrays_at_once():
    tp = np.arange(24.0).reshape(2, 4, 3)
    assert np.allclose(Metric("dice")(tp, tp, CLASSES)[1], 1) and Metric()(tp, tp * 2 + 1, CLASSES).shape == (2, 4)


def test_names_are_for_axes():
    names = ["Mean IoU", "Mean Dice", "IoU of sea", "Dice of sea"]
    assert [Metric(*a).name for a in [("iou",), ("dice",), ("iou", "sea"), ("dice", "sea")]] == names


def test_a_class_that_is_not_there_is_named():
    with pytest.raises(UserError, match=r'metric.dice: "seas" is not known; did you mean sea\?'):
        Metric("dice", "seas").check(CLASSES)
