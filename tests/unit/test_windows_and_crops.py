"""What an evaluation says of windows of scales and of cut images, and the tables of both."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seunet import build_model
from seunet.experiment import evaluation
from seunet.experiment.crops import MARGIN, PERIOD, crop_counts, crop_sizes
from seunet.models import SEUNet, UNet
from seunet.models.checkpoint import save_model
from seunet.report.tables import CROPS_COLUMNS, WINDOWS_COLUMNS, collect_crops, collect_windows
from seunet.settings.dataset import Testing

RUN = {"dataset": "reef", "model": "seunet", "seed": 0}
LABELS = {"seunet": "SEU-Net", "unet": "U-Net"}


class Local(nn.Module):
    """Class 1 where a pixel is bright: nothing else counts."""

    def forward(self, x):
        return torch.stack([x[:, 0] * 0 + 0.5, x[:, 0]], 1)


class Global(nn.Module):
    """Class 1 where a pixel is brighter than the mean of the image, which every cut changes."""

    def forward(self, x):
        return torch.stack([x[:, 0] * 0 + x.mean(), x[:, 0]], 1)


def test_every_residue_is_cut_that_the_network_takes():
    pyramid = SEUNet(3, 2, width=2, depth=2, num_scales=3, geometry="exact", layout="pyramid")
    assert pyramid.period == 16
    assert crop_sizes(96, 80, pyramid) == [(96 - r, 80 - r) for r in range(1, 17)]
    assert crop_sizes(96, 96, UNet(3, 2, width=2, depth=3)) == [(88, 88)]
    assert crop_sizes(256, 256, Local()) == [(256 - r, 256 - r) for r in range(1, PERIOD + 1)]
    assert crop_sizes(64, 64, Local())[-1] == (32, 32)  # nothing is left of a smaller one
    assert crop_sizes(32, 32, Local()) == []


def test_crop_consistency_tells_a_local_answer_from_a_global_one():
    images = torch.linspace(0, 1, 96).expand(2, 1, 96, 96)
    kept = {}
    for network in (Local(), Global()):
        rows = crop_counts(network, images)
        assert [row[3] for row in rows] == [2 * (96 - r - MARGIN) ** 2 for r in range(1, 49)]
        kept[type(network)] = [kept / pixels for _, _, kept, pixels in rows]
    assert min(kept[Local]) == 1
    assert max(kept[Global][8:]) < 1 and kept[Global][-1] < 0.9


@pytest.fixture(scope="module")
def files(tiny, tmp_path_factory):
    """Return the files of an evaluation of a network with three windows, and of a U-Net."""
    folder, made = tmp_path_factory.mktemp("windows"), {}
    options = {"width": 2, "depth": 1, "num_scales": 2, "geometry": "exact", "layout": "pyramid"}
    options |= {"scales_at_test": 4, "windows": "information"}
    for name, given in {"seunet": options, "unet": {"width": 2, "depth": 1}}.items():
        torch.manual_seed(0)
        description = {"architecture": name, "in_channels": 3, "num_classes": 3, "options": given}
        save_model(folder / name, build_model(name, 3, 3, **given), description)
        suffixes = {"scores": ".csv", "per_image": ".npz", "samples": "-s.npz", "crops": "-c.csv", "windows": "-w.csv"}
        made[name] = {key: folder / f"{name}{suffix}" for key, suffix in suffixes.items()}
        run = RUN | {"model": name}
        evaluation.evaluate(folder / name, tiny, Testing(test_scales=[0.5, 1, 2], size_multiple=8), run, **made[name])
    return made


def test_the_table_of_windows(files, tmp_path):
    collect_windows([made["windows"] for made in files.values()], LABELS, {"reef": "mean_iou"}, tmp_path / "w.csv")
    table = pd.read_csv(tmp_path / "w.csv")
    assert list(table.columns) == WINDOWS_COLUMNS
    assert set(table["model"]) == {"seunet"}  # a U-Net has no windows, and no row
    assert table["window"].tolist() == ["1-2", "2-4", "4-8"] * 3
    assert table.groupby("scale")["chosen"].sum().tolist() == pytest.approx([1, 1, 1])
    # where one window was chosen for every image, its score is that of the network
    scores = pd.read_csv(files["seunet"]["scores"])
    iou = scores.assign(iou=scores["tp"] / (scores["tp"] + scores["fp"] + scores["fn"])).groupby("scale")["iou"].mean()
    for row in table[table["chosen"] == 1].itertuples():
        assert row.iou == pytest.approx(iou[row.scale])


def test_runs_of_different_length_leave_each_other_alone(tmp_path):
    """A file with fewer rows once multiplied those rows of the others that have the same number."""
    seeds = {0: [1.0, 2.0], 1: [1.0]}
    for seed, scales in seeds.items():
        rows = pd.DataFrame([{"scale": scale, "class": c} for scale in scales for c in ("fish", "background", "star")])
        counts = {"tp": rows["class"].map({"fish": 1, "background": 9, "star": 5}), "fp": 1, "fn": 0}
        own = RUN | {"seed": seed, "height": 8, "width": 8, "window": "1-2", "chosen": 4, "images": 4}
        rows.assign(**own, **counts).iloc[: 3 * len(scales) - seed].to_csv(tmp_path / f"{seed}.csv", index=False)
    collect_windows([tmp_path / f"{seed}.csv" for seed in seeds], LABELS, {"reef": "mean_iou"}, tmp_path / "w.csv")
    table = pd.read_csv(tmp_path / "w.csv")
    assert table["seed"].tolist() == [0, 0, 1]
    assert table["iou"].tolist() == pytest.approx([(1 / 2 + 9 / 10 + 5 / 6) / 3] * 2 + [(1 / 2 + 9 / 10) / 2])


def test_samples_say_which_scale_won(files):
    samples = np.load(files["seunet"]["samples"])
    assert samples["winner_0"].shape == samples["prediction_0"].shape
    assert samples["winner_0"].max() < 4
    assert "winner_0" not in np.load(files["unet"]["samples"])


def test_the_table_of_crops(tmp_path):
    rows = pd.DataFrame({**RUN, "height": [63, 62], "width": [63, 62], "kept_pixels": [90, 50], "pixels": [100, 100]})
    rows.to_csv(tmp_path / "seed0.csv", index=False)
    rows.head(0).to_csv(tmp_path / "seed1.csv", index=False)  # a network that takes no other size
    collect_crops([tmp_path / "seed0.csv", tmp_path / "seed1.csv"], LABELS, tmp_path / "crops.csv")
    table = pd.read_csv(tmp_path / "crops.csv")
    assert list(table.columns) == CROPS_COLUMNS
    assert table["consistency"].tolist() == [0.9, 0.5]
