"""Ratios from counts: by hand, and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import jaccard_score

from seunet.report.tables import collect_history, collect_scores, collect_warnings, with_true_scale
from seunet.runtime.errors import UserError

LABELS = {"unet": "U-Net", "seunet": "SEU-Net"}
COLUMNS = ["dataset", "model", "seed", "scale", "height", "width", "class"]
COLUMNS += ["tp", "fp", "fn", "consistent_pixels", "pixels"]
HISTORY = "epoch,loss,val_loss,val_metric,learning_rate,seconds,images_per_second,peak_memory_mb\n"


def score_file(folder, rows, model="unet", seed=0, dataset="toy"):
    """Write rows (scale, height, class, tp, fp, fn, consistent, pixels) as a score file."""
    full = [(dataset, model, seed, scale, h, h, *counts) for scale, h, *counts in rows]
    path = folder / f"{dataset}-{model}-{seed}.csv"
    pd.DataFrame(full, columns=COLUMNS).to_csv(path, index=False)
    return path


def collect(folder, files, metric="mean_iou"):
    scores, classes = folder / "scores.csv", folder / "class_iou.csv"
    collect_scores(files, LABELS, {"toy": metric}, scores, classes)
    return pd.read_csv(scores), pd.read_csv(classes, keep_default_na=False, na_values={"iou": [""]})


ROWS = [
    (1.0, 64, "a", 6, 2, 2, 10, 10),
    (1.0, 64, "b", 1, 3, 0, 10, 10),
    (1.0, 64, "c", 0, 0, 0, 0, 0),  # absent from target and prediction
    (0.5, 32, "a", 3, 1, 0, 6, 10),
    (0.5, 32, "b", 0, 0, 4, 3, 10),
    (0.5, 32, "c", 0, 0, 0, 0, 0),
]


def test_mean_iou_and_consistency_by_hand(tmp_path):
    scores, classes = collect(tmp_path, [score_file(tmp_path, ROWS)])
    assert list(scores.columns) == [
        *["dataset", "model", "label", "seed", "scale", "height", "width", "iou", "consistency"]
    ]
    assert scores["scale"].tolist() == [0.5, 1.0]
    assert scores["iou"].tolist() == pytest.approx([(3 / 4 + 0) / 2, (6 / 10 + 1 / 4) / 2])
    assert scores["consistency"].tolist() == pytest.approx([9 / 20, 1.0])
    assert scores["label"].unique().tolist() == ["U-Net"]
    assert classes["class"].tolist() == ["a", "b", "c"] * 2
    assert classes["iou"].isna().tolist() == [False, False, True] * 2


def test_iou_of_one_class(tmp_path):
    scores, _ = collect(tmp_path, [score_file(tmp_path, ROWS)], {"iou": "b"})
    assert scores["iou"].tolist() == pytest.approx([0, 1 / 4])
    assert scores["consistency"].tolist() == pytest.approx([9 / 20, 1.0])  # over all classes all the same


def test_iou_of_a_class_that_is_nowhere_is_empty(tmp_path):
    scores, _ = collect(tmp_path, [score_file(tmp_path, ROWS)], {"iou": "c"})
    assert len(scores) == 2
    assert scores["iou"].isna().all()


def test_networks_whose_scores_say_nothing_are_listed(tmp_path, capsys):
    constant = [(1.0, 64, "a", 0, 8, 0, 8, 8), (1.0, 64, "b", 0, 0, 8, 0, 0), (0.5, 32, "b", 1, 1, 1, 8, 8)]
    files = [score_file(tmp_path, ROWS), score_file(tmp_path, constant, model="seunet", seed=4)]
    collect_warnings(files, {"toy": {"iou": "b"}}, tmp_path / "warnings.csv")
    table = pd.read_csv(tmp_path / "warnings.csv")
    assert list(table.columns) == ["dataset", "model", "seed", "warning"]
    assert set(table["model"]) == {"seunet"} and set(table["seed"]) == {4}
    assert table["warning"].str.startswith(("predicts a at every pixel", "has a metric of 0 at scale 1")).tolist() == [
        *(True, True)
    ]
    assert "warning: toy/seunet/seed4 predicts a at every pixel" in capsys.readouterr().err
    missed = score_file(tmp_path, [*ROWS[:2], (1.0, 64, "c", 0, 0, 2, 0, 0)], seed=6)
    collect_warnings([missed], {"toy": "mean_iou"}, tmp_path / "one.csv")
    assert pd.read_csv(tmp_path / "one.csv")["warning"].tolist() == [
        "never predicts c (18.18% of the pixels of the masks)"
    ]
    sound = score_file(tmp_path, ROWS, seed=5)  # class c is in no mask
    collect_warnings([sound], {"toy": "mean_iou"}, tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text() == "dataset,model,seed,warning\n"


def test_against_scikit_learn(tmp_path):
    random = np.random.default_rng(0)
    target, prediction = random.integers(0, 4, (2, 5, 12, 16))
    rows = []
    for index in range(4):
        t, p = target == index, prediction == index
        rows.append((1.0, 64, f"c{index}", (t & p).sum(), (~t & p).sum(), (t & ~p).sum(), 1, 1))
    scores, classes = collect(tmp_path, [score_file(tmp_path, rows)])
    each = jaccard_score(target.ravel(), prediction.ravel(), average=None)
    assert classes["iou"].to_numpy() == pytest.approx(each)
    assert scores["iou"].item() == pytest.approx(each.mean())


def test_a_class_may_be_called_na(tmp_path):
    rows = [(1.0, 64, "NA", 1, 0, 1, 1, 1), (1.0, 64, "null", 1, 0, 0, 1, 1)]
    scores, classes = collect(tmp_path, [score_file(tmp_path, rows)])
    assert scores["iou"].item() == 0.75
    assert classes["class"].tolist() == ["NA", "null"]


def test_rows_follow_the_order_of_the_files(tmp_path):
    files = [score_file(tmp_path, ROWS, model, seed) for model in ("unet", "seunet") for seed in (1, 0)]
    scores, _ = collect(tmp_path, files)
    runs = scores[["model", "seed"]].drop_duplicates().to_numpy().tolist()
    assert runs == [["unet", 0], ["unet", 1], ["seunet", 0], ["seunet", 1]]


HEADER = ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (HEADER, "no rows"),
        (HEADER.replace(",fn", "") + "toy,unet,0,1,64,64,a,1,1,1,1\n", "'fn' is missing"),
        (HEADER + "toy,unet,0,1,64,64,a,x,1,1,1,1\n", "'tp' holds text"),
        (HEADER + "toy,other,0,1,64,64,a,1,1,1,1,1\n", "'other': no label"),
    ],
)
def test_bad_score_files_are_the_users_to_mend(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        collect(tmp_path, [path])


def test_bad_arguments_are_the_users_to_mend(tmp_path):
    good = score_file(tmp_path, ROWS)
    for files, metric, message in [
        ([tmp_path / "none.csv"], "mean_iou", "no such file"),
        ([good, good], "mean_iou", "two rows for scale"),
        ([], "mean_iou", "none given"),
        ([good], {"iou": "cat"}, 'scores of toy: metric.iou: "cat" is not known; allowed: a, b, c'),
        ([good], "dice", "scores of toy: metric: expected mean_iou"),
    ]:
        with pytest.raises(UserError, match=message):
            collect(tmp_path, files, metric)


def test_true_scale_and_one_row_per_size():
    nominal = [0.25, 0.297, 0.354, 1.0, 4.0]
    height = [48, 64, 64, 224, 896]  # 0.297 and 0.354 are the same test
    scores = pd.DataFrame(
        {"dataset": "toy", "model": "unet", "seed": 0, "scale": nominal, "height": height, "width": height}
    )
    true = with_true_scale(scores)
    assert true["true_scale"].tolist() == pytest.approx([48 / 224, 64 / 224, 1, 4])
    assert true["scale"].tolist() == [0.25, 0.297, 1.0, 4.0]
    with pytest.raises(UserError, match="add 1 to"):
        with_true_scale(scores[scores["scale"] != 1])


def test_history_is_named_by_its_folders(tmp_path):
    files = []
    for model, seed in (("unet", 0), ("unet", 10), ("seunet", 2)):
        path = tmp_path / "toy" / model / f"seed{seed}" / "history.csv"
        path.parent.mkdir(parents=True)
        path.write_text(HISTORY + "1,0.9,0.8,0.5,0.001,3,20,100\n2,0.7,,,0.001,3,20,100\n")
        files.append(path)
    collect_history(files, LABELS, tmp_path / "history.csv")
    table = pd.read_csv(tmp_path / "history.csv")
    assert list(table.columns) == ["dataset", "model", "label", "seed", *HISTORY.strip().split(",")]
    assert table["model"].tolist() == ["unet"] * 4 + ["seunet"] * 2
    assert table["seed"].tolist() == [0, 0, 10, 10, 2, 2]
    assert table["val_loss"].isna().tolist() == [False, True] * 3
    misplaced = tmp_path / "history.csv"
    with pytest.raises(UserError, match="seedN"):
        collect_history([misplaced], LABELS, tmp_path / "out.csv")
