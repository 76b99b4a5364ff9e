"""Correlation with one kernel whose taps lie at given pixels, and the gradient of the kernel, summed over all maps."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops import native
from seunet.ops.pointwise import pointwise
from seunet.ops.subsampling import subsample

OUT, IN = 8, 16  # the compiled gradient handles output channels in blocks of OUT, input channels in blocks of IN
CACHE = 2**20  # bytes of a map that stays in the processor's cache: the compiled gradient reads it once per tap


@dataclass(frozen=True)
class Taps:
    """What output p reads: the pixels stride · p + step · δ of a map that has a margin of `zeros` zeros."""

    stride: int
    step: int
    zeros: int


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
