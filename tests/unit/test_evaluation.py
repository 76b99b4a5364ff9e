"""Evaluation: counts that two independent programs confirm, consistency, rendered test images, kept samples."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, TINY_SCALES
from PIL import Image
from sklearn.metrics import confusion_matrix

from seunet.data import reef
from seunet.data.arrays import Prepared
from seunet.data.prepared import render
from seunet.experiment import evaluation
from seunet.experiment.evaluation import evaluate
from seunet.experiment.inference import Variant
from seunet.models import build_model
from seunet.models.checkpoint import load_model, save_model
from seunet.runtime.errors import UserError
from seunet.runtime.files import sha256
from seunet.settings.configuration import FactorSearch
from seunet.settings.dataset import Testing, Tile
from seunet.settings.metric import COUNTS

CLASSES = len(reef.CLASSES)
RUN = {"dataset": "reef", "model": "unet", "seed": 3}
SCALES = (0.5, 0.55, 1, 1.5, 2)  # of 32 pixels in multiples of 8: 16, 16, 32, 48, 64


@pytest.fixture(scope="module")
def ignoring(tiny, tmp_path_factory) -> Path:
    """Return the tiny data set with some ignored test pixels."""
    folder = tmp_path_factory.mktemp("ignoring") / "reef"
    shutil.copytree(tiny, folder)
    masks = np.load(folder / "test" / "masks.npy")
    masks[:, 4:9, 3:20] = 255
    np.save(folder / "test" / "masks.npy", masks)
    return folder


def network(folder: Path, in_channels=3, num_classes=CLASSES) -> Path:
    """Save an untrained U-Net whose batch norms fit the images, so that it predicts several classes."""
    torch.manual_seed(2)
    options = {"width": 4, "depth": 2}
    model = build_model("unet", in_channels, num_classes, **options)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # plain averages: few images are enough
    with torch.no_grad():
        for _ in range(5):
            model(torch.rand(2, in_channels, 16, 16))
    torch.nn.init.normal_(model.classifier.weight)
    description = {"architecture": "unet", "in_channels": in_channels, "num_classes": num_classes, "options": options}
    save_model(folder, model, description)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return network(tmp_path_factory.mktemp("weights"))


def score(weights: Path, dataset: Path, folder: Path, testing: Testing | None = None):
    """Evaluate; return the table, the counts per image and the samples."""
    testing = testing or Testing(test_scales=list(SCALES), size_multiple=8)
    files = {"scores": folder / "s.csv", "per_image": folder / "p.npz", "samples": folder / "samples.npz"}
    evaluate(weights, dataset, testing, RUN, **files, crops=folder / "crops.csv", windows=folder / "windows.csv")
    return pd.read_csv(files["scores"]), np.load(files["per_image"]), np.load(files["samples"])


@pytest.fixture(scope="module")
def scored(weights, ignoring, tmp_path_factory):
    return score(weights, ignoring, tmp_path_factory.mktemp("scored"))


# The same, written again in the slowest and plainest way: Pillow and loops in place of torch


def resized_image(image: np.ndarray, side: int) -> np.ndarray:
    """Resample (H, W, C) uint8 to (side, side, C) in [0, 1], bilinearly with antialiasing."""
    channels = [
        np.asarray(Image.fromarray(image[..., c].astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR))
        for c in range(image.shape[-1])
    ]
    return np.stack(channels, axis=-1) / 255


def resized_mask(mask: np.ndarray, side: int) -> np.ndarray:
    """Take the nearest pixel."""
    out = np.zeros((side, side), dtype=int)
    for y in range(side):
        for x in range(side):
            out[y, x] = mask[int((y + 0.5) * mask.shape[0] / side), int((x + 0.5) * mask.shape[1] / side)]
    return out


def interpolated(logits: np.ndarray, side: int) -> np.ndarray:
    """Resample (C, h, w) to (C, side, side): bilinear, half-pixel centres, no antialiasing, edges repeated."""
    size = logits.shape[1]
    place = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    low = np.floor(place).astype(int)
    high, t = np.minimum(low + 1, size - 1), (place - low).astype(np.float32)
    rows = logits[:, low] * (1 - t)[None, :, None] + logits[:, high] * t[None, :, None]
    return rows[:, :, low] * (1 - t) + rows[:, :, high] * t


def plain_counts(weights: Path, dataset: Path, side: int) -> np.ndarray:
    """Return the counts (5, N, C) of test images resampled to `side`."""
    model, _ = load_model(weights)
    data = Prepared(dataset)
    out = np.zeros((5, len(data.test[0]), len(data.classes)), dtype=int)

    def logits(image):
        with torch.no_grad():
            return model(torch.tensor(image, dtype=torch.float32).permute(2, 0, 1)[None])[0].numpy()

    for n, (image, mask) in enumerate(zip(*data.test, strict=True)):
        found = logits(resized_image(image, side))
        prediction, truth = found.argmax(0), resized_mask(mask, side)
        for y in range(side):
            for x in range(side):
                wanted, got = truth[y, x], prediction[y, x]
                if wanted == 255:
                    continue
                if wanted == got:
                    out[0, n, got] += 1
                else:
                    out[1, n, got] += 1
                    out[2, n, wanted] += 1
        reference = logits(image / 255).argmax(0)
        back = interpolated(found, len(mask)).argmax(0)
        for y, x in np.argwhere(mask != 255):  # an ignored pixel has no class that it could keep
            out[4, n, reference[y, x]] += 1
            out[3, n, reference[y, x]] += reference[y, x] == back[y, x]
    return out


@pytest.mark.parametrize("index", [0, 2, 3, 4])
def test_counts_are_those_of_a_slow_loop(scored, weights, ignoring, index):
    _, per_image, _ = scored
    found = np.stack([per_image[name][index] for name in COUNTS])
    wanted = plain_counts(weights, ignoring, int(per_image["height"][index]))
    if SCALES[index] == 1:
        np.testing.assert_array_equal(found, wanted)
    else:  # a tie of two classes may fall otherwise with another rounding of the resampling
        assert np.abs(found - wanted).sum() <= 0.002 * wanted.sum()
    assert (found[0].sum(0) > 0).sum() >= 2 and (found[1] > 0).any()  # several classes are met: it says something


def test_counts_are_those_of_scikit_learn(scored, weights, ignoring):
    table, _, _ = scored
    data = Prepared(ignoring)
    model, _ = load_model(weights)
    with torch.no_grad():
        prediction = model(torch.tensor(data.test[0] / 255, dtype=torch.float32).permute(0, 3, 1, 2)).argmax(1).numpy()
    truth = data.test[1]
    matrix = confusion_matrix(truth[truth != 255], prediction[truth != 255], labels=range(CLASSES))
    rows = table[table["scale"] == 1]
    np.testing.assert_array_equal(rows["tp"], matrix.diagonal())
    np.testing.assert_array_equal(rows["fp"], matrix.sum(0) - matrix.diagonal())
    np.testing.assert_array_equal(rows["fn"], matrix.sum(1) - matrix.diagonal())


def test_table_has_one_row_per_scale_and_class(scored, ignoring):
    table, _, _ = scored
    names = ["dataset", "model", "seed", "scale", "height", "width", "class", *COUNTS]
    assert list(table.columns) == names and len(table) == len(SCALES) * CLASSES
    assert list(table["class"]) == Prepared(ignoring).classes * len(SCALES)
    assert list(table["scale"].unique()) == list(SCALES)
    assert list(table["height"].unique()) == [16, 32, 48, 64] and (table["height"] == table["width"]).all()
    assert (table[["dataset", "model", "seed"]] == ["reef", "unet", 3]).all(axis=None)


def test_per_image_counts_sum_to_the_totals(scored):
    table, per_image, _ = scored
    assert per_image["scale"].tolist() == list(SCALES) and per_image["classes"].tolist() == list(table["class"][:3])
    for name in COUNTS:
        assert per_image[name].shape == (len(SCALES), 3, CLASSES) and per_image[name].dtype == np.int64
        np.testing.assert_array_equal(per_image[name].sum(1).ravel(), table[name])


def test_every_pixel_is_counted_once_and_ignored_ones_never(scored, ignoring):
    table, _, _ = scored
    masks = Prepared(ignoring).test[1]
    totals = table.groupby("scale").sum(numeric_only=True)
    assert (totals["pixels"] == (masks != 255).sum()).all()  # at the size of scale 1, whatever the scale
    assert (totals["fp"] == totals["fn"]).all()
    assert totals.loc[1, "tp"] + totals.loc[1, "fn"] == (masks != 255).sum() < masks.size


def test_consistency_is_1_at_scale_1_and_less_elsewhere(scored):
    table, _, _ = scored
    same = table[table["scale"] == 1]
    assert (same["consistent_pixels"] == same["pixels"]).all()
    totals = table.groupby("scale").sum(numeric_only=True)
    assert (totals["consistent_pixels"] <= totals["pixels"]).all()
    assert totals.loc[0.5, "consistent_pixels"] < totals.loc[0.5, "pixels"]


def test_scales_of_one_size_are_tested_once(scored, weights, ignoring, tmp_path, monkeypatch):
    table, _, _ = scored
    columns = ["height", "class", *COUNTS]
    first, second = (table[table["scale"] == scale][columns].reset_index(drop=True) for scale in SCALES[:2])
    pd.testing.assert_frame_equal(first, second)
    shown = []
    original = evaluation.predict
    monkeypatch.setattr(
        evaluation, "predict", lambda model, x, *settings: (shown.append(x.shape[-1]), original(model, x, *settings))[1]
    )
    score(weights, ignoring, tmp_path)
    assert sorted(shown) == [16, 32, 48, 64]  # 32 serves as the reference too


def test_scale_1_need_not_be_among_the_scales(scored, weights, ignoring, tmp_path):
    table, per_image, samples = score(weights, ignoring, tmp_path, Testing(test_scales=[2, 0.5], size_multiple=8))
    assert list(table["scale"].unique()) == [2, 0.5] and samples["scales"].tolist() == [2, 0.5]
    for i, scale in enumerate((2, 0.5)):
        for name in COUNTS:
            np.testing.assert_array_equal(per_image[name][i], scored[1][name][SCALES.index(scale)])


def test_batches_do_not_matter(scored, weights, ignoring, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "BATCH_PIXELS", 1)  # one image at a time
    table, _, samples = score(weights, ignoring, tmp_path)
    for name in COUNTS:
        assert np.abs(table[name] - scored[0][name]).sum() <= 2  # but for the last bits of batched sums
    assert samples["image_0"].shape == scored[2]["image_0"].shape


def test_tiles_do_not_matter_where_the_margin_covers_the_receptive_field(scored, weights, ignoring, tmp_path):
    table, _, _ = score(
        weights, ignoring, tmp_path, Testing(test_scales=list(SCALES), size_multiple=8, tile=Tile(size=8, margin=24))
    )
    for name in COUNTS:
        assert np.abs(table[name] - scored[0][name]).sum() <= 2


def test_rendered_test_images_are_used_where_they_exist(weights, tiny, scored, tmp_path):
    folder = tmp_path / "reef"
    shutil.copytree(tiny, folder)
    render("reef", TINY, TINY_SCALES, folder / "test" / "rendered")
    assert {path.name for path in (folder / "test" / "rendered").iterdir()} == {"16x16", "64x64"}
    _, _, samples = score(weights, folder, tmp_path)
    data = Prepared(folder)
    scales = samples["scales"].tolist()
    for scale, side in ((0.5, 16), (2, 64)):
        images, masks = data.rendered(side, side)
        np.testing.assert_array_equal(samples[f"image_{scales.index(scale)}"], images)
        np.testing.assert_array_equal(samples[f"mask_{scales.index(scale)}"], masks)
    _, _, resampled = score(weights, tiny, tmp_path)
    assert not np.array_equal(resampled["image_0"], samples["image_0"])
    assert data.rendered(48, 48) is None  # a size without rendering is resampled, as the scores above


def test_samples_hold_images_masks_and_predictions(scored, weights, ignoring):
    _, _, samples = scored
    data = Prepared(ignoring)
    assert samples["classes"].tolist() == data.classes
    assert samples["scales"].tolist() == [0.5, 1, 2]  # those of the five that are nearest to 1/4 … 4
    for i, side in enumerate((16, 32, 64)):
        assert samples[f"image_{i}"].shape == (3, side, side, 3)
        assert samples[f"mask_{i}"].shape == samples[f"prediction_{i}"].shape == (3, side, side)
        assert {samples[f"{kind}_{i}"].dtype for kind in ("image", "mask", "prediction")} == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(samples["image_1"], data.test[0])
    np.testing.assert_array_equal(samples["mask_1"], data.test[1])
    model, _ = load_model(weights)
    with torch.no_grad():
        x = torch.tensor(data.test[0] / 255, dtype=torch.float32).permute(0, 3, 1, 2)
        np.testing.assert_array_equal(samples["prediction_1"], model(x).argmax(1))


def test_two_evaluations_give_the_same_bytes(weights, ignoring, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        score(weights, ignoring, tmp_path / name)
    for file in ("s.csv", "p.npz", "samples.npz"):
        assert sha256(tmp_path / "a" / file) == sha256(tmp_path / "b" / file)


@pytest.mark.parametrize(("channels", "classes"), [(1, CLASSES), (3, 2)], ids=["channels", "classes"])
def test_networks_of_other_channels_or_classes_are_refused(ignoring, tmp_path, channels, classes):
    folder = network(tmp_path / "other", channels, classes)
    with pytest.raises(UserError, match="train again") as caught:
        score(folder, ignoring, tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "s.csv").exists()


def test_a_network_that_declares_no_multiple_is_shown_sides_as_the_test_images_have(tiny, tmp_path, monkeypatch):
    (tmp_path / "eights.py").write_text(
        "import torch\n\nclass Net(torch.nn.Conv2d):\n    def __init__(self, in_channels, num_classes):\n"
        "        super().__init__(in_channels, num_classes, 1)\n    def forward(self, x):\n"
        "        assert x.shape[-1] % 8 == 0\n        return super().forward(x)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    description = {"architecture": "eights:Net", "in_channels": 3, "num_classes": CLASSES, "options": {}}
    save_model(tmp_path / "net", build_model("eights:Net", 3, CLASSES), description)
    variant = Variant(magnification=FactorSearch(per="image"))  # 32 / √2 pixels are no multiple of 8
    testing = Testing(test_scales=[1.0], size_multiple=8)
    files = [tmp_path / name for name in ("scores.csv", "per_image.npz", "samples.npz")]
    evaluate(tmp_path / "net", tiny, testing, RUN, *files, variant=variant)
    assert files[0].exists()
