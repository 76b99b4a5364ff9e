"""Networks for prediction: without batch norms they answer the same, and in bfloat16 nearly so."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_export import NETWORKS as EXPORTED
from torch import nn

from seunet.layers.normalisation import ScaleBatchNorm
from seunet.models import UNet, build_model
from seunet.models.external_loading import ExternalSpec, load_external
from seunet.models.folding import can_be_folded, folded, rounded
from seunet.models.prediction import for_prediction
from seunet.models.streaming import stream
from seunet.runtime.errors import UserError

SMALL = {"width": 4, "depth": 2, "num_scales": 3}
EXACT = SMALL | {"geometry": "exact"}
NETWORKS = EXPORTED | {
    "unet": ("unet", {"width": 4, "depth": 2}),
    "interacting": ("seunet", EXACT | {"scale_size": 2}),
    "pyramid, interacting": ("seunet", EXACT | {"scale_size": 2, "layout": "pyramid"}),
    "zeros": ("seunet", EXACT | {"border": "zeros"}),
    "pyramid, zeros": ("seunet", EXACT | {"layout": "pyramid", "border": "zeros"}),
    "gaussian": ("seunet", EXACT | {"base": 2**0.5}),
    "strided": ("seunet", EXACT | {"pooling": "strided", "projection": "mean"}),
    "sresnet, exact": ("sresnet", {"width": 2, "num_scales": 3, "geometry": "exact"}),
}


def network(name: str) -> nn.Module:
    """Return a network whose batch norms are no identity."""
    torch.manual_seed(0)
    architecture, options = NETWORKS[name]
    model = build_model(architecture, 3, 2, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    for _ in range(3):
        model(torch.rand(2, 3, 32, 32))
    return model.eval()


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_a_folded_network_answers_the_same(name: str) -> None:
    model = network(name)
    lean = folded(model)
    assert not any(isinstance(module, ScaleBatchNorm) for module in lean.modules())
    assert any(isinstance(module, ScaleBatchNorm) for module in model.modules())
    for size in [(40, 64), (8, 8)]:
        images = torch.rand(2, 3, *size)
        expected = model(images)
        assert expected.std() > 1e-3
        torch.testing.assert_close(lean(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_bfloat16_is_near_and_its_logits_are_float32(name: str) -> None:
    model, images = network(name), torch.rand(2, 3, 40, 64)
    expected, got = model(images), folded(model, torch.bfloat16)(images)
    assert got.dtype == torch.float32
    assert 0 < (got - expected).abs().max() < 0.1 * expected.abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["unet", "zeros", "pyramid, zeros", "windows"])
@torch.no_grad()
def test_bands_of_a_folded_network_are_the_whole(name: str, dtype: torch.dtype) -> None:
    model, images = folded(network(name), dtype), torch.rand(1, 3, 96, 40)
    torch.testing.assert_close(stream(model, images, 16), model(images), rtol=1e-2, atol=2e-2)


@torch.no_grad()
def test_uncompiled_and_with_gradients_the_answer_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = network("pyramid, zeros"), torch.rand(1, 3, 32, 48)
    expected = model(images)
    monkeypatch.setenv("SEUNET_COMPILED", "0")
    torch.testing.assert_close(folded(model)(images), expected, rtol=1e-4, atol=1e-4)
    with torch.enable_grad():
        torch.testing.assert_close(folded(model)(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@torch.no_grad()
def test_kernels_that_were_ordered_fit_other_sizes_and_are_no_part_of_copies(dtype: torch.dtype) -> None:
    model, images = folded(network("zeros"), dtype), torch.rand(1, 3, 32, 48)
    expected = model(images)
    model(torch.rand(2, 3, 4, 4))
    assert torch.equal(model(images), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(images), expected)


def test_networks_with_a_way_of_their_own_are_left_alone() -> None:
    class Mine(UNet):
        def forward(self, image):
            return 2 * super().forward(image)

    assert can_be_folded(network("unet"))
    assert not can_be_folded(Mine(1, 2, width=2, depth=1)) and not can_be_folded(nn.Conv2d(1, 2, 1))


def swapped_norm(model: UNet) -> None:
    model.fusions[0].activation = nn.InstanceNorm2d(4, affine=True)


def swapped_convolution(model: UNet) -> None:
    model.encoder[0][0] = nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")


@pytest.mark.parametrize("swap", [swapped_norm, swapped_convolution])
def test_networks_with_a_part_of_their_own_are_left_alone(swap: Callable[[UNet], None]) -> None:
    model = UNet(1, 2, width=2, depth=1).eval()
    assert for_prediction(model) is not model
    swap(model)
    assert for_prediction(model) is model


def test_kernels_are_rounded_so_that_their_sums_stay() -> None:
    weight = torch.rand(8, 4, 3, 3)
    got = rounded(weight, torch.bfloat16)
    assert torch.equal(got, got.bfloat16().float())
    one_by_one = (weight.bfloat16().float() - weight).flatten(2).sum(2).abs().mean()
    assert (got - weight).flatten(2).sum(2).abs().mean() < 0.2 * one_by_one


def test_a_program_of_a_file_has_the_precision_that_it_has(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Conv2d(1, 2, 1).eval(), torch.rand(1, 1, 4, 4)), tmp_path / "net.pt")
    model, _ = load_external(tmp_path / "net.pt", ExternalSpec(), 1, 2)
    assert for_prediction(model) is model
    with pytest.raises(UserError, match="precision: bfloat16 is for networks of torch, and net.pt holds a program"):
        for_prediction(model, "bfloat16")


@torch.no_grad()
def test_modules_of_other_people_run_under_autocast() -> None:
    model, images = nn.Conv2d(1, 2, 3, padding=1).eval(), torch.rand(1, 1, 8, 8)
    got = for_prediction(model, "bfloat16")(images)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, model(images), rtol=0.02, atol=0.02)
