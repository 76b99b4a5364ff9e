"""Prediction in bands: the same as of the whole image, for every U-shape whose scales do not read each other."""

import pytest
import torch
from torch import nn

from seunet.experiment.inference import predict
from seunet.models import UNet, bands, build_model, streaming

PYRAMID = {"geometry": "exact", "layout": "pyramid"}
NETWORKS = {
    "unet": ("unet", {}),
    "released": ("seunet", {}),
    "released, flat": ("seunet", {"pooling": "flat"}),
    "exact": ("seunet", {"geometry": "exact"}),
    "exact, strided": ("seunet", {"geometry": "exact", "pooling": "strided"}),
    "exact, none": ("seunet", {"geometry": "exact", "pooling": "none"}),
    "exact, mean": ("seunet", {"geometry": "exact", "projection": "mean"}),
    "gaussian": ("seunet", {"geometry": "exact", "basis": "gaussian"}),
    "root of 2": ("seunet", {"geometry": "exact", "base": 2**0.5}),
    "pyramid": ("seunet", PYRAMID),
    "pyramid, mean": ("seunet", PYRAMID | {"projection": "mean"}),
    "pyramid, information": ("seunet", PYRAMID | {"scales_at_test": 5, "windows": "information"}),
    "pyramid, window 1": ("seunet", PYRAMID | {"scales_at_test": 4, "windows": 1}),
    "pyramid, per pixel": ("seunet", PYRAMID | {"scales_at_test": 4, "windows": "pixel", "projection": "mean"}),
    "pyramid, per region": ("seunet", PYRAMID | {"scales_at_test": 4, "windows": "region"}),
    "windows, mean": ("seunet", {"geometry": "exact", "scales_at_test": 5, "windows": "mean"}),
}


def network(name: str, **options) -> nn.Module:
    """Build a network whose batch norms have statistics as after a training."""
    architecture, more = NETWORKS[name]
    torch.manual_seed(0)
    more = more | ({} if architecture == "unet" else {"num_scales": 3})
    model = build_model(architecture, 3, 2, width=4, depth=2, **more, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches, so that a few will do
    for _ in range(3):
        model(torch.rand(2, 3, 32, 32))
    return model.eval()


@pytest.mark.parametrize("rows", [8, 34])
@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_bands_are_the_whole(name: str, rows: int) -> None:
    model = network(name)
    sizes = [(184, 60), (61, 47)] if "pyramid" in name else [(184, 60)]
    for size in sizes:
        images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
        whole = model(images)
        assert whole.std() > 1e-2
        torch.testing.assert_close(streaming.stream(model, images, rows), whole, rtol=1e-4, atol=1e-4)


def test_large_images_are_streamed_and_small_ones_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model, shown = network("exact"), []
    model.register_forward_pre_hook(lambda module, inputs: shown.append(inputs[0].shape))
    images = torch.rand(1, 3, 64, 64)
    whole = predict(model, images)
    assert len(shown) == 1
    monkeypatch.setattr(streaming, "MEMORY", 4 * streaming.MAPS * 4 * 3 * 64 * 64 - 1)
    monkeypatch.setattr(bands, "MIN_BAND_BYTES", 2**18)
    torch.testing.assert_close(predict(model, images), whole, rtol=1e-4, atol=1e-4)
    assert len(shown) == 1


def test_scales_that_read_each_other_are_not_taken_apart() -> None:
    assert streaming.is_streamable(network("exact")) and not streaming.is_streamable(network("exact", scale_size=2))
    assert not streaming.is_streamable(build_model("sresnet", 3, 2, width=2))


@pytest.mark.parametrize("name", ["unet", "exact", "released", "pyramid"])
@torch.no_grad()
def test_a_band_sees_as_far_as_the_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With less, the comparison above fails: so the reach is not merely large enough by chance."""
    model = network(name)
    images = torch.rand(1, 3, 96, 32, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(bands.OneScale, "reach", lambda self, layers: 0)
    assert (streaming.stream(model, images, 8) - model(images)).abs().max() > 1e-3


def test_a_forward_of_its_own_is_predicted_whole() -> None:
    class Own(UNet):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return -super().forward(image)

    assert streaming.is_streamable(UNet(1, 2, width=1, depth=1)) and not streaming.is_streamable(
        Own(1, 2, width=1, depth=1)
    )


def test_reach_respects_dilation() -> None:
    one = bands.OneScale(UNet(1, 2, width=1, depth=1), 0, 0, None)
    layers = [nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3, dilation=4), nn.MaxPool2d(2), nn.Conv2d(1, 1, (5, 1)), nn.ReLU()]
    assert [one.reach(layer) for layer in layers] == [1, 4, 1, 2, 0]
