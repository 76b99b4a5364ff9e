"""`seunet scales`, `info` and `compare` of networks."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_cli import call, network, picture, trained_at

from seunet import build_model
from seunet.commands.prediction_files import is_answer
from seunet.experiment.application import InputScale, TrainedNetwork, open_picture
from seunet.experiment.scale_agreement import ScaledPrediction, describe_agreement, predict_at_scales
from seunet.models.checkpoint import save_model


@pytest.fixture
def lifted(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    options = {"width": 2, "depth": 1, "num_scales": 3}
    model = build_model("seunet", 3, 2, **options)
    description = {"architecture": "seunet", "in_channels": 3, "num_classes": 2, "options": options}
    save_model(tmp_path / "lifted", model, description | trained_at(16, 16))
    return tmp_path / "lifted"


def test_one_picture_per_image_and_one_sentence(lifted: Path, tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png", (40, 30))
    (tmp_path / "c.png").write_text("no image")
    result = call(lifted, image, tmp_path / "c.png", "--output", tmp_path / "out", command="scales")
    assert result.exit_code == 1
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a_scales.png"]
    assert is_answer(tmp_path / "out" / "a_scales.png")
    assert "agreement with ×1: ×0.25" in result.output
    assert "scales that won at ×1:" in result.output
    assert "On 1 image the " in result.stdout.splitlines()[-1]
    assert "c.png: not a readable image" in result.stderr
    again = call(lifted, image, "--output", tmp_path / "out", command="scales")
    assert again.exit_code == 1
    assert "--overwrite" in again.output
    with Image.open(tmp_path / "out" / "a_scales.png") as image:
        assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 50


def test_agreement_is_the_share_of_pixels_that_keep_their_class(lifted: Path, tmp_path: Path) -> None:
    found = predict_at_scales(
        TrainedNetwork(lifted), open_picture(picture(tmp_path / "a.png")), InputScale(0.5), (0.5, 1, 2)
    )
    reference = found[1]
    assert (reference.scale, reference.agreement, reference.size) == (1, 1, (18, 25))
    assert found[2].size == (37, 50)
    for answer in found:
        assert answer.classes.shape == (18, 25)
        assert answer.agreement == pytest.approx((answer.classes == reference.classes).mean())
        assert set(answer.winners) == {1, 2, 4}
        assert sum(answer.winners.values()) == pytest.approx(1)


@pytest.mark.parametrize(("architecture", "options"), [("unet", {}), ("seunet", {"projection": "mean"})])
def test_no_scale_wins_where_none_is_chosen(tmp_path: Path, architecture: str, options: dict) -> None:
    options |= {"width": 2, "depth": 1}
    description = {"architecture": architecture, "in_channels": 3, "num_classes": 2, "options": options}
    save_model(tmp_path / "network", build_model(architecture, 3, 2, **options), description | trained_at(16, 16))
    asked = TrainedNetwork(tmp_path / "network"), open_picture(picture(tmp_path / "a.png")), InputScale(1)
    assert [found.winners for found in predict_at_scales(*asked, (0.5, 1))] == [{}, {}]


def answer(scale: float, agreement: float, overlap: float, classes: int = 2) -> ScaledPrediction:
    return ScaledPrediction(scale, (4, 4), np.arange(16).reshape(4, 4) % classes, agreement, overlap, {})


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (
            [[answer(0.5, 0.95, 0.9), answer(1, 1, 1), answer(2, 0.5, 0.3)]],
            "survives at ×0.5 (95% of pixels), and",
        ),
        ([[answer(0.5, 0.95, 0.9), answer(1, 1, 1)]] * 2, "On 2 images the answer survives every scale"),
        ([[answer(0.5, 0.95, 0.2), answer(1, 1, 1)]], "survives no change of scale"),  # mostly background
        ([[answer(0.5, 1, 1, 1), answer(1, 1, 1, 1)]], "one class everywhere"),
    ],
)
def test_describe_agreement(images: list, said: str) -> None:
    assert said in describe_agreement(images)


def results_of(folder: Path, **changes) -> Path:
    """Write the folder of a network within results, with history and scores."""
    about = {
        "seed": 0,
        "training": {"epochs": 2, "batch_size": 4, "augmentation": {"crop": 16, "flips": []}},
        "preparation": {
            "dataset": "reef",
            "image_size": [32, 48],
            "fit": "pad",
            "value_range": None,
            "metric": {"iou": "fish1"},
            "images": {"train": 6, "val": 2, "test": 3},
        },
        "torch": "2.13.0",
    }
    weights = network(folder / "models" / "reef" / "unet" / "seed0", **about | changes)
    write_table(weights / "history.csv", [{"epoch": 1, "val_metric": 0.5}, {"epoch": 2, "val_metric": 0.25}])
    row = {"dataset": "reef", "model": "unet", "scale": 1.0, "iou": 0.125}
    write_table(folder / "tables" / "scores.csv", [row | {"seed": 0}, row | {"seed": 1, "iou": 0.75}])
    return weights


def write_table(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_info_says_what_is_known(tmp_path: Path) -> None:
    result = call(results_of(tmp_path), command="info")
    assert result.exit_code == 0, result.output
    for said in (
        "unet (width 2, depth 2)",
        "3: 0 fish0, 1 fish1, 2 fish2",
        "32 × 48 pixels (fit: pad)",
        "reef: 6 train, 2 val, 3 test",
        "seed 0, epochs 2, batch_size 4, crop 16",
        "IoU of fish1 0.250 after epoch 2 (best 0.500, epoch 1)",
        "IoU of fish1 at ×1 0.125",
    ):
        assert said in result.output


def test_info_of_a_training_some_of_whose_validations_had_no_metric(tmp_path: Path) -> None:
    weights = results_of(tmp_path)
    history = weights / "history.csv"
    history.write_text("epoch,val_metric\n1,\n2,0.5\n3,\n")
    assert "IoU of fish1 nan after epoch 3 (best 0.500, epoch 2)" in call(weights, command="info").output
    history.write_text("epoch,val_metric\n1,\n")
    result = call(weights, command="info")
    assert result.exit_code == 0 and "validation" not in result.output


def test_info_of_an_older_network_and_of_none(tmp_path: Path) -> None:
    result = call(network(tmp_path / "old"), command="info")
    assert result.exit_code == 0
    assert "trained on" not in result.output
    (tmp_path / "old" / "model.safetensors").unlink()
    for folder in (tmp_path / "old", tmp_path, tmp_path / "nothing", tmp_path / "old" / "model.json"):
        result = call(folder, command="info")
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
    results_of(tmp_path / "results")
    assert (
        f"did you mean {tmp_path}/results/models/reef/unet/seed0?"
        in call(tmp_path / "results" / "models", command="info").output
    )


def test_compare_two_networks(tmp_path: Path) -> None:
    first, second = results_of(tmp_path / "a"), results_of(tmp_path / "b", seed=1)
    result = call(first, second, command="compare")
    assert result.exit_code == 0
    assert result.output.splitlines() == ["seed: 0 → 1", "The weights agree."]
    other = network(tmp_path / "c", always=1)
    told = json.loads((other / "model.json").read_text())
    result = call(first, other, command="compare")
    assert result.exit_code == 3
    assert "torch" not in told
    assert 'torch: "2.13.0" → none' in result.output
    assert "weights: 1 of " in result.output
    assert "classifier.bias" in result.output
    assert "tensors are of other shape" in call(first, network(tmp_path / "d", 4), command="compare").output
    result = call(first, tmp_path, command="compare")
    assert result.exit_code == 1
    assert "is a trained network" in result.output
