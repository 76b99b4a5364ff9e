"""The law of every layer: it commutes with a change of scale, exactly where the theory says so.

Errors are relative L2 distances on smooth random fields, away from the borders and from truncated scales, the largest
over all shifts of the grid (benchmarks/laws.py). `EXACT` is what float32 leaves.
"""

from itertools import product
from pathlib import Path

import hypothesis
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from benchmarks import laws
from benchmarks.laws import ROOT2, STEPS, largest_error, lifted_field, randomised, smooth_field
from seunet.layers import (
    FlatDilation,
    QuadraticDilation,
    ScaleCrossCorrelation,
    ScaleDropout,
    ScaleProjection,
    ScaleUpsample,
    Subsampling,
    equivariance_error,
    lifting,
)
from seunet.layers.equivariance import interior, rescale
from seunet.layers.normalisation import ScaleBatchNorm
from seunet.models import SEUNet, SResNet

EXACT = 1e-5
METHOD = Path(__file__).parents[2] / "docs" / "method.md"


@pytest.fixture(scope="module")
def lifted() -> Tensor:
    return lifted_field()


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize(("scale_size", "stride"), list(product((1, 2), (1, 2, 3, 4))))
@pytest.mark.parametrize("basis", ["taps", "gaussian"])
def test_crosscorrelation(lifted: Tensor, basis: str, scale_size: int, stride: int, k: int) -> None:
    layer = randomised(ScaleCrossCorrelation(2, 3, scale_size=scale_size, stride=stride, basis=basis))
    assert largest_error(layer, lifted, k, stride=stride, scale_size=scale_size, border=0.35) < EXACT


@pytest.mark.parametrize(("scale_size", "k"), [(3, 1), (4, 1), (3, 2)])
def test_crosscorrelation_of_many_scales(scale_size: int, k: int) -> None:
    x = smooth_field(k + scale_size, 1, 2, 192, 192)
    layer = randomised(ScaleCrossCorrelation(2, 3, scale_size=scale_size))
    assert largest_error(layer, x, k, scale_size=scale_size, border=0.3) < EXACT


POOLINGS = {
    "quadratic": lambda base, geometry: QuadraticDilation(2, base, geometry),
    "quadratic2": lambda base, geometry: QuadraticDilation(2, base, geometry, zero_scale=1.0),
    "flat": lambda base, geometry: FlatDilation(base, geometry),
    "none": lambda base, geometry: Subsampling(),
    "strided": lambda base, geometry: ScaleCrossCorrelation(2, 2, stride=2, base=base),
}


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_exact_pooling(lifted: Tensor, pooling: str, k: int) -> None:
    layer = randomised(POOLINGS[pooling](2, "exact"))
    assert largest_error(layer, lifted, k, stride=2, border=0.35) < EXACT


@pytest.mark.parametrize("pooling", POOLINGS)
def test_base_3(pooling: str) -> None:
    layer = randomised(POOLINGS[pooling](3, "exact"))
    assert largest_error(layer, smooth_field(3, 1, 2, 160, 160), 1, base=3, stride=2, border=0.35) < EXACT


@pytest.mark.parametrize("k", STEPS)
@pytest.mark.parametrize("pooling", ["none", "strided"])
def test_released_pooling_that_keeps_the_law(lifted: Tensor, pooling: str, k: int) -> None:
    assert largest_error(randomised(POOLINGS[pooling](2, "released")), lifted, k, stride=2, border=0.35) < EXACT


@pytest.mark.parametrize(("k", "low", "high"), [(1, 0.15, 0.3), (2, 0.3, 0.7)])
@pytest.mark.parametrize("pooling", ["quadratic", "quadratic2", "flat"])
def test_released_pooling_breaks_the_law(lifted: Tensor, pooling: str, k: int, low: float, high: float) -> None:
    error = largest_error(randomised(POOLINGS[pooling](2, "released")), lifted, k, stride=2, border=0.35)
    assert low < error < high


@pytest.mark.parametrize(("k", "high"), [(1, 0.4), (2, 0.6)])
def test_lifting(k: int, high: float) -> None:
    assert laws.lifting_error("exact", k) < 0.02  # what sampling a Gaussian of half a pixel costs
    assert 0.2 < laws.lifting_error("released", k) < high


@pytest.mark.parametrize("k", STEPS)
def test_projection(lifted: Tensor, k: int) -> None:
    """Exact where the lost scales have no say: they do not carry the maximum, or have the mean of the others."""
    assert laws.projection_error("max", k, kept=True) < EXACT
    balanced = lifted.clone()
    balanced[:k] = lifted[k:].mean(0)
    assert largest_error(ScaleProjection("mean"), balanced, k) < EXACT
    assert 0.3 < laws.projection_error("max", k, kept=False) < laws.projection_error("mean", k, kept=False) < 1


@pytest.mark.parametrize("k", STEPS)
def test_projection_of_a_pyramid(lifted: Tensor, k: int) -> None:
    """R_k leaves out the k finest maps and keeps every γ^k-th pixel of the image: U_t ∘ U_s = U_ts makes both agree."""
    pyramid = [x_s[..., : 64 // 2**s, : 96 // 2**s].contiguous() for s, x_s in enumerate(lifted)]
    for finest in pyramid[:k]:
        finest -= 100
    project = ScaleProjection("max", base=2)
    torch.testing.assert_close(project(pyramid[k:]), project(pyramid)[..., :: 2**k, :: 2**k])


def pointwise() -> nn.Module:
    """Return a 1 × 1 convolution, batch norm and ReLU, with random statistics, in evaluation mode."""
    norm = ScaleBatchNorm(3)
    torch.manual_seed(0)
    nn.init.uniform_(norm.running_mean, -0.5, 0.5)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return nn.Sequential(randomised(ScaleCrossCorrelation(2, 3, kernel_size=1)), norm, ScaleDropout()).eval()


@pytest.mark.parametrize("k", STEPS)
@torch.no_grad()
def test_what_acts_on_each_pixel_alone(lifted: Tensor, k: int) -> None:
    assert largest_error(pointwise(), lifted, k) < EXACT


@pytest.mark.parametrize(("k", "shift"), [(1, (1, 0)), (2, (2, 3))])
@pytest.mark.parametrize("pooling", POOLINGS)
@torch.no_grad()
def test_the_exact_encoder_obeys_the_law_as_a_whole(pooling: str, k: int, shift: tuple[int, int]) -> None:
    """Layers that obey it do so one after the other: stem, two levels and their pooling."""
    model = SEUNet(2, 2, width=2, depth=2, num_scales=3, geometry="exact", pooling=pooling).eval()
    parts = zip(model.encoder, model.pools, strict=True)
    encoder = nn.Sequential(model.stem, *(part for pair in parts for part in pair))
    error = equivariance_error(encoder, smooth_field(3, 1, 2, 320, 320), k, shift=shift, stride=4, border=0.45)
    assert error < EXACT


@torch.no_grad()
def test_the_blocks_of_sresnet_obey_the_law() -> None:
    torch.manual_seed(0)
    blocks = SResNet(2, 2, width=1, num_scales=2).eval().blocks
    assert equivariance_error(blocks, smooth_field(2, 1, 2, 1024, 1024), 1, shift=(1, 0), stride=8, border=0.48) < EXACT


def upsampled(m: int, seed: int) -> Tensor:
    """Return a map that was upsampled by 2^m: (1, 1, 1, H, W)."""
    field = torch.randn((1, 1, 1, 12, 12), generator=torch.Generator().manual_seed(seed))
    return ScaleUpsample(2**m, "exact")(field) if m else field


def upsampling_error(f: Tensor, k: int, l: int, shift: tuple[int, int] = (0, 0)) -> float:  # noqa: E741
    """Return the distance of U_{2^l} R_{2^k, x} f and R_{2^k, 2^l x} U_{2^l} f, relative to f, for R on space alone."""
    up = ScaleUpsample(2**l, "exact")
    before = up(rescale(f[0], k, shift=shift)[None])
    after = rescale(up(f)[0], k, shift=(shift[0] * 2**l, shift[1] * 2**l))[None]
    rows, columns = (slice(min(sides)) for sides in zip(before.shape[-2:], after.shape[-2:], strict=True))
    before, after = interior(before[..., rows, columns], 0.35), interior(after[..., rows, columns], 0.35)
    return float((before - after).abs().max() / f.std())


small = st.integers(0, 2)


@given(l=small, n=st.lists(small, min_size=1, max_size=3), data=st.data())
@settings(max_examples=60, deadline=None)
def test_upsampling_is_equivariant_on_upsampled_maps(l: int, n: list[int], data: st.DataObject) -> None:  # noqa: E741
    """U_{γ^l} R_{γ^k, x} f = R_{γ^k, γ^l x} U_{γ^l} f for f = U_{γ^(n_i + l)} f_i and k − l ≤ n₀ = min n_i.

    For x on the lattice γ^k Z²; and for every other upsampling of f just as well.
    """
    n0 = min(n)
    k = data.draw(st.integers(0, min(l + n0, 3)))
    i, seed, other = data.draw(st.sampled_from(n)), data.draw(st.integers(0, 99)), data.draw(small)
    shift = tuple(place * 2**k for place in data.draw(st.tuples(small, small)))
    f = upsampled(i + l, seed)
    assert upsampling_error(f, k, l, shift) < EXACT
    assert upsampling_error(f, k, other, shift) < EXACT


def test_upsampling_is_not_equivariant_beyond() -> None:
    """Hypothesis finds a map of the family for which the law fails when k − l > n₀, and the smallest such case."""
    cases = st.tuples(small, small, st.integers(1, 2), st.integers(0, 99))  # n₀, l, k − l − n₀, seed

    def fails(case: tuple[int, int, int, int]) -> bool:
        n0, l, beyond, seed = case  # noqa: E741
        return l > 0 and upsampling_error(upsampled(n0 + l, seed), l + n0 + beyond, l) > 0.01

    found = hypothesis.find(cases, fails, settings=settings(max_examples=200, derandomize=True, database=None))
    assert found[:3] == (0, 1, 1)


@pytest.mark.parametrize(("m", "k"), [(0, 1), (1, 2), (2, 3), (0, 2), (1, 3)])
@pytest.mark.parametrize("l", [1, 2])
def test_upsampling_fails_for_every_map_that_was_upsampled_less(m: int, k: int, l: int) -> None:  # noqa: E741
    """What counts is how often f itself was upsampled, m < k; that l is as large as k is no help."""
    assert upsampling_error(upsampled(m, seed=0), k, l) > 0.01


@pytest.mark.parametrize("shift", [(1, 0), (0, 1), (1, 1)])
def test_upsampling_is_not_equivariant_between_the_lattice(shift: tuple[int, int]) -> None:
    """A shift off γ^k Z² puts a knot of f between two pixels that are kept."""
    assert upsampling_error(upsampled(2, seed=0), 1, 1, shift) > 0.01


@pytest.mark.parametrize(("k", "low", "high"), [(1, 0.03, 0.15), (2, 0.1, 0.4)])
def test_upsampling_of_other_maps(k: int, low: float, high: float) -> None:
    for geometry in ("released", "exact"):
        assert low < laws.upsampling_error(geometry, k, upsampled=False) < high
    assert laws.upsampling_error("exact", k, upsampled=True) < EXACT
    assert 0.02 < laws.upsampling_error("released", k, upsampled=True) < 0.1


@given(t=st.integers(1, 4), s=st.integers(1, 4), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_exact_upsampling_keeps_pixels_and_composes(t: int, s: int, seed: int) -> None:
    """U_t(f)(t x) = f(x) and U_t ∘ U_s = U_ts."""
    f = torch.randn((2, 1, 2, 5, 7), generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(ScaleUpsample(t, "exact")(f)[..., ::t, ::t], f, atol=1e-5)
    twice = ScaleUpsample(t, "exact")(ScaleUpsample(s, "exact")(f))
    assert torch.allclose(twice, ScaleUpsample(t * s, "exact")(f), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("scale-cross-correlation, Gaussian basis", 0.01),
        ("the same, stride 2", 0.01),
        ("quadratic pooling, exact", 0.06),
        ("flat pooling, exact", 0.25),
    ],
)
def test_steps_of_root_2(name: str, bound: float) -> None:
    """One step is measured between pixels; two are a factor 2, for which the law is exact."""
    once, twice = laws.root2_errors(*laws.ROOT2_LAYERS[name])
    assert once < bound
    assert twice < EXACT


@pytest.mark.parametrize(("base", "scales", "k"), [(ROOT2, 7, 4), (3**0.5, 5, 2), (2 ** (1 / 3), 7, 3)])
@pytest.mark.parametrize("pooling", ["quadratic", "flat", "strided"])
def test_steps_that_make_a_whole_factor_are_exact(pooling: str, base: float, scales: int, k: int) -> None:
    """The lattices of the taps fit each other at every scale, though most scales are not whole."""
    layer = randomised(POOLINGS[pooling](base, "exact"))
    assert largest_error(layer, smooth_field(scales, 1, 2, 192, 192), k, base, stride=2, border=0.4) < EXACT


@pytest.mark.parametrize(("base", "scales"), [(1.3, 5), (1.9, 3), (2.5, 2)])
def test_bases_without_a_whole_power(base: float, scales: int) -> None:
    torch.manual_seed(0)
    assert laws.zoomed_error(ScaleCrossCorrelation(2, 3, base=base), base, scales) < 0.01


def test_rescaling_composes(lifted: Tensor) -> None:
    assert torch.equal(rescale(rescale(lifted, 1), 1), rescale(lifted, 2))
    assert torch.equal(rescale(rescale(lifted, 1, shift=(1, 0)), 1, shift=(0, 1)), rescale(lifted, 2, shift=(1, 2)))


@pytest.mark.slow
def test_the_table_in_the_docs_is_what_is_measured() -> None:
    text = METHOD.read_text(encoding="utf-8").splitlines()
    missing = [line for line in laws.table() if line not in text]
    assert not missing, "python -m benchmarks.laws prints the table of docs/method.md anew"


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_traced_blur_is_the_same(monkeypatch: pytest.MonkeyPatch, stride: int) -> None:
    half = torch.rand(3, 4)
    kernel = torch.cat([half, half[:, :-1].flip(1)], dim=1)  # symmetric, another one for each channel
    image = torch.rand(2, 3, 13, 20)
    blurred = lifting.blur(image, kernel, stride)
    monkeypatch.setattr(lifting, "is_traced", lambda: True)
    torch.testing.assert_close(lifting.blur(image, kernel, stride), blurred)
