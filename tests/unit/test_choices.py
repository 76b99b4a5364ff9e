"""The choices of SEU-Net and SResNet, each set alone by configuration; the U-Net that differs in nothing but scales."""

from pathlib import Path

import pytest
import torch
import yaml
from test_configuration import good
from torch import nn

from seunet import build_model
from seunet.config import checks as configuration
from seunet.config import plan
from seunet.layers import ScaleCrossCorrelation
from seunet.layers.equivariance import rescale
from seunet.layers.upsampling import MODES
from seunet.models import SEUNet

CONFIG = Path(__file__).parents[2] / "config" / "config.yaml"
ROOT2 = 2**0.5


def configured(architecture: str, **options) -> nn.Module:
    """Return the network that a configuration with these options of a model asks for."""
    config = good()
    config["models"]["mine"] = {"label": "Mine", "architecture": architecture, "options": options}
    config["runs"] = [{"datasets": ["reef"], "models": ["mine"], "seeds": [0]}]
    config = configuration.check(config)
    return build_model(architecture, 3, 2, **plan.network_options(config, "reef", "mine"))


def geometries(model: nn.Module) -> dict[str, str]:
    """Return the geometry of SEU-Net's lifting, pooling and upsampling."""
    (upsampling,) = {fusion.fuse.mode for fusion in model.fusions}
    (pooling,) = {pool.geometry for pool in model.pools}
    words = {mode: geometry for geometry, mode in MODES.items()}
    return {"lifting": model.lift.geometry, "pooling": pooling, "upsampling": words[upsampling]}


@pytest.mark.parametrize(
    ("options", "exact"),
    [
        ({}, []),
        ({"geometry": "exact"}, ["lifting", "pooling", "upsampling"]),
        ({"lifting": "exact"}, ["lifting"]),
        ({"pooling_geometry": "exact"}, ["pooling"]),
        ({"upsampling": "exact"}, ["upsampling"]),
        ({"geometry": "exact", "lifting": "released"}, ["pooling", "upsampling"]),
        ({"pooling": "flat", "pooling_geometry": "exact"}, ["pooling"]),
    ],
    ids=str,
)
def test_each_operator_of_seunet_has_its_geometry(options: dict, exact: list[str]) -> None:
    model = configured("seunet", **options)
    found = geometries(model)
    assert sorted(name for name, geometry in found.items() if geometry == "exact") == exact
    assert set(found.values()) <= {"released", "exact"}
    assert model(torch.rand(1, 3, 16, 16)).shape == (1, 2, 16, 16)


def test_the_geometry_of_sresnet_is_that_of_its_lifting() -> None:
    """Its other operators, scale-cross-correlations and subsampling, have one geometry, which obeys the law."""
    for model, geometry in ((configured("sresnet"), "released"), (configured("sresnet", geometry="exact"), "exact")):
        found = [layer for layer in model.modules() if hasattr(layer, "geometry")]
        assert [(type(layer), layer.geometry) for layer in found] == [(type(model.lift), geometry)]


@pytest.mark.parametrize(("geometry", "layout"), [("released", "dense"), ("exact", "dense"), ("exact", "pyramid")])
def test_pooling_by_a_strided_crosscorrelation(geometry: str, layout: str) -> None:
    model = configured("seunet", pooling="strided", geometry=geometry, layout=layout)
    assert [(pool.stride, pool.weight.shape[:2]) for pool in model.pools] == [(2, (4, 4)), (2, (8, 8))]
    loss = model(torch.rand(2, 3, 16, 16)).square().mean()
    loss.backward()
    assert all(isinstance(pool, ScaleCrossCorrelation) and pool.weight.grad.any() for pool in model.pools)
    continuous = configured("seunet", pooling="strided", geometry=geometry, layout=layout, basis="gaussian")
    assert {layer.basis for layer in continuous.modules() if isinstance(layer, ScaleCrossCorrelation)} == {"gaussian"}


@pytest.mark.parametrize("base", [1.2, ROOT2, 2.5, 3])
@pytest.mark.parametrize(
    ("architecture", "options"),
    [("seunet", {"geometry": "released"}), ("seunet", {"geometry": "exact"}), ("sresnet", {"geometry": "exact"})]
    + [("seunet", {"geometry": "exact", "pooling": pooling}) for pooling in ("flat", "strided", "none")],
    ids=str,
)
def test_any_base_through_the_whole_network(architecture: str, options: dict, base: float) -> None:
    model = configured(architecture, base=base, num_scales=4, **options)
    kernels = [layer.basis for layer in model.modules() if isinstance(layer, ScaleCrossCorrelation)]
    assert set(kernels) == {"taps" if base == 3 else "gaussian"}
    loss = model(torch.rand(2, 3, 16, 16)).square().mean()
    loss.backward()
    assert loss.isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@torch.no_grad()
def test_the_scales_of_2_are_every_second_of_root_2() -> None:
    """With the same continuous kernels, the maps of scale 2^s are those of √2^(2s), from the lifting to the head."""
    torch.manual_seed(0)
    options = {"width": 2, "depth": 2, "geometry": "exact"}
    coarse = SEUNet(3, 2, num_scales=3, basis="gaussian", **options).eval()
    fine = SEUNet(3, 2, num_scales=5, base=ROOT2, **options).eval()
    fine.load_state_dict(coarse.state_dict())
    seen = []
    for model in (coarse, fine):
        model.head.register_forward_hook(lambda module, inputs, output: seen.append(output))
        model(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    for one, other in zip(seen[1][::2], seen[0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_matched_unet_is_the_finest_scale_of_seunet() -> None:
    """`unet-matched` has the layers and weights of SEU-Net, and before the projection what that has at scale 0."""
    models = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["models"]
    torch.manual_seed(0)
    seunet, matched = (
        build_model(models[name]["architecture"], 3, 2, width=4, depth=2, **models[name]["options"]).eval()
        for name in ("seunet-nodropout", "unet-matched")
    )
    for norm in filter(lambda module: isinstance(module, nn.BatchNorm2d), seunet.modules()):
        nn.init.uniform_(norm.running_mean, -0.5, 0.5)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    matched.load_state_dict(seunet.state_dict())
    differing = [
        pair for pair in zip(repr(seunet).split("\n"), repr(matched).split("\n"), strict=True) if len(set(pair)) > 1
    ]
    assert len(differing) == 1 and "num_scales=4" in differing[0][0] and "num_scales=1" in differing[0][1]
    seen = []
    for model in (seunet, matched):
        model.head.register_forward_hook(lambda module, inputs, output: seen.append(output))
        model(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    assert len(seen[0]) == 4 and len(seen[1]) == 1
    torch.testing.assert_close(seen[1][0], seen[0][0])


@torch.no_grad()
@pytest.mark.parametrize("projection", ["max", "mean"])
def test_the_projection_of_seunet(projection: str) -> None:
    model = configured("seunet", projection=projection).eval()
    seen = []
    model.head.register_forward_hook(lambda module, inputs, output: seen.append(torch.stack(list(output))))
    logits = model(torch.rand(2, 3, 16, 16))
    projected = seen[0].amax(0) if projection == "max" else seen[0].mean(0)
    torch.testing.assert_close(logits, model.classifier(projected))


@torch.no_grad()
def test_the_head_of_a_pyramid_is_equivariant() -> None:
    """R_k on a pyramid leaves out the finest maps, which no layer before the projection mixes with others."""
    torch.manual_seed(0)
    model = SEUNet(3, 2, width=2, depth=2, num_scales=3, geometry="exact", layout="pyramid").eval()
    x = torch.rand(3, 1, 3, 64, 96)
    seen = []
    model.head.register_forward_hook(lambda module, inputs, output: seen.append(output))
    for lifted in (x, rescale(x, 1)):
        model.lift = Given([x_s[..., :: 2**s, :: 2**s] for s, x_s in enumerate(lifted)])
        model(torch.empty(1, 3, *lifted.shape[-2:]))
    for one, other in zip(seen[1], seen[0][1:], strict=True):
        torch.testing.assert_close(one, other)


class Given(nn.Module):
    """A lifting that returns these maps."""

    def __init__(self, maps: list[torch.Tensor]):
        super().__init__()
        self.maps = maps

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        return self.maps
