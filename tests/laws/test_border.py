"""What correlations read beyond a map: with border pixels the size of an image, and what is far away, do not matter."""

import json

import pytest
import torch
from torch import nn

from benchmarks.laws import STEPS, randomised, smooth_field
from seunet.layers import QuadraticDilation, ScaleCrossCorrelation, ScaleUpsample, equivariance_error
from seunet.models import SEUNet, SResNet, build_model
from seunet.models.checkpoint import load_model, save_model
from seunet.runtime.errors import UserError

LAYOUTS = ["dense", "pyramid"]


def network(layout: str, depth: int = 2, **options) -> SEUNet:
    """Return an untrained network in evaluation mode, with random statistics of batch norm."""
    torch.manual_seed(0)
    model = SEUNet(1, 2, width=4, depth=depth, num_scales=3, geometry="exact", layout=layout, **options).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.1, 0.5)
    return model


def spread(y: torch.Tensor) -> float:
    """Return how far the logits of one image differ between its pixels."""
    return float((y.amax((2, 3)) - y.amin((2, 3))).max())


@pytest.mark.parametrize("options", [{}, {"pooling": "strided"}, {"pooling": "flat"}, {"basis": "gaussian"}], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@torch.no_grad()
def test_a_constant_image_gives_one_answer_at_every_size(layout: str, options: dict) -> None:
    model = network(layout, **options)
    sizes = [(4, 4), (12, 20), (36, 8)] if layout == "dense" else [(1, 1), (3, 2), (5, 19), (23, 8)]
    answers = [model(torch.full((1, 1, *size), 0.7)) for size in sizes]
    assert max(map(spread, answers)) < 1e-4
    for answer in answers[1:]:
        torch.testing.assert_close(answer[..., :1, :1], answers[0][..., :1, :1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", LAYOUTS)
@torch.no_grad()
def test_zeros_tell_the_network_where_the_border_is(layout: str) -> None:
    assert spread(network(layout, border="zeros")(torch.full((1, 1, 36, 20), 0.7))) > 1e-2


@pytest.mark.parametrize("layout", LAYOUTS)
@torch.no_grad()
def test_a_cut_far_away_changes_nothing(layout: str) -> None:
    """A network of depth 1 and scales 1, 2, 4 sees no further than 100 pixels; the sizes are no multiples of 8."""
    model = network(layout, depth=1)
    image = torch.rand(1, 1, 202, 214, generator=torch.Generator().manual_seed(0))
    whole = model(image)
    for height, width in [(150, 138), (142, 146)]:
        torch.testing.assert_close(model(image[..., :height, :width])[..., :24, :24], whole[..., :24, :24])


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("size", [(64, 64), (61, 47), (9, 14)])
@pytest.mark.parametrize(("stride", "kernel"), [(1, 3), (2, 3), (1, 5)])
@torch.no_grad()
def test_the_law_holds_up_to_the_border(size: tuple[int, int], k: int, stride: int, kernel: int) -> None:
    layer = randomised(ScaleCrossCorrelation(2, 3, kernel_size=kernel, stride=stride, border="replicate"))
    assert equivariance_error(layer, smooth_field(4, 1, 2, *size), k, stride=stride, border=0) < 1e-5


@torch.no_grad()
def test_pooling_and_upsampling_continue_maps() -> None:
    x = torch.full((3, 1, 2, 9, 7), 0.7)
    assert QuadraticDilation(2, geometry="exact")(x).unique().numel() == 1
    for geometry in ("exact", "released"):
        assert ScaleUpsample(2, geometry)(x).unique().numel() == 1


def test_defaults() -> None:
    borders = {
        "replicate": [SEUNet(1, 2, width=1, geometry="exact"), SResNet(1, 2, width=1, geometry="exact")],
        "zeros": [SEUNet(1, 2, width=1), SResNet(1, 2, width=1), SEUNet(1, 2, width=1, border="zeros")],
    }
    for border, models in borders.items():
        for model in models:
            layers = [layer for layer in model.modules() if isinstance(layer, ScaleCrossCorrelation)]
            assert {layer.border for layer in layers} == {border}
    with pytest.raises(UserError, match="border: 'wrap' is not one of zeros, replicate"):
        SEUNet(1, 2, border="wrap")


def test_weights_from_before_there_was_a_choice_keep_their_zeros(tmp_path) -> None:
    options = {"width": 2, "depth": 1, "geometry": "exact"}
    description = {"architecture": "seunet", "in_channels": 1, "num_classes": 2, "options": options}
    save_model(tmp_path, build_model("seunet", 1, 2, **options), description)
    assert load_model(tmp_path)[0].border == "replicate"
    written = json.loads((tmp_path / "model.json").read_text())
    del written["options"]["border"]
    (tmp_path / "model.json").write_text(json.dumps(written))
    assert load_model(tmp_path)[0].border == "zeros"
