"""Correlation of several maps with one dilated kernel, and subsampling."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops import native
from seunet.ops.acceleration import is_compiled, is_traced
from seunet.ops.lattice import Folded, Gathered, continued, lattices, margins
from seunet.ops.pointwise import pointwise

BORDERS = ("zeros", "replicate")
OUT, IN = 8, 16  # the compiled code takes output and input channels by so many
CACHE = 2**20  # bytes of a map that a processor keeps at hand while the compiled code passes over it once a tap
LEAST_SIDE = 7  # of a lattice: on smaller ones oneDNN loses more than it loses by dilation


@dataclass(frozen=True)
class Taps:
    """Where the taps of an output p lie: at stride · p + step · δ, in a map of that many zeros around it."""

    stride: int
    step: int
    zeros: int


def dilated_correlation(
    maps: Sequence[Tensor],
    kernel: Tensor,
    bias: Tensor | None,
    stride: int,
    steps: Sequence[int],
    border: str = "zeros",
) -> list[Tensor]:
    """Correlate maps (N, C_in, H, W) with (C_out, C_in, k, k), taps steps[i] pixels apart → (N, C_out, ⌈H/r⌉, ⌈W/r⌉).

    border: what a tap beyond the map reads: 0 (`zeros`), or the map's last pixel on the lattice of its taps,
    p + step · Z² (`replicate`): each such lattice is continued by its border pixels, as a map of its own.
    """
    if is_traced():
        return [traced_correlation(x, kernel, bias, stride, step, border) for x, step in zip(maps, steps, strict=True)]
    strides = [1 if step % stride == 0 else stride for step in steps]
    maps = [subsample(x, stride // own) for x, own in zip(maps, strides, strict=True)]
    places = [(own, step * own // stride) for own, step in zip(strides, steps, strict=True)]
    # lattices of one pixel, which all taps read
    single = [border == "replicate" and max(x.shape[-2:]) <= step for x, (_, step) in zip(maps, places, strict=True)]
    arranged = [
        arrange(x, *place, kernel, border) for x, place, one in zip(maps, places, single, strict=True) if not one
    ]
    others = iter(correlate_arranged(arranged, kernel, bias))
    return [
        pointwise(subsample(x, own), kernel.sum((2, 3), keepdim=True), bias) if one else next(others)
        for x, (own, _), one in zip(maps, places, single, strict=True)
    ]


def traced_correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, step: int, border: str) -> Tensor:
    """Correlate one map in few operators of torch, for a map of any size."""
    margin = kernel.shape[-1] // 2
    if border == "replicate":
        return F.conv2d(continued(x, step, margin), kernel, bias, stride, dilation=step)
    return F.conv2d(x, kernel, bias, stride, padding=step * margin, dilation=step)


Arranged = tuple[Tensor, Taps, Callable[[Tensor], Tensor]]


def correlate_arranged(arranged: list[Arranged], kernel: Tensor, bias: Tensor | None) -> list[Tensor]:
    """Correlate what `arrange` returns, and put it together."""
    small = [use_compiled_gradient(x, kernel) for x, _, _ in arranged]
    if torch.is_grad_enabled() and any(small):
        maps, taps, _ = zip(*arranged, strict=True)
        outputs = SharedCorrelation.apply(kernel, bias, taps, small, *maps)
    else:
        outputs = [correlation(x, kernel, bias, taps) for x, taps, _ in arranged]
    return [put_together(y) for y, (_, _, put_together) in zip(outputs, arranged, strict=True)]


def arrange(x: Tensor, stride: int, step: int, kernel: Tensor, border: str) -> Arranged:
    """Return a map, continued if the border asks for it, taken apart if that is faster; its taps; the way back."""
    radius = kernel.shape[-1] // 2
    margin = radius if border == "replicate" else 0
    zeros = radius - margin
    compiled = is_compiled(x)
    if compiled and use_lattices(x, stride, step, kernel):
        blocks = lattices(*x.shape[-2:], step, margin)
        shape = (len(x), len(kernel), *x.shape[-2:])
        apart = lattices(*x.shape[-2:], step, 0)
        return Gathered.apply(x, blocks), Taps(1, 1, zeros), lambda y: Folded.apply(y, shape, apart)
    if margin:
        x = Gathered.apply(x, margins(*x.shape[-2:], step, margin)) if compiled else continued(x, step, margin)
    return x, Taps(stride, step, step * zeros), lambda y: y


def use_lattices(x: Tensor, stride: int, step: int, kernel: Tensor) -> bool:
    """Tell whether a map is better taken apart: its gradient of the kernel then takes a quarter of the time."""
    large = min(x.shape[-2:]) >= LEAST_SIDE * step
    return stride == 1 and step > 1 and large and kernel.shape[-1] > 1 and torch.is_grad_enabled()


def correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, taps: Taps) -> Tensor:
    """Correlate one map."""
    reached, kernel = taps_within(x, kernel, taps)
    if reached == 0:
        return pointwise(subsample(x, taps.stride), kernel, bias)
    padding = taps.zeros and taps.step * reached
    return F.conv2d(x, kernel, bias, stride=taps.stride, padding=padding, dilation=taps.step)


def taps_within(x: Tensor, kernel: Tensor, taps: Taps) -> tuple[int, Tensor]:
    """Return how many taps to either side can meet a pixel of x, and the kernel of these."""
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
    """Every r-th pixel. Its gradient is written into zeros once, not once for rows and again for columns."""

    @staticmethod
    def forward(ctx, x, stride):
        """Copy the pixels, so that x may be forgotten."""
        ctx.shape, ctx.stride = x.shape, stride
        return x[..., ::stride, ::stride].contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx, grad):
        """Return the gradient at the pixels that were taken, and zeros elsewhere."""
        grad_x = native.empty(ctx.shape, grad.dtype, grad.device).zero_()
        grad_x[..., :: ctx.stride, :: ctx.stride] = grad
        return grad_x, None


def use_compiled_gradient(x: Tensor, kernel: Tensor) -> bool:
    """True if the compiled gradient is faster than oneDNN's: float32, CPU, map ≤ CACHE, channels divide by OUT, IN."""
    whole = kernel.shape[0] % OUT == 0 and kernel.shape[1] % IN == 0
    plain = x.dtype == torch.float32 and is_compiled(x) and not torch.is_autocast_enabled("cpu")
    return whole and plain and x.numel() * x.element_size() <= CACHE


class SharedCorrelation(torch.autograd.Function):
    """One kernel on several maps. Its gradient is summed over all small ones at once, from the pixels that taps reach.

    oneDNN takes up to four times as long where most taps fall outside the map, and its gradients of each map would have
    to be added. taps: those of each map; small: whether it is.
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
    """Return the gradients of x, kernel and bias, those that are wanted."""
    pairs = [[taps.stride] * 2, [taps.zeros] * 2, [taps.step] * 2]
    backward = torch.ops.aten.convolution_backward
    return backward(grad, x, kernel, [len(kernel)], *pairs, False, [0, 0], 1, wanted)


def add_parameter_gradients(
    maps: list[tuple[Tensor, Tensor, Taps]], grad_kernel: Tensor, grad_bias: Tensor | None
) -> None:
    """Add what maps, each with its gradient, itself and its taps, give to those of kernel and bias; compiled."""
    grads, xs, taps = zip(*maps, strict=True)
    sizes = zip(grads, xs, taps, strict=True)
    geometry = [n for grad, x, t in sizes for n in (len(x), *x.shape[2:], *grad.shape[2:], t.stride, t.step, t.zeros)]
    out, channels, side, _ = grad_kernel.shape
    name = native.name_of("correlation_backward", grad_kernel)
    native.call(name, grads, xs, geometry, grad_kernel, grad_bias, len(maps), channels, out, side)
