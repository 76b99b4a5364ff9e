"""Correlation of several maps with one dilated kernel, and subsampling."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops import native
from seunet.ops.acceleration import Operator, is_traced
from seunet.ops.lattice import Folded, Gathered, continued, lattices
from seunet.ops.pointwise import pointwise

BORDERS = ("zeros", "replicate")
OUT, IN = 8, 16  # the compiled gradient handles output channels in blocks of OUT, input channels in blocks of IN
CACHE = 2**20  # bytes of a map that stays in the processor's cache: the compiled gradient reads it once per tap
LEAST_SIDE = 7  # pixels of a lattice; on smaller ones oneDNN loses more time than dilation costs


@dataclass(frozen=True)
class Taps:
    """What output p reads: the pixels stride · p + step · δ of a map that has a margin of `zeros` zeros."""

    stride: int
    step: int
    zeros: int


@Operator
def dilated_correlation(
    maps: Sequence[Tensor],
    kernel: Tensor,
    bias: Tensor | None,
    stride: int,
    steps: Sequence[int],
    border: str = "zeros",
) -> list[Tensor]:
    """Correlate maps (N, C_in, H, W) with (C_out, C_in, k, k), taps steps[i] pixels apart → (N, C_out, ⌈H/r⌉, ⌈W/r⌉).

    border: what a tap beyond the map reads. `zeros`: 0. `replicate`: the last pixel of the map on the lattice of the
    tap, p + step · Z². Each lattice is continued by its own border pixels.
    """
    correlate = traced_correlation if is_traced() else eager_correlation
    return [correlate(x, kernel, bias, stride, step, border) for x, step in zip(maps, steps, strict=True)]


def traced_correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, step: int, border: str) -> Tensor:
    """Correlate one map, of any size, in few operators of torch."""
    margin = kernel.shape[-1] // 2
    if border == "replicate":
        return F.conv2d(continued(x, step, margin), kernel, bias, stride, dilation=step)
    return F.conv2d(x, kernel, bias, stride, padding=step * margin, dilation=step)


def eager_correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, step: int, border: str) -> Tensor:
    """Correlate one map, without the pixels and taps that its size makes unnecessary."""
    x, stride, step = subsampled_first(x, stride, step)
    if has_lattices_of_one_pixel(x, step, border):
        return correlate_pixels(x, kernel, bias, stride)
    x, taps = with_border(x, stride, step, kernel, border)
    return correlation(x, kernel, bias, taps)


@dilated_correlation.compiled
def dilated_correlation_compiled(
    maps: Sequence[Tensor],
    kernel: Tensor,
    bias: Tensor | None,
    stride: int,
    steps: Sequence[int],
    border: str = "zeros",
) -> list[Tensor]:
    """Correlate all maps together, so that the gradient of the kernel is summed over the small ones at once."""
    placed = [subsampled_first(x, stride, step) for x, step in zip(maps, steps, strict=True)]
    of_one_pixel = [has_lattices_of_one_pixel(x, step, border) for x, _, step in placed]
    arranged = [arrange(*place, kernel, border) for place, one in zip(placed, of_one_pixel, strict=True) if not one]
    others = iter(correlate_arranged(arranged, kernel, bias))
    return [
        correlate_pixels(x, kernel, bias, own) if one else next(others)
        for (x, own, _), one in zip(placed, of_one_pixel, strict=True)
    ]


def subsampled_first(x: Tensor, stride: int, step: int) -> tuple[Tensor, int, int]:
    """Return map, stride and step of an equal correlation: where the stride divides the step, x is subsampled before.

    Then outputs read every r-th pixel alone, and on these the stride is 1 and the step is divided by r.
    """
    return (subsample(x, stride), 1, step // stride) if step % stride == 0 else (x, stride, step)


def has_lattices_of_one_pixel(x: Tensor, step: int, border: str) -> bool:
    """Tell whether all taps of an output read the same pixel, because the map repeats its border."""
    return border == "replicate" and max(x.shape[-2:]) <= step


def correlate_pixels(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """Correlate a map whose lattices have one pixel: a 1 × 1 convolution by the sum of the taps."""
    return pointwise(subsample(x, stride), kernel.sum((2, 3), keepdim=True), bias)


def with_border(x: Tensor, stride: int, step: int, kernel: Tensor, border: str) -> tuple[Tensor, Taps]:
    """Return the map, continued if the border asks for it, and its taps."""
    radius = kernel.shape[-1] // 2
    if border == "replicate" and radius:
        return continued(x, step, radius), Taps(stride, step, 0)
    return x, Taps(stride, step, step * radius)


Arranged = tuple[Tensor, Taps, Callable[[Tensor], Tensor]]


def correlate_arranged(arranged: list[Arranged], kernel: Tensor, bias: Tensor | None) -> list[Tensor]:
    """Correlate the maps that `arrange` returns, and bring each result to the form of its map."""
    small = [use_compiled_gradient(x, kernel) for x, _, _ in arranged]
    if torch.is_grad_enabled() and any(small):
        maps, taps, _ = zip(*arranged, strict=True)
        outputs = SharedCorrelation.apply(kernel, bias, taps, small, *maps)
    else:
        outputs = [correlation(x, kernel, bias, taps) for x, taps, _ in arranged]
    return [put_together(y) for y, (_, _, put_together) in zip(outputs, arranged, strict=True)]


def arrange(x: Tensor, stride: int, step: int, kernel: Tensor, border: str) -> Arranged:
    """Return a map to correlate, its taps, and the function that makes the output of the result.

    The map has its border, and comes as a batch of its lattices where that is faster.
    """
    if not use_lattices(x, stride, step, kernel):
        return *with_border(x, stride, step, kernel, border), lambda y: y
    radius = kernel.shape[-1] // 2
    margin = radius if border == "replicate" else 0
    height, width = x.shape[-2:]
    shape, blocks = torch.Size([len(x), len(kernel), height, width]), lattices(height, width, step, 0)
    batch = Gathered.apply(x, lattices(height, width, step, margin))
    return batch, Taps(1, 1, radius - margin), lambda y: Folded.apply(y, shape, blocks)


def use_lattices(x: Tensor, stride: int, step: int, kernel: Tensor) -> bool:
    """Tell whether a map is faster as a batch of its lattices: the kernel's gradient takes a quarter of the time."""
    large = min(x.shape[-2:]) >= LEAST_SIDE * step
    return stride == 1 and step > 1 and large and kernel.shape[-1] > 1 and torch.is_grad_enabled()


def correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, taps: Taps) -> Tensor:
    """Correlate one map, without the taps that only meet zeros."""
    reached, kernel = taps_within(x, kernel, taps)
    if reached == 0:
        return pointwise(subsample(x, taps.stride), kernel, bias)
    padding = taps.zeros and taps.step * reached
    return F.conv2d(x, kernel, bias, stride=taps.stride, padding=padding, dilation=taps.step)


def taps_within(x: Tensor, kernel: Tensor, taps: Taps) -> tuple[int, Tensor]:
    """Return the number of taps to either side that can meet a pixel of x, and the middle of the kernel with these."""
    radius = kernel.shape[-1] // 2
    if taps.zeros == 0:
        return radius, kernel
    reached = min(radius, (max(x.shape[-2:]) - 1) // taps.step)
    inner = slice(radius - reached, radius + reached + 1)
    return reached, kernel[..., inner, inner]


def subsample(x: Tensor, stride: int) -> Tensor:
    """Return every r-th pixel of (N, C, H, W): (N, C, ⌈H/r⌉, ⌈W/r⌉)."""
    if stride == 1:
        return x
    return x[..., ::stride, ::stride] if is_traced() else Subsampled.apply(x, stride)


class Subsampled(torch.autograd.Function):
    """Every r-th pixel. Backward fills one map with zeros; torch's own would fill one for rows and one for columns."""

    @staticmethod
    def forward(ctx, x, stride):
        """Copy the pixels, so that the memory of x can be freed."""
        ctx.shape, ctx.stride = x.shape, stride
        return x[..., ::stride, ::stride].contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx, grad):
        """Return the gradient at the copied pixels, and zeros elsewhere."""
        grad_x = native.empty(ctx.shape, grad.dtype, grad.device).zero_()
        grad_x[..., :: ctx.stride, :: ctx.stride] = grad
        return grad_x, None


def use_compiled_gradient(x: Tensor, kernel: Tensor) -> bool:
    """Tell whether the compiled gradient is faster than oneDNN's: float32, map ≤ CACHE, whole blocks of channels."""
    whole = kernel.shape[0] % OUT == 0 and kernel.shape[1] % IN == 0
    plain = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return whole and plain and x.numel() * x.element_size() <= CACHE


class SharedCorrelation(torch.autograd.Function):
    """One kernel on several maps; compiled code sums the gradient of the kernel over all small maps at once.

    It reads only pixels that a tap reaches. oneDNN reads zeros too, so it takes up to four times as long where most
    taps fall outside the map, and it computes one gradient per map, which have to be added. taps: the taps of each
    map. small: whether its gradient is compiled.
    """

    @staticmethod
    def forward(ctx, kernel, bias, taps, small, *maps):
        """Return the correlation of each map."""
        ctx.save_for_backward(kernel, *maps)
        ctx.taps, ctx.small, ctx.has_bias = taps, small, bias is not None
        return tuple(correlation(x, kernel, bias, t) for x, t in zip(maps, taps, strict=True))

    @staticmethod
    def backward(ctx, *grads):
        """Return the gradients of kernel, bias and maps."""
        kernel, *maps = ctx.saved_tensors
        grad_kernel = native.empty(kernel.shape, kernel.dtype).zero_()
        grad_bias = torch.zeros(len(kernel)) if ctx.has_bias else None
        grad_maps, together = [], []
        wanted = ctx.needs_input_grad[4:]
        for x, grad, taps, small, needed in zip(maps, grads, ctx.taps, ctx.small, wanted, strict=True):
            if small:
                together.append((native.channels_last(grad), native.channels_last(x), taps))
                grad_maps.append(input_gradient(x, kernel, grad, taps) if needed else None)
            else:
                grad_x, *others = onednn_gradients(x, kernel, grad, taps, (needed, True, ctx.has_bias))
                grad_maps.append(grad_x)
                for total, part in zip((grad_kernel, grad_bias), others, strict=True):
                    if part is not None:
                        total += part
        add_parameter_gradients(together, grad_kernel, grad_bias)
        return grad_kernel, grad_bias, None, None, *grad_maps


def input_gradient(x: Tensor, kernel: Tensor, grad: Tensor, taps: Taps) -> Tensor:
    """Return the gradient of x."""
    reached, kernel = taps_within(x, kernel, taps)
    if reached == 0 and taps.stride == 1:
        return pointwise(grad, kernel.transpose(0, 1), None)
    step = taps.step if reached else 1
    taps = Taps(taps.stride, step, taps.zeros and step * reached)
    grad_x, _, _ = onednn_gradients(x, kernel, grad, taps, (True, False, False))
    assert grad_x is not None  # it was asked for
    return grad_x


def onednn_gradients(
    x: Tensor, kernel: Tensor, grad: Tensor, taps: Taps, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor | None, ...]:
    """Return the gradients of x, kernel and bias; None for one that is not wanted."""
    pairs = [[taps.stride] * 2, [taps.zeros] * 2, [taps.step] * 2]
    backward = torch.ops.aten.convolution_backward
    return backward(grad, x, kernel, [len(kernel)], *pairs, False, [0, 0], 1, wanted)


def add_parameter_gradients(
    maps: list[tuple[Tensor, Tensor, Taps]], grad_kernel: Tensor, grad_bias: Tensor | None
) -> None:
    """Add the gradients of kernel and bias from maps: (gradient of the output, map, taps) each; compiled."""
    grads, xs, taps = zip(*maps, strict=True)
    sizes = zip(grads, xs, taps, strict=True)
    geometry = [n for grad, x, t in sizes for n in (len(x), *x.shape[2:], *grad.shape[2:], t.stride, t.step, t.zeros)]
    out, channels, side, _ = grad_kernel.shape
    name = native.name_of("correlation_backward", grad_kernel)
    native.call(name, grads, xs, geometry, grad_kernel, grad_bias, len(maps), channels, out, side)
