"""Errors of trained networks' stages: by hand, zero where it must be, and the shift of lifted maps."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY, TINY_SCALES
from torch import Tensor, nn

from seunet.data.arrays import Prepared
from seunet.data.prepared import prepare, render
from seunet.data.rescaling import rescale_image
from seunet.experiment.equivariance import crop_side, image_pairs, measure, scale_steps, stage_errors, stages_of
from seunet.experiment.inference import MultiScale, Variant
from seunet.models import SEUNet, SResNet, UNet
from seunet.models.checkpoint import save_model
from seunet.report.tables import EQUIVARIANCE_COLUMNS, collect_equivariance
from seunet.settings.dataset import Testing, Tile

CPU = torch.device("cpu")


def enlarged(images: Tensor, factor: int) -> Tensor:
    """Return images whose every pixel became a square of factor²."""
    return images.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


@pytest.mark.parametrize("model", [UNet, SEUNet], ids=lambda model: model.__name__)
def test_stages_of_a_u_shape_are_in_forward_order(model):
    network = model(3, 2, width=2, depth=2).eval()
    names = ["stem", "encoder 1", "encoder 2", "decoder 1", "decoder 2", "head", "logits"]
    assert list(stages_of(network)) == names == order_of_calls(network)


def test_stages_of_other_networks():
    network = SResNet(3, 2, width=2).eval()
    assert list(stages_of(network)) == ["lifting", *(f"block {i}" for i in range(1, 10)), "logits"]
    assert order_of_calls(network) == list(stages_of(network))
    assert list(stages_of(nn.Conv2d(3, 2, 1))) == ["logits"]
    ensemble = MultiScale(network, [0.5, 1])
    assert list(stages_of(ensemble)) == ["logits"] == order_of_calls(ensemble)


def order_of_calls(network: nn.Module) -> list[str]:
    called = []
    for name, stage in stages_of(network).items():
        stage.register_forward_hook(lambda module, inputs, output, name=name: called.append(name))
    with torch.no_grad():
        network(torch.rand(1, 3, 32, 32))
    return called


@pytest.mark.parametrize("factor", [0.25, 0.5, 2, 4])
def test_what_commutes_with_the_resampling_makes_no_error(factor):
    """Pointwise and linear, on ramps, which every resampling keeps but at the edges."""
    rows, columns = torch.arange(64.0)[:, None] / 64, torch.arange(64.0) / 64
    x = torch.stack([rows + 0 * columns, rows - columns, 1 - columns + 0 * rows])[None]
    pair = (x, rescale_image(x, (int(64 * factor), int(64 * factor))))
    linear = nn.Conv2d(3, 4, 1)
    assert stage_errors(linear, [pair], None)["logits"] < 1e-5
    assert stage_errors(nn.Sequential(linear, Parity()), [pair], None)["logits"] > 0.1


class Parity(nn.Module):
    """The image with every other column set to 0: what no change of scale leaves as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.arange(x.shape[-1]) % 2)


def test_an_error_by_hand():
    """A network that adds 1 to its first channel above 10 pixels of width."""

    class Biased(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.tensor([1.0, 0.0])[:, None, None] * (x.shape[-1] > 10)

    x = torch.tensor([3.0, 1.0])[:, None, None].expand(1, 2, 8, 8)
    y = torch.tensor([0.0, 4.0])[:, None, None].expand(1, 2, 8, 8)
    # About their mean, logits are ±1 and ∓2; a bias of 1 moves them by ±½.
    grown = stage_errors(Biased(), [(x, enlarged(x, 2)), (y, enlarged(y, 2))], None)["logits"]
    assert grown == pytest.approx(math.sqrt((0.5**2 + 0.5**2) / (1 + 2**2)))
    shrunk = stage_errors(Biased(), [(enlarged(x, 2), x), (enlarged(y, 2), y)], None)["logits"]
    assert shrunk == pytest.approx(math.sqrt((0.5**2 + 0.5**2) / (1.5**2 + 1.5**2)))  # 1 + ½, and −2 + ½


def test_a_change_of_scale_shifts_lifted_maps():
    """Lifted maps that hold their own scale in pixels: s + k of the larger image is compared with s of the smaller."""

    class Numbered(nn.Module):
        def __init__(self):
            super().__init__()
            self.lift = nn.Identity()

        def stages(self):
            return {"lift": self.lift, "logits": self}

        def forward(self, x):
            scale = torch.arange(4.0) + 1 - (2 if x.shape[-1] > 10 else 0)  # 1 2 3 4, of large images -1 0 1 2
            return self.lift(scale.view(4, 1, 1, 1, 1).expand(4, *x.shape))[0]

    x = torch.rand(1, 2, 8, 8)
    for pair in [(x, enlarged(x, 4)), (enlarged(x, 4), x)]:
        assert stage_errors(Numbered(), [pair], 2)["lift"] == pytest.approx(0)
        assert stage_errors(Numbered(), [pair], 1)["lift"] > 0.3
        assert math.isnan(stage_errors(Numbered(), [pair], 4)["lift"])  # no scale is left
        assert math.isnan(stage_errors(Numbered(), [pair], None)["lift"])
    model = SEUNet(2, 2, width=2, depth=1, num_scales=1).eval()
    assert not math.isnan(stage_errors(model, [(x, enlarged(x, 4))], 2)["stem"])  # one scale is an ordinary map


def test_the_shift_of_a_base():
    assert [scale_steps(scale, 2) for scale in (0.25, 0.5, 2, 4)] == [2, 1, 1, 2]
    assert scale_steps(2, math.sqrt(2)) == 2
    assert scale_steps(0.5, 1.4142135623730951) == 2
    assert scale_steps(3, 2) is None


def test_crops_fit_the_networks_and_the_tiles():
    testing = Testing(test_scales=[0.5], size_multiple=16)
    assert crop_side(224, Fraction(1, 4), testing) == 192  # 48 · 4; a quarter of 224 is no multiple of 16
    assert crop_side(224, Fraction(2), testing) == 224
    assert crop_side(32, Fraction(1, 4), testing) == 0
    tiled = Testing(test_scales=[4], size_multiple=16, tile=Tile(size=448, margin=224))
    assert crop_side(512, Fraction(4), tiled) == 224  # 896 pixels, tiles with their margins; untiled 2048
    assert crop_side(512, Fraction(1, 2), tiled) == 512


def test_image_pairs_use_the_drawing_where_there_is_one(tmp_path, tiny):
    prepare("reef", TINY, {}, tmp_path / "reef")
    testing = Testing(test_scales=[2], size_multiple=8)
    resampled = list(image_pairs(Prepared(tiny), 2, testing, CPU))
    render("reef", TINY, TINY_SCALES, tmp_path / "reef" / "test" / "rendered")
    drawn = list(image_pairs(Prepared(tmp_path / "reef"), 2, testing, CPU))
    assert sum(len(x) for x, _ in drawn) == 3
    assert all(y.shape[-2:] == (64, 64) for _, y in drawn)
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(drawn, resampled, strict=True))
    assert not torch.equal(drawn[0][1], resampled[0][1])
    assert (drawn[0][1] - resampled[0][1]).abs().mean() < 0.1  # the same scenes, in the same place


def test_from_weights_to_the_table(tmp_path, tiny):
    options = {"width": 2, "depth": 2, "num_scales": 2}
    torch.manual_seed(0)
    model = SEUNet(3, len(Prepared(tiny).classes), **options)
    description = {"architecture": "seunet", "in_channels": 3, "num_classes": model.classifier.out_channels}
    save_model(tmp_path / "seu", model, description | {"options": options})
    run = {"dataset": "reef", "model": "seunet", "seed": 1}
    measure(
        tmp_path / "seu", tiny, Testing(test_scales=[0.25, 0.5, 0.3, 2], size_multiple=8), run, tmp_path / "seed1.csv"
    )
    ensemble = run | {"model": "both"}
    testing = Testing(test_scales=[2], size_multiple=8)
    measure(tmp_path / "seu", tiny, testing, ensemble, tmp_path / "both.csv", variant=Variant([0.5, 1]))
    files = [tmp_path / "seed1.csv", tmp_path / "both.csv"]
    collect_equivariance(files, {"seunet": "SEU-Net", "both": "Both"}, tmp_path / "all.csv")
    table = pd.read_csv(tmp_path / "all.csv")
    assert list(table.columns) == EQUIVARIANCE_COLUMNS
    assert table["scale"].tolist() == [0.25] * 7 + [0.3] * 7 + [0.5] * 7 + [2.0] * 8
    assert table["position"].tolist() == [*range(7)] * 4 + [0]
    assert table["stage"].tolist()[-2:] == ["logits", "logits"]
    errors = table[table["model"] == "seunet"].set_index(["scale", "stage"])["error"]
    assert np.isfinite(errors[[0.5, 2.0]]).all() and (errors[[0.5, 2.0]] > 0).all()
    assert errors[0.3].isna().all()  # 32 pixels hold no such sizes
    assert errors[0.25].notna().tolist() == [False] * 6 + [True]  # two scales: none is two steps from another
