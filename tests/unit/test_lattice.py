"""Maps continued by border pixels, taken apart into lattices, and correlated: as by the plain code, gradients too."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from seunet.ops import correlation, native
from seunet.ops.correlation import dilated_correlation
from seunet.ops.lattice import continued, join_lattices, split_lattices


def test_a_tap_beyond_the_map_reads_the_last_pixel_of_its_lattice() -> None:
    for side, step, margin in [(7, 1, 2), (7, 3, 1), (8, 3, 3), (3, 4, 2), (1, 1, 1)]:
        x = torch.arange(side, dtype=torch.float64).expand(1, 1, side, side)
        row = continued(x, step, margin)[0, 0, 0]
        for pixel in range(side):
            for tap in range(-margin, margin + 1):
                place = pixel + tap * step
                while place < 0 or place >= side:
                    place += step if place < 0 else -step
                assert row[pixel + (tap + margin) * step] == place


def plain(maps: list, kernel: torch.Tensor, bias: torch.Tensor, stride: int, steps: list, border: str) -> list:
    """Correlate by torch alone."""
    radius = kernel.shape[-1] // 2
    zeros = border == "zeros"
    return [
        F.conv2d(
            x if zeros else continued(x, step, radius),
            kernel,
            bias,
            stride,
            step * radius if zeros else 0,
            dilation=step,
        )
        for x, step in zip(maps, steps, strict=True)
    ]


@pytest.mark.parametrize("border", correlation.BORDERS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("sizes", "steps"),
    [
        ([(14, 14), (13, 9), (4, 4), (1, 1)], [1, 4, 2, 8]),  # small maps, one kernel
        ([(29, 33), (60, 57)], [4, 8]),  # lattices of unequal size
        ([(28, 56), (14, 16)], [4, 2]),  # and of equal size
        ([(7, 7)] * 4, [1, 2, 4, 8]),  # the last has lattices of one pixel
    ],
)
def test_correlation_is_the_plain_one(border: str, stride: int, sizes: list, steps: list) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = [native.channels_last(torch.randn(2, 16, *size, generator=generator)) for size in sizes]
    inputs = [*maps, torch.randn(8, 16, 3, 3, generator=generator), torch.randn(8, generator=generator)]
    found, expected = [], []
    for function, dtype, results in [(dilated_correlation, None, found), (plain, torch.float64, expected)]:
        leaves = [x.to(dtype or x.dtype).requires_grad_() for x in inputs]
        *xs, kernel, bias = leaves
        outputs = function(xs, kernel, bias, stride, steps, border)
        loss = sum((y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum() for y in outputs)
        results += [*outputs, *torch.autograd.grad(loss, leaves)]
    with torch.no_grad():
        found += dilated_correlation(maps, *inputs[-2:], stride, steps, border)
    for a, b in zip(found, expected + expected[: len(maps)], strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("border", correlation.BORDERS)
def test_gradients_in_float64(border: str) -> None:
    x, kernel = torch.randn(1, 2, 5, 4, dtype=torch.float64), torch.randn(2, 2, 3, 3, dtype=torch.float64)
    inputs = (x.requires_grad_(), kernel.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, kernel: dilated_correlation([x], kernel, None, 1, [2], border)[0], inputs)


@pytest.mark.parametrize("border", correlation.BORDERS)
def test_mixed_types_are_those_of_autocast(border: str) -> None:
    """Under autocast maps are float32 or bfloat16, and the kernel is float32: the outputs are bfloat16 either way."""
    maps = [native.channels_last(torch.randn(1, 16, 21, 21)).to(t) for t in (torch.float32, torch.bfloat16)]
    kernel = torch.randn(8, 16, 3, 3).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = dilated_correlation(maps, kernel, None, 1, [1, 2], border)
        assert continued(maps[1], 1, 1).dtype == torch.bfloat16
    assert all(y.dtype == torch.bfloat16 for y in outputs)
    (grad,) = torch.autograd.grad(sum(y.float().square().mean() for y in outputs), kernel)
    assert grad.dtype == torch.float32 and grad.isfinite().all()


def test_lattices_hold_every_dth_pixel_and_join_to_the_map() -> None:
    x = torch.rand(2, 3, 8, 12)
    split = split_lattices(x, 4)
    assert torch.equal(split[2 * (4 * 1 + 3)], x[0, :, 1::4, 3::4]) and torch.equal(join_lattices(split, 4), x)


@pytest.mark.parametrize("step", [1, 2])
def test_nothing_is_kept_to_continue_a_map_backward(step: int) -> None:
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        continued(torch.rand(1, 2, 6, 6, requires_grad=True), step, 1)
        split_lattices(torch.rand(1, 2, 6, 6, requires_grad=True), 2, 1)
    assert not kept
