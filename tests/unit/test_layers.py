"""What the layers promise beside their laws: options, first weights, memory, reach, and the atlas they are fast in."""

import math

import pytest
import torch
from torch import Tensor, nn

from seunet.layers import (
    FlatDilation,
    QuadraticDilation,
    ScaleCrossCorrelation,
    ScaleDropout,
    ScaleProjection,
    ScaleUpsample,
    crosscorrelation,
)
from seunet.layers.crosscorrelation import SIGMA, gaussian_derivatives
from seunet.layers.equivariance import interior
from seunet.layers.lifted import lattice, stack_scales, unstack_scales, whole_power, whole_step
from seunet.layers.lifting import Lifting, blur
from seunet.layers.normalisation import ScaleBatchNorm
from seunet.layers.pyramid import PyramidCrossCorrelation, PyramidFlatDilation, PyramidLifting, PyramidQuadraticDilation
from seunet.ops.atlas import pack
from seunet.runtime.errors import UserError

ROOT3 = 3**0.5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ScaleCrossCorrelation(1, 1, basis="wavelets"), "basis: 'wavelets' is not one of taps, gaussian"),
        (lambda: ScaleCrossCorrelation(1, 1, border="wrap"), "border: 'wrap' is not one of zeros, replicate"),
        (lambda: ScaleCrossCorrelation(1, 1, base=1.5, basis="taps"), r"base: 1.5\^1 is not an integer"),
        (lambda: gaussian_derivatives(4, 1, torch.zeros(1)), "kernel_size: 4 derivatives"),
        (lambda: Lifting(1, geometry="new"), "lifting: 'new' is not one of released, exact"),
        (lambda: QuadraticDilation(1, geometry="new"), "pooling geometry: 'new' is not one of released, exact"),
        (lambda: FlatDilation(geometry="new"), "pooling geometry: 'new' is not one of released, exact"),
        (lambda: ScaleUpsample(geometry="new"), "upsampling: 'new' is not one of released, exact"),
        (lambda: ScaleProjection("sum"), "projection: 'sum' is not one of max, mean"),
        (lambda: ScaleDropout(1.1), "scale_dropout: expected a probability from 0 to 1, got 1.1"),
        (lambda: ScaleDropout(-0.1), "scale_dropout: expected a probability from 0 to 1, got -0.1"),
        (lambda: ScaleDropout(True), "scale_dropout: expected a probability from 0 to 1, got True"),
        (lambda: ScaleDropout("half"), "scale_dropout: expected a probability from 0 to 1, got 'half'"),
        (lambda: whole_step(2**0.5, 1), r"base: 1.414\S*\^1 is not an integer"),
    ],
)
def test_an_option_that_is_none_is_named(build, message):
    with pytest.raises(UserError, match=f"^{message}"):
        build()


def test_first_weights_are_glorot_uniform_and_lie_channels_last():
    layer = ScaleCrossCorrelation(8, 16, kernel_size=3, scale_size=2)
    bound = math.sqrt(6 / ((8 + 16) * 2 * 9))
    assert 0.95 * bound < layer.weight.abs().max() <= bound and abs(layer.weight.mean()) < 0.05 * bound
    assert layer.bias.shape == (16,) and not layer.bias.any()
    assert ScaleCrossCorrelation(8, 16, bias=False).bias is None
    moved = nn.Sequential(ScaleCrossCorrelation(8, 16, scale_size=2)).to(memory_format=torch.channels_last).double()[0]
    for found in (layer, moved):
        assert found.weight.shape == (16, 8, 2, 3, 3)
        assert found.weight.permute(0, 2, 3, 4, 1).is_contiguous()
    assert moved.weight.dtype == torch.float64


def test_weights_of_coarser_scales_fall_with_the_cube_of_the_scale():
    layer = ScaleCrossCorrelation(2, 2, scale_size=3, base=3)
    for k, kernel in enumerate(layer.kernels()):
        torch.testing.assert_close(kernel, layer.weight[:, :, k] / 27.0**k)


@pytest.mark.parametrize("unit", [1.5, 2.0, 4.0])
def test_gaussian_derivatives_are_functions_of_norm_1(unit):
    found = gaussian_derivatives(3, unit, torch.zeros(1, dtype=torch.float64))
    radius = math.ceil(3 * SIGMA * unit)
    assert found.shape == (3, 2 * radius + 1)
    products = found @ found.T * unit  # of functions of x / unit, by a quadrature of step 1 / unit
    expected = torch.tensor([[1, 0, -(3**-0.5)], [0, 1, 0], [-(3**-0.5), 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(products, expected, rtol=0, atol=0.01)
    torch.testing.assert_close(found.flip(1), found * torch.tensor([[1.0], [-1.0], [1.0]], dtype=torch.float64))
    assert found[0, radius].item() == pytest.approx(1 / (unit * math.sqrt(SIGMA * math.sqrt(math.pi))), rel=1e-12)
    assert found[1, radius - 1] > 0 and found[2, radius] < 0


def farthest_read(layer: nn.Module, scale: int, side: int = 161) -> int:
    """Return how far from an output, in pixels, the farthest input lies that changes it."""
    x = torch.zeros(1, 1, side, side)
    middle = side // 2
    before = layer.at(x, scale)
    places = []
    for distance in range(middle):
        x[0, 0, middle, middle + distance] = 1e4
        after = layer.at(x, scale)
        x[0, 0, middle, middle + distance] = 0
        stride = side // after.shape[-1] + 1 if after.shape[-1] < side else 1
        if after[0, 0, middle // stride, middle // stride] != before[0, 0, middle // stride, middle // stride]:
            places.append(distance)
    return max(places)


@pytest.mark.parametrize("scale", [0, 1, 2])
@pytest.mark.parametrize(
    ("layer", "reach"),
    [
        (ScaleCrossCorrelation(1, 1), [1, 2, 4]),
        (ScaleCrossCorrelation(1, 1, kernel_size=5), [2, 4, 8]),
        (ScaleCrossCorrelation(1, 1, basis="gaussian"), [3, 6, 12]),
        (QuadraticDilation(1, geometry="exact"), [3, 6, 12]),
        (QuadraticDilation(1), [3, 6, 12]),
        (FlatDilation(geometry="exact"), [1, 2, 4]),
        (PyramidCrossCorrelation(1, 1), [1, 1, 1]),
        (PyramidQuadraticDilation(1, geometry="exact"), [3, 3, 3]),
        (PyramidFlatDilation(geometry="exact"), [1, 1, 1]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
@torch.no_grad()
def test_the_reach_is_how_far_an_output_reads(layer, reach, scale):
    assert layer.reach(scale) == reach[scale] == farthest_read(layer, scale)


def test_the_window_of_flat_pooling_is_whole_where_a_power_is():
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 4, 6] = 1  # √3² is 2.9999999999999996, a window of 3
    assert FlatDilation(ROOT3).at(x, 2)[0, 0, 2].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("base", "power"), [(2, 1), (ROOT3, 2), (2 ** (1 / 12), 12), (2 ** (1 / 13), None)])
def test_powers_of_a_base_that_are_whole(base, power):
    assert whole_power(base) == power


def test_the_lattice_of_the_square_root_of_two():
    steps = [lattice(2**0.5, scale) for scale in range(7)]
    assert [step for step, _ in steps] == [1, 1, 2, 2, 4, 4, 8]
    assert [unit for _, unit in steps] == pytest.approx([1, 2**0.5, 1, 2**0.5, 1, 2**0.5, 1])


def test_lifted_maps_lie_channels_last_and_scale_0_is_the_image():
    image = torch.rand(2, 3, 12, 10).contiguous(memory_format=torch.channels_last)
    for lift in (Lifting(3, 3), PyramidLifting(3, 3, geometry="exact")):
        first, *others = lift(image)
        assert first.data_ptr() == image.data_ptr()
        assert all(x.is_contiguous(memory_format=torch.channels_last) for x in others)
    stacked = stack_scales(Lifting(3, 3)(image))
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in stacked)
    assert all(torch.equal(x, y) for x, y in zip(unstack_scales(stacked), stacked, strict=True))


@pytest.mark.parametrize("geometry", ["released", "exact"])
def test_blurs_have_five_deviations_and_that_of_their_scale(geometry):
    lift = Lifting(2, 3, geometry=geometry)
    image = torch.zeros(1, 2, 8, 8)
    for scale in (1, 2):
        kernel = lift.kernel(scale, image)
        sigma = 0.5 * math.sqrt(4**scale - 1)
        assert kernel.shape == (2, 2 * (math.ceil(5 * sigma) if geometry == "exact" else 5 * 2**scale) + 1)
        torch.testing.assert_close(kernel.sum(1), torch.ones(2))
        position = torch.arange(kernel.shape[1]) - kernel.shape[1] // 2
        if geometry == "exact":
            torch.testing.assert_close((kernel * position**2).sum(1), torch.full((2,), sigma**2), rtol=0.02, atol=0)


def test_the_lifting_has_four_scales_and_released_kernels_of_the_root_of_two_end_at_five_steps():
    image = torch.rand(1, 1, 8, 8)
    assert len(Lifting(1).maps(image)) == 4
    assert Lifting(1, base=math.sqrt(2)).kernel(1, image).shape == (1, 2 * 7 + 1)  # 5 √2 = 7.07


def test_autocast_leaves_the_lifting_in_float32():
    lift, image = Lifting(1, 3), torch.rand(1, 1, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        found = lift(image)
    assert all(torch.equal(x, y) for x, y in zip(found, lift(image), strict=True))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_blur_of_many_blocks_is_that_of_each_row(stride):
    image, kernel = torch.rand(1, 2, 3, 150), torch.tensor([[0.25, 0.5, 0.25], [0.1, 0.8, 0.1]])
    padded = nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
    taps = torch.einsum("cy,cx->cyx", kernel, kernel)[:, None]
    expected = nn.functional.conv2d(padded, taps, groups=2, stride=stride)
    torch.testing.assert_close(blur(image, kernel, stride), expected)


def test_a_batch_norm_remembers_the_share_of_a_step_that_its_momentum_is():
    norm = ScaleBatchNorm(2, momentum=0.25).train()
    norm(torch.full((3, 1, 2, 4, 4), 4.0))
    torch.testing.assert_close(norm.running_mean, torch.ones(2))


def test_dropout_sets_the_share_to_zero_in_training_alone():
    layer = ScaleDropout(0.25)
    kept = layer.draw(4, 50, 50)
    assert kept.unique().tolist() == [0, 1] and abs(kept.mean() - 0.75) < 0.02
    assert ScaleDropout(0).draw(4, 1, 1) is None and layer.eval().draw(4, 1, 1) is None


def test_the_mean_of_a_pyramid_is_that_of_its_maps_at_one_size():
    maps = [torch.full((1, 1, 8 // 2**s, 8 // 2**s), float(s)) for s in range(3)]
    keep = torch.tensor([1.0, 0.0, 1.0])[:, None, None]
    assert ScaleProjection("mean", base=2)(maps).unique().tolist() == [1]
    torch.testing.assert_close(ScaleProjection("mean", base=2)(maps, keep), torch.full((1, 1, 8, 8), 2 / 3))
    assert ScaleProjection("max", base=2)(maps, keep).unique().tolist() == [2]


def in_an_atlas(layer: nn.Module, maps: list[Tensor], steps: list[int], border: str) -> None:
    """Check that maps in an atlas give what they give one by one."""
    with torch.no_grad():
        for found, expected in zip(layer(pack(maps, steps, border)), layer(maps), strict=True):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("options", "steps", "border", "at_once"),
    [
        ({}, [1, 2], "zeros", True),
        ({"border": "replicate"}, [1, 2], "replicate", True),
        ({"kernel_size": 1}, [1, 2], "zeros", False),
        ({"kernel_size": 5}, [1, 2], "zeros", False),
        ({"stride": 2}, [1, 2], "zeros", False),
        ({"scale_size": 2}, [1, 2], "zeros", False),
        ({"basis": "gaussian"}, [1, 2], "zeros", False),
        ({}, [1, 1], "zeros", False),
        ({}, [1, 2], "replicate", False),
    ],
    ids=str,
)
def test_an_atlas_is_correlated_at_once_where_its_taps_are_the_kernels(monkeypatch, options, steps, border, at_once):
    calls = []
    whole = crosscorrelation.atlas_correlation
    monkeypatch.setattr(crosscorrelation, "atlas_correlation", lambda *args: calls.append(0) or whole(*args))
    in_an_atlas(ScaleCrossCorrelation(3, 3, **options), list(torch.rand(2, 1, 3, 12, 10)), steps, border)
    assert bool(calls) == at_once


@pytest.mark.parametrize(
    ("geometry", "steps", "at_once"), [("exact", [1, 2], True), ("exact", [1, 1], False), ("released", [1, 1], False)]
)
def test_an_atlas_is_pooled_at_once_where_all_scales_have_its_taps(monkeypatch, geometry, steps, at_once):
    from seunet.layers import pooling

    calls = []
    whole = pooling.quadratic_maximum_atlas
    monkeypatch.setattr(pooling, "quadratic_maximum_atlas", lambda *args: calls.append(0) or whole(*args))
    in_an_atlas(QuadraticDilation(2, geometry=geometry), list(torch.rand(2, 1, 2, 12, 10)), steps, "zeros")
    assert bool(calls) == at_once


def test_windows_of_quadratic_pooling_reach_three_units():
    exact, released = (QuadraticDilation(1, 2**0.5, geometry, zero_scale=0.5) for geometry in ("exact", "released"))
    for scale, (step, radius, unit) in enumerate([(1, 3, 1), (1, 4, 2**0.5), (2, 3, 1), (2, 4, 2**0.5)]):
        assert exact.window(scale) == pytest.approx((step, radius, unit))
    for scale, radius in enumerate([3, 4, 6, 8]):
        assert released.window(scale) == pytest.approx((1, radius, 2 ** ((scale + 1) / 2) - 1))


def test_a_coarser_scale_of_a_pyramid_is_interpolated():
    fine, coarse = torch.zeros(1, 1, 1, 8), torch.tensor([[[[0.0, 2, 4, 6]]]])
    layer = PyramidCrossCorrelation(1, 1, scale_size=2)
    assert layer.neighbour([fine, coarse], 0, 1).flatten().tolist() == [0, 1, 2, 3, 4, 5, 6, 6]
    assert torch.equal(layer.neighbour([fine, coarse], 1, 1), coarse)  # the last stands for those that are cut off


def test_the_projection_takes_one_scale_and_is_a_maximum_by_default():
    x, keep = torch.rand(2, 3, 4, 4), torch.tensor([1.0, 0.0])[:, None].expand(1, 2, 3)
    assert torch.equal(ScaleProjection()([x, x - 1]), x)
    for reduction in ("max", "mean"):
        assert torch.equal(ScaleProjection(reduction)([x], keep), x * keep[0, ..., None, None])


def test_the_interior_of_a_map_leaves_out_a_share_of_each_side():
    x = torch.arange(4 * 8.0).view(1, 1, 4, 8)
    assert interior(x, 0.25).flatten().tolist() == [*range(10, 14), *range(18, 22)]
    assert interior(x.expand(3, 5, 2, 4, 8), 0.25).shape == (3, 5, 2, 2, 4)
