"""Batch norm, interpolation and projection: the compiled code does what the plain code in torch does."""

import shutil

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.layers import ScaleProjection
from seunet.layers.normalisation import ScaleBatchNorm
from seunet.ops import native
from seunet.ops.acceleration import OPERATORS, is_compiled
from seunet.ops.correlation import dilated_correlation
from seunet.ops.interpolation import MODES, add_upsampled, largest, upsample
from seunet.ops.pointwise import UpsampledFusion

SIZES = {"one map": [(9, 11)], "dense": [(8, 6)] * 3, "pyramid": [(16, 9), (8, 5), (1, 1)]}
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler here")


def test_it_compiles() -> None:
    assert native.library() is not None


def test_wrong_arguments_never_reach_the_compiled_code() -> None:
    x, penalty = native.channels_last(torch.rand(1, 2, 3, 4)), torch.ones(2)
    taps = [torch.empty_like(x, dtype=torch.int8) for _ in range(2)]
    name, sizes = native.name_of("dilate", x, *taps[:1]), (1, 3, 4, 2, 3, 4, 1, 1, 3)
    native.call(name, x, penalty, torch.empty_like(x), *taps, *sizes)
    for wrong, message in [
        ((x, penalty, x, *taps), "takes 14 arguments, got 5"),
        ((x.double(), penalty, x, *taps, *sizes), "argument 0: expected float., got a tensor of torch.float64"),
        ((x[..., ::2], penalty, x, *taps, *sizes), "argument 0: expected float."),
        ((x.contiguous(), penalty, x, *taps, *sizes), "argument 0: expected float."),  # not channels-last
        ((x, penalty, x, taps[0].long(), taps[1], *sizes), "argument 3: expected int8_t."),
        ((x, penalty, x, *taps, *sizes[:-1], 3.0), "argument 13: expected int64_t, got 3.0"),
    ]:
        with pytest.raises(TypeError, match=message):
            native.call(name, *wrong)


def test_the_library_says_the_types_of_its_functions() -> None:
    function, kinds = native.functions()["dilate_float32_int8"]
    assert kinds[:5] == ["float*", "float*", "float*", "int8_t*", "int8_t*"] and callable(function)


def test_operators_have_a_twin_and_a_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OPERATORS and all(operator.twin for operator in OPERATORS.values())
    assert is_compiled(torch.ones(1)) and not is_compiled(torch.ones(1).double())
    assert not is_compiled(torch.ones(1), torch.ones(1, dtype=torch.complex64))  # a type without a name in C++
    monkeypatch.setenv("SEUNET_COMPILED", "0")
    assert not is_compiled(torch.ones(1))


def test_a_compiler_may_be_several_words(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As CXX="ccache g++": the version is that of the compiler, not of the first word."""
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\ncase "$1" in -*) exit 1;; esac\nexec "$@"\n')
    wrapper.chmod(0o755)
    for source in native.SOURCES:
        (tmp_path / source.name).write_text('extern "C" int f() { return 1; }\n' if source is native.SOURCES[0] else "")
    monkeypatch.setenv("CXX", f"{wrapper} g++")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(native, "SOURCES", [tmp_path / source.name for source in native.SOURCES])
    assert native.compiled().exists()


def maps_of(sizes: list[tuple[int, int]], channels: int = 21, seed: int = 0) -> list[Tensor]:
    """Return random maps of 2 images, far from 0: channels for a vector register and some over."""
    generator = torch.Generator().manual_seed(seed)
    return [(3 + torch.randn(2, channels, *size, generator=generator)).requires_grad_() for size in sizes]


def results(function, inputs: list[Tensor]) -> list[Tensor]:
    """Return the outputs of a function of tensors, and the gradients of a weighted sum of them for its inputs."""
    outputs = function()
    loss = sum((y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum() for y in outputs)
    return [*outputs, *torch.autograd.grad(loss, inputs)]


def both(monkeypatch: pytest.MonkeyPatch, function, inputs: list[Tensor]) -> None:
    """Compare the compiled and the plain way through a function."""
    compiled = results(function, inputs)
    with monkeypatch.context() as patch:
        patch.setenv("SEUNET_COMPILED", "0")
        plain = results(function, inputs)
    for ours, expected in zip(compiled, plain, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_batch_norm(monkeypatch: pytest.MonkeyPatch, sizes: list, positive: bool) -> None:
    maps = maps_of(sizes)
    statistics = []

    def norm() -> list[Tensor]:
        layer = ScaleBatchNorm(21, positive=positive)
        layer.weight, layer.bias = weight, bias
        y = layer(maps)
        statistics.append((layer.running_mean, layer.running_var, layer.num_batches_tracked))
        with torch.no_grad():
            assert all(torch.equal(a, b.detach()) for a, b in zip(layer(maps), layer(maps), strict=True))
        return y

    weight = nn.Parameter(torch.linspace(0.5, 2, 21))
    bias = nn.Parameter(torch.linspace(-1, 1, 21))
    both(monkeypatch, norm, [*maps, weight, bias])
    for ours, expected in zip(*statistics, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_batch_norm_is_that_of_torch() -> None:
    (x,) = maps_of(SIZES["one map"])
    ours, theirs = ScaleBatchNorm(21, momentum=0.1), nn.BatchNorm2d(21, eps=1e-3)
    for ready in (True, False):
        ours.train(ready), theirs.train(ready)
        torch.testing.assert_close(ours(x), F.relu(theirs(x)))
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    with torch.no_grad():
        y = native.channels_last(x.detach().clone())
        torch.testing.assert_close(ours(y), F.relu(theirs(x)))
        assert torch.equal(y, x)


def test_batch_norm_with_weights_in_bfloat16() -> None:
    """The statistics of the compiled code are float32; the running ones are of the type of the layer."""
    (x,) = maps_of(SIZES["one map"])
    layer, exact = ScaleBatchNorm(21).bfloat16(), ScaleBatchNorm(21)
    for norm in (layer, exact):
        norm(x.to(norm.weight))
    assert layer.running_mean.dtype == torch.bfloat16
    torch.testing.assert_close(layer.running_mean.float(), exact.running_mean, rtol=0.02, atol=0.02)
    torch.testing.assert_close(layer.running_var.float(), exact.running_var, rtol=0.02, atol=0.02)


def test_batch_norm_far_from_zero() -> None:
    """A mean of 10⁴ standard deviations costs digits, not sense; NaN stays NaN."""
    x = 1e4 + torch.randn(4, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    y = ScaleBatchNorm(16, positive=False)(x)
    assert abs(y.std().item() - 1) < 0.01 and abs(y.mean().item()) < 0.01
    x[0, 0, 0, 1] = float("nan")
    assert ScaleBatchNorm(16)(x)[:, 0].isnan().all()


@pytest.mark.parametrize(
    ("factor", "mode", "cut"), [(2, mode, 0) for mode in MODES] + [(2, "aligned", 1), (4, "aligned", 3)]
)
def test_adding_an_upsampled_map(monkeypatch: pytest.MonkeyPatch, factor: int, mode: str, cut: int) -> None:
    (x,), (y,) = maps_of([(5, 4)]), maps_of([(5 * factor - cut, 4 * factor - cut)], seed=1)
    both(monkeypatch, lambda: [add_upsampled(y, x, factor, mode)], [x, y])
    both(monkeypatch, lambda: [add_upsampled(y, -x, factor, mode, positive=True)], [x, y])
    trained = add_upsampled(y, -x, factor, mode, positive=True)
    with torch.no_grad():
        predicted = add_upsampled(y.clone(), -x, factor, mode, positive=True)
    assert (predicted == 0).any() and torch.equal(predicted, trained)


def test_nan_reaches_the_pixels_that_read_it_alone() -> None:
    (x,), (y,) = maps_of([(5, 4)]), maps_of([(10, 8)], seed=1)
    x.data[:, :, 2, 1] = float("nan")
    found = add_upsampled(y, x, 2, "nearest").isnan()
    assert found[:, :, 4:6, 2:4].all() and found[0, 0].sum() == 4


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_largest_over_scales(monkeypatch: pytest.MonkeyPatch, sizes: list) -> None:
    maps = maps_of(sizes)
    factors = [1, 1, 1] if sizes is SIZES["dense"] else [1, 2, 16]
    keep = (torch.rand(len(maps), 2, 21, generator=torch.Generator().manual_seed(2)) > 0.3).float()
    both(monkeypatch, lambda: [largest(maps, factors[: len(maps)], keep)], maps)


@pytest.mark.parametrize("mode", MODES)
def test_fusion_is_the_convolution_of_the_concatenation(mode: str) -> None:
    (x,), (skip,) = maps_of([(4, 5)], 6), maps_of([(8, 10)], 3)
    fusion = UpsampledFusion(6, 3, 7, mode)
    expected = nn.Conv2d.forward(fusion, torch.cat([upsample(x, 2, mode), skip], 1))
    torch.testing.assert_close(fusion(x, skip), expected, rtol=1e-4, atol=1e-5)


def test_not_a_number_stays_so_in_bfloat16() -> None:
    layer = ScaleBatchNorm(21)
    layer.weight.data.view(torch.int32)[18] = 0x7FFFFFFF  # not a number; rounded as numbers are, it would be −0
    (y,) = layer([native.channels_last(torch.randn(1, 21, 4, 4)).bfloat16()])
    assert y.isnan().all((0, 2, 3)).nonzero().tolist() == [[18]] and y.isnan().sum() == 16


def test_bfloat16_is_near() -> None:
    maps = maps_of(SIZES["dense"], 16)
    for layer in (ScaleBatchNorm(16), ScaleProjection()):
        exact, rounded = layer(maps), layer([x.bfloat16() for x in maps])
        for a, b in zip(exact, rounded, strict=True):
            assert b.dtype == torch.bfloat16
            torch.testing.assert_close(b.float(), a, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_no_bit(threads: int) -> None:
    maps, before = maps_of([(40, 40), (20, 20)], 48), torch.get_num_threads()
    norm, found = ScaleBatchNorm(48), []
    for count in (2, threads):
        torch.set_num_threads(count)
        found.append(results(lambda: norm(maps), [*maps, norm.weight]))
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [16, 64])
def test_gradients_of_a_kernel(channels: int, stride: int) -> None:
    maps = maps_of([(14, 14), (13, 9), (4, 4), (1, 1)], channels)
    kernel = torch.randn(24, channels, 3, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    bias, steps = torch.ones(24, requires_grad=True), [1, 4, 2, 8]
    plain = [{"stride": stride, "padding": step, "dilation": step} for step in steps]
    inputs = [*maps, kernel, bias]
    ours = results(lambda: dilated_correlation(maps, kernel, bias, stride, steps), inputs)
    expected = results(lambda: [F.conv2d(x, kernel, bias, **o) for x, o in zip(maps, plain, strict=True)], inputs)
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("size", "stride", "step"), [((14, 14), 1, 8), ((7, 5), 1, 4), ((13, 9), 2, 5), ((13, 9), 2, 4), ((6, 6), 1, 8)]
)
def test_gradients_of_a_kernel_wider_than_the_map(size: tuple[int, int], stride: int, step: int) -> None:
    (x,) = maps_of([size], 64)
    kernel = torch.randn(64, 64, 3, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    bias = torch.ones(64, requires_grad=True)
    ours = results(lambda: dilated_correlation([x], kernel, bias, stride, [step]), [x, kernel, bias])
    plain = {"stride": stride, "padding": step, "dilation": step}
    expected = results(lambda: [F.conv2d(x, kernel, bias, **plain)], [x, kernel, bias])
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-3)
