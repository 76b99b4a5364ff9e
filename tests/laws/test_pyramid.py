"""The pyramid layout of SEU-Net: the dense exact network on the lattice of each scale, for images of any size."""

import pytest
import torch
from torch import nn

from seunet.layers.normalisation import ScaleBatchNorm
from seunet.models import SEUNet
from seunet.runtime.errors import UserError

SCALES = 3


def both_layouts(**options) -> tuple[SEUNet, SEUNet]:
    """Return a dense and a pyramid network of the same weights and statistics, all drawn, in evaluation mode."""
    torch.manual_seed(0)
    options = {"width": 4, "depth": 3, "num_scales": SCALES, "geometry": "exact"} | options
    dense, pyramid = (SEUNet(3, 2, layout=layout, **options) for layout in ("dense", "pyramid"))
    for norm in filter(lambda module: isinstance(module, nn.BatchNorm2d), dense.modules()):
        for values, low, high in [(norm.running_mean, -0.5, 0.5), (norm.running_var, 0.5, 2), (norm.weight, 0.5, 1.5)]:
            nn.init.uniform_(values, low, high)
    pyramid.load_state_dict(dense.state_dict())
    return dense.eval(), pyramid.eval()


def encoder_maps(model: SEUNet, image: torch.Tensor) -> dict[str, torch.Tensor | list[torch.Tensor]]:
    """Return the output of the lifting, of every stage of the encoder and of every pooling."""
    maps = {}
    for name, module in model.named_modules():
        if name in ("lift", "stem") or name.rpartition(".")[0] in ("encoder", "pools"):
            module.register_forward_hook(lambda module, inputs, output, name=name: maps.__setitem__(name, output))
    model(image)
    return maps


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"base": 3},
        {"basis": "gaussian"},
        {"pooling": "quadratic2"},
        {"pooling": "flat"},
        {"pooling": "strided"},
        {"pooling": "none"},
    ],
    ids=str,
)
@torch.no_grad()
def test_encoder_is_the_dense_one_on_the_lattice(options: dict) -> None:
    dense, pyramid = both_layouts(**options)
    image = torch.rand(2, 3, 80, 104)
    expected, found = encoder_maps(dense, image), encoder_maps(pyramid, image)
    assert list(expected) == list(found) and len(found) == 8
    for name, maps in found.items():
        for s, x in enumerate(maps):
            step = options.get("base", 2) ** s
            torch.testing.assert_close(x, expected[name][s][..., ::step, ::step], rtol=1e-5, atol=1e-5, msg=name)


@torch.no_grad()
def test_scales_that_interact_read_the_coarser_one_upsampled() -> None:
    dense, pyramid = both_layouts(scale_size=2)
    layer, other = dense.encoder[0][2], pyramid.encoder[0][2]
    x = torch.rand(SCALES, 1, 4, 1, 1).expand(-1, -1, -1, 64, 64)  # flat maps are interpolated without loss
    y = other([x_s[..., :: 2**s, :: 2**s] for s, x_s in enumerate(x)])
    for s, expected in enumerate(layer(x)):
        torch.testing.assert_close(y[s], expected[..., :: 2**s, :: 2**s])


@pytest.mark.parametrize("height, width", [(1, 1), (2, 7), (17, 33), (64, 48)])
@torch.no_grad()
def test_any_size(height: int, width: int) -> None:
    _, pyramid = both_layouts()
    image = torch.rand(1, 3, height, width)
    assert pyramid.size_multiple == 1
    assert pyramid(image).shape == (1, 2, height, width)


@torch.no_grad()
def test_a_map_of_one_pixel_is_continued_as_large_ones() -> None:
    """By zeros a convolution reads its centre tap alone, by border pixels all taps read the one pixel."""
    x = torch.rand(1, 4, 1, 1)
    for border in ("zeros", "replicate"):
        _, pyramid = both_layouts(border=border)
        layer = pyramid.encoder[0][0]
        kernel = layer.weight[:, :, 0]
        kernel = kernel[..., 1, 1] if border == "zeros" else kernel.sum((2, 3))
        expected = torch.einsum("oc,nchw->nohw", kernel, x) + layer.bias[:, None, None]
        torch.testing.assert_close(layer([x])[0], expected)


@torch.no_grad()
def test_the_network_before_its_projection_is_equivariant() -> None:
    """Not its layers alone: no interpolation stands between the lattices of two scales."""
    _, pyramid = both_layouts()
    x = torch.rand(SCALES, 2, 4, 160, 160)
    seen = pyramid.pools[0](pyramid.encoder[0]([x_s[..., :: 2**s, :: 2**s] for s, x_s in enumerate(x)]))
    moved = pyramid.pools[0](
        pyramid.encoder[0]([x_s[..., :: 2**s, :: 2**s] for s, x_s in enumerate(x[1:, ..., ::2, ::2])])
    )
    for s, y in enumerate(moved):
        torch.testing.assert_close(y, seen[s + 1])


def test_batch_norm_weighs_scales_alike() -> None:
    """Maps repeated to one size give the dense batch norm; so do its gradients and running statistics."""
    torch.manual_seed(0)
    maps = [torch.randn(2, 5, 8 // 2**s, 8 // 2**s, requires_grad=True) for s in range(3)]
    repeated = torch.stack([x.repeat_interleave(2**s, 2).repeat_interleave(2**s, 3) for s, x in enumerate(maps)])
    norm, dense = ScaleBatchNorm(5, eps=1e-5, momentum=0.1, positive=False), nn.BatchNorm2d(5)
    for module in (norm, dense):
        nn.init.uniform_(module.weight, 0.5, 1.5, generator=torch.Generator().manual_seed(1))
    expected = dense(repeated.flatten(0, 1)).unflatten(0, (3, 2))
    found = norm(maps)
    weights = [torch.randn_like(y) for y in found]
    for s, y in enumerate(found):
        torch.testing.assert_close(y, expected[s][..., :: 2**s, :: 2**s])
    loss = sum((w * y).sum() for w, y in zip(weights, found, strict=True))
    other = sum((w * expected[s][..., :: 2**s, :: 2**s]).sum() for s, w in enumerate(weights))
    inputs = [*maps, norm.weight, norm.bias]
    others = [*maps, dense.weight, dense.bias]
    for a, b in zip(torch.autograd.grad(loss, inputs), torch.autograd.grad(other, others), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_mean, dense.running_mean)
    torch.testing.assert_close(norm.running_var, dense.running_var, rtol=0.02, atol=0)  # by count / (count − 1)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"geometry": "released"}, "layout: pyramid needs the exact geometry, and lifting is released"),
        ({"geometry": "exact", "upsampling": "released"}, "upsampling is released"),
        ({"geometry": "exact", "base": 2**0.5}, "base: .* is not an integer"),
        ({"geometry": "exact", "layout": "tower"}, "layout: 'tower' is not one of dense, pyramid"),
    ],
)
def test_mistakes(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        SEUNet(3, 2, **({"layout": "pyramid"} | options))
