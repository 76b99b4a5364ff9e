"""The law of every layer: it commutes with a change of scale, exactly where the theory says so.

Errors are relative L2 distances on smooth random fields, away from the borders and from truncated scales.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from torch import Tensor

from seunet.layers import (
    FlatDilation,
    GaussianLifting,
    QuadraticDilation,
    ScaleCrossCorrelation,
    ScaleProjection,
    ScaleUpsample,
    Subsampling,
    equivariance_error,
)
from seunet.layers.equivariance import interior, rescale
from seunet.layers.lifting import blur

EXACT = 1e-5
STEPS = (1, 2)


def smooth_field(*shape: int, sigma: float = 3.0, seed: int = 0) -> Tensor:
    """Return Gaussian noise blurred by `sigma` pixels, of unit variance: (…, C, H, W)."""
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    radius = int(4 * sigma)
    kernel = torch.softmax(-(torch.arange(-radius, radius + 1) ** 2) / (2 * sigma**2), dim=0)
    field = blur(noise.flatten(0, -4) if noise.dim() == 5 else noise, kernel.expand(shape[-3], -1)).view(shape)
    return field / field.std()


@pytest.fixture(scope="module")
def lifted() -> Tensor:
    return smooth_field(4, 1, 2, 128, 160)


def randomised(layer: torch.nn.Module) -> torch.nn.Module:
    """Draw every parameter anew, so that no law holds by the accident of the initial values."""
    torch.manual_seed(1)
    for parameter in layer.parameters():
        torch.nn.init.uniform_(parameter, 0.3, 0.9)
    return layer


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize(("scale_size", "stride"), [(1, 1), (2, 1), (1, 2), (2, 2), (2, 3)])
def test_crosscorrelation(lifted: Tensor, scale_size: int, stride: int, shift: int, k: int) -> None:
    layer = randomised(ScaleCrossCorrelation(2, 3, scale_size=scale_size, stride=stride))
    error = equivariance_error(layer, lifted, k, shift=shift, stride=stride, scale_size=scale_size, border=0.3)
    assert error < EXACT


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize(
    "layer",
    [QuadraticDilation(2, geometry="exact"), FlatDilation(geometry="exact"), Subsampling()],
    ids=lambda layer: type(layer).__name__,
)
def test_exact_pooling(lifted: Tensor, layer: torch.nn.Module, shift: int, k: int) -> None:
    assert equivariance_error(randomised(layer), lifted, k, shift=shift, stride=2, border=0.35) < EXACT


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("layer", [QuadraticDilation(2), FlatDilation()], ids=lambda layer: type(layer).__name__)
def test_released_pooling_breaks_the_law(lifted: Tensor, layer: torch.nn.Module, k: int) -> None:
    error = equivariance_error(layer, lifted, k, stride=2, border=0.35)
    assert 1e-3 < error < 1  # not zero, as its docstring says


def lifting_error(geometry: str, k: int) -> float:
    layer, image = GaussianLifting(2, 4, geometry=geometry), smooth_field(1, 2, 256, 256, sigma=1)
    further_away = layer(image)[k][..., :: 2**k, :: 2**k]
    return equivariance_error(layer, image, k, rescaled=further_away)


@pytest.mark.parametrize("k", STEPS)
def test_lifting(k: int) -> None:
    assert lifting_error("exact", k) < 0.02  # what sampling a Gaussian of half a pixel costs
    assert lifting_error("released", k) > 0.05


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("shift", range(3))
def test_projection(lifted: Tensor, shift: int, k: int) -> None:
    x = lifted.clone()
    x[:k] -= 100  # the maximum lies on a scale that R_k keeps
    assert equivariance_error(ScaleProjection("max"), x, k, shift=shift) < EXACT


def upsampled(m: int, seed: int) -> Tensor:
    """Return a map that was upsampled by 2^m: (1, 1, 1, H, W)."""
    field = torch.randn((1, 1, 1, 12, 12), generator=torch.Generator().manual_seed(seed))
    return ScaleUpsample(2**m, "exact")(field) if m else field


def upsampling_error(f: Tensor, k: int, l: int, shift: int = 0) -> float:  # noqa: E741
    """Return the distance of U_l R_k f and R_k U_l f, relative to the field, for R_k on space alone."""
    up = ScaleUpsample(2**l, "exact")
    before = up(f[..., shift :: 2**k, shift :: 2**k])
    after = up(f)[..., shift * 2**l :: 2**k, shift * 2**l :: 2**k]
    rows, columns = (slice(min(sides)) for sides in zip(before.shape[-2:], after.shape[-2:], strict=True))
    before, after = interior(before[..., rows, columns], 0.35), interior(after[..., rows, columns], 0.35)
    return float((before - after).abs().max() / f.std())


@given(
    k=st.integers(0, 3), spare=st.integers(0, 2), l=st.integers(0, 2), place=st.integers(0, 2), seed=st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
def test_upsampling_is_equivariant_on_upsampled_maps(k: int, spare: int, l: int, place: int, seed: int) -> None:  # noqa: E741
    """U_{γ^l} R_{γ^k, x} f = R_{γ^k, γ^l x} U_{γ^l} f when f = U_{γ^m} g, m ≥ k, and x lies on the lattice γ^k Z²."""
    assert upsampling_error(upsampled(k + spare, seed), k, l, shift=place * 2**k) < EXACT


@pytest.mark.parametrize(("m", "k"), [(0, 1), (1, 2), (2, 3)])
def test_upsampling_is_not_equivariant_beyond(m: int, k: int) -> None:
    assert upsampling_error(upsampled(m, seed=0), k, l=1) > 0.01


@given(t=st.integers(1, 4), s=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_exact_upsampling_keeps_pixels_and_composes(t: int, s: int, seed: int) -> None:
    """U_t(f)(t x) = f(x) and U_t ∘ U_s = U_ts."""
    f = torch.randn((2, 1, 2, 5, 7), generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(ScaleUpsample(t, "exact")(f)[..., ::t, ::t], f, atol=1e-5)
    twice = ScaleUpsample(t, "exact")(ScaleUpsample(s, "exact")(f))
    assert torch.allclose(twice, ScaleUpsample(t * s, "exact")(f), atol=1e-5)


def analytic_field(size: int, base: float, scales: int, zoomed: bool) -> Tensor:
    """Return f(s, y), or R_1 f(s, y) = f(s + 1, γ y), of random waves no shorter than 9 γ^s pixels: (S, 1, 2, H, W).

    Known at every point, so that a change of scale by a γ that is no integer needs no resampling.
    """
    zoom, first = (base, 1) if zoomed else (1.0, 0)
    place = torch.arange(size, dtype=torch.float64) * zoom
    maps = []
    for scale in range(first, first + scales):
        generator = torch.Generator().manual_seed(scale)
        wave = (2 * torch.rand(2, 40, 2, generator=generator, dtype=torch.float64) - 1) * 0.7 / base**scale
        phase = 2 * torch.pi * torch.rand(2, 40, 1, 1, generator=generator, dtype=torch.float64)
        angle = wave[..., :1, None] * place[:, None] + wave[..., 1:, None] * place + phase
        maps.append(torch.cos(angle).sum(1)[None] / 20**0.5)  # 40 waves: variance 1
    return torch.stack(maps).float()


def zoomed_law_error(layer: torch.nn.Module, base: float) -> float:
    """Return the relative distance of layer(R_1 x) and R_1 layer(x), the latter interpolated by quintic splines."""
    with torch.no_grad():
        before = layer(analytic_field(110, base, 5, zoomed=True))
        after = layer(analytic_field(160, base, 6, zoomed=False))[1:]
    size = int(before.shape[-1] * 0.9)
    place = np.stack(np.meshgrid(np.arange(size) * base, np.arange(size) * base, indexing="ij"))
    after = np.array([[map_coordinates(x.double().numpy(), place, order=5) for x in maps[0]] for maps in after])
    before, after = before[:, 0, :, :size, :size], torch.from_numpy(after)
    before, after = interior(before[:4], 0.3), interior(after[:4], 0.3)
    return float((before - after).norm() / after.norm())


@pytest.mark.parametrize("stride", [1, 2])
def test_continuous_kernels_follow_the_law_between_pixels(stride: int) -> None:
    torch.manual_seed(0)
    layer = ScaleCrossCorrelation(2, 3, stride=stride, base=2**0.5)
    assert zoomed_law_error(layer, 2**0.5) < 0.01


@pytest.mark.parametrize("k", STEPS)
def test_continuous_kernels_are_exact_on_the_grid(lifted: Tensor, k: int) -> None:
    layer = randomised(ScaleCrossCorrelation(2, 3, basis="gaussian"))
    assert equivariance_error(layer, lifted, k, border=0.35) < EXACT


def test_exact_pooling_between_pixels() -> None:
    assert zoomed_law_error(QuadraticDilation(2, base=2**0.5, geometry="exact"), 2**0.5) < 0.05


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("base", [2**0.5, 3**0.5])
@pytest.mark.parametrize("kind", [ScaleCrossCorrelation, QuadraticDilation, FlatDilation])
def test_steps_that_make_a_whole_factor_are_exact(kind: type, base: float, k: int) -> None:
    """√2 twice is 2: the lattices of the taps fit each other at every scale, though none but those of 2^n is whole."""
    layer = {
        ScaleCrossCorrelation: lambda: ScaleCrossCorrelation(2, 3, stride=2, base=base),
        QuadraticDilation: lambda: QuadraticDilation(2, base=base, geometry="exact"),
        FlatDilation: lambda: FlatDilation(base=base, geometry="exact"),
    }[kind]()
    x = smooth_field(7, 1, 2, 192, 192)
    assert equivariance_error(randomised(layer), x, k, shift=1, stride=2, border=0.4, base=base) < EXACT


def test_rescaling_composes(lifted: Tensor) -> None:
    assert torch.equal(rescale(rescale(lifted, 1), 1), rescale(lifted, 2))
