"""Correlation of several maps with one dilated kernel, and subsampling."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops import native
from seunet.ops.pointwise import pointwise

OUT, IN = 8, 16  # the compiled code takes output and input channels by so many
CACHE = 2**20  # bytes of a map that a processor keeps at hand while the compiled code passes over it once a tap


BORDERS = ("zeros", "replicate")


def dilated_correlation(
    maps: Sequence[Tensor],
    kernel: Tensor,
    bias: Tensor | None,
    stride: int,
    steps: Sequence[int],
    border: str = "zeros",
) -> list[Tensor]:
    """Correlate maps (N, C_in, H, W) with (C_out, C_in, k, k), taps steps[i] pixels apart → (N, C_out, ⌈H/r⌉, ⌈W/r⌉).

    border: what a tap beyond the map reads: 0 (`zeros`), or the map's last pixel on the lattice
    of its taps, p + step · Z² (`replicate`): each such lattice is continued by its border pixels, as a map of its own.
    """
    if border == "replicate":
        return [replicated(x, kernel, bias, stride, step) for x, step in zip(maps, steps, strict=True)]
    strides = [1 if step % stride == 0 else stride for step in steps]
    maps = [subsample(x, stride // own) for x, own in zip(maps, strides, strict=True)]
    geometry = [(own, step * own // stride) for own, step in zip(strides, steps, strict=True)]
    small = [suits(x, kernel) for x in maps]
    if torch.is_grad_enabled() and any(small):
        return list(SharedCorrelation.apply(kernel, bias, geometry, small, *maps))
    return [correlation(x, kernel, bias, *place) for x, place in zip(maps, geometry, strict=True)]


def replicated(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, step: int) -> Tensor:
    """Correlate one map; a tap beyond it reads the last pixel of its own lattice, step · Z² + v, within the map."""
    margin = step * (kernel.shape[-1] // 2)
    rows, columns = (continued(length, step, margin).to(x.device) for length in x.shape[-2:])
    padded = x.index_select(2, rows).index_select(3, columns)
    return F.conv2d(padded, kernel, bias, stride=stride, dilation=step)


def continued(length: int, step: int, margin: int) -> Tensor:
    """Return which of pixels 0 … length − 1 stands for each of −margin … length + margin − 1.

    The nearest among those that lie a multiple of `step` apart from it; where there is none, any.
    """
    place = torch.arange(-margin, length + margin)
    first = place % step
    last = first + (length - 1 - first) // step * step
    return torch.minimum(place.clamp(min=first), last).clamp(0, length - 1)


def correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, step: int) -> Tensor:
    """Correlate one map."""
    reached, kernel = taps_within(x, kernel, step)
    if reached == 0:
        return pointwise(subsample(x, stride), kernel, bias)
    return F.conv2d(x, kernel, bias, stride=stride, padding=step * reached, dilation=step)


def taps_within(x: Tensor, kernel: Tensor, step: int) -> tuple[int, Tensor]:
    """Return how many taps to either side can meet a pixel of x, and the kernel of these."""
    radius = kernel.shape[-1] // 2
    reached = min(radius, (max(x.shape[-2:]) - 1) // step)
    inner = slice(radius - reached, radius + reached + 1)
    return reached, kernel[..., inner, inner]


def subsample(x: Tensor, stride: int) -> Tensor:
    """Return every r-th pixel of (N, C, H, W): (N, C, ⌈H/r⌉, ⌈W/r⌉)."""
    return Subsampled.apply(x, stride) if stride > 1 else x


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


def suits(x: Tensor, kernel: Tensor) -> bool:
    """Tell whether the compiled gradient is the right one for a map: else oneDNN's, below torch, is faster."""
    whole = kernel.shape[0] % OUT == 0 and kernel.shape[1] % IN == 0
    plain = x.dtype == torch.float32 and native.usable(x) and not torch.is_autocast_enabled("cpu")
    return whole and plain and x.numel() * x.element_size() <= CACHE


class SharedCorrelation(torch.autograd.Function):
    """One kernel on several maps. Its gradient is summed over all small ones at once, from the pixels that taps reach.

    oneDNN takes up to four times as long where most taps fall outside the map, and its gradients of each map would have
    to be added. geometry: stride and step of each map; small: whether it is.
    """

    @staticmethod
    def forward(ctx, kernel, bias, geometry, small, *maps):
        """Correlate as ever."""
        ctx.save_for_backward(kernel, *maps)
        ctx.geometry, ctx.small, ctx.has_bias = geometry, small, bias is not None
        return tuple(correlation(x, kernel, bias, *place) for x, place in zip(maps, geometry, strict=True))

    @staticmethod
    def backward(ctx, *grads):
        """Return the gradients of kernel, bias and maps."""
        kernel, *maps = ctx.saved_tensors
        grad_kernel = native.empty(kernel.shape, kernel.dtype).zero_()
        grad_bias = torch.zeros(len(kernel)) if ctx.has_bias else None
        grad_maps, together = [], []
        wanted = ctx.needs_input_grad[4:]
        for x, grad, place, small, needed in zip(maps, grads, ctx.geometry, ctx.small, wanted, strict=True):
            if small:
                together.append((native.channels_last(grad), native.channels_last(x), place))
                grad_maps.append(input_gradient(x, kernel, grad, *place) if needed else None)
            else:
                grad_x, *others = onednn_gradients(x, kernel, grad, *place, (needed, True, ctx.has_bias))
                grad_maps.append(grad_x)
                for total, part in zip((grad_kernel, grad_bias), others, strict=True):
                    if part is not None:
                        total += part
        add_parameter_gradients(together, grad_kernel, grad_bias)
        return grad_kernel, grad_bias, None, None, *grad_maps


def input_gradient(x: Tensor, kernel: Tensor, grad: Tensor, stride: int, step: int) -> Tensor:
    """Return the gradient of x."""
    reached, kernel = taps_within(x, kernel, step)
    if reached == 0 and stride == 1:
        return pointwise(grad, kernel.transpose(0, 1), None)
    return onednn_gradients(x, kernel, grad, stride, step if reached else 1, (True, False, False))[0]


def onednn_gradients(
    x: Tensor, kernel: Tensor, grad: Tensor, stride: int, step: int, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor | None, ...]:
    """Return the gradients of x, kernel and bias, those that are wanted."""
    padding = step * (kernel.shape[-1] // 2)
    pairs = [[stride] * 2, [padding] * 2, [step] * 2]
    backward = torch.ops.aten.convolution_backward
    return backward(grad, x, kernel, [len(kernel)], *pairs, False, [0, 0], 1, wanted)


def add_parameter_gradients(
    maps: list[tuple[Tensor, Tensor, tuple[int, int]]], grad_kernel: Tensor, grad_bias: Tensor | None
) -> None:
    """Add what maps, each with its gradient, itself, stride and step, give to those of kernel and bias; compiled."""
    grads, xs, places = zip(*maps, strict=True)
    sizes = zip(grads, xs, places, strict=True)
    geometry = [n for grad, x, place in sizes for n in (len(x), *x.shape[2:], *grad.shape[2:], *place)]
    out, channels, side, _ = grad_kernel.shape
    name = native.name_of("correlation_backward", grad_kernel)
    native.call(name, grads, xs, geometry, grad_kernel, grad_bias, len(maps), channels, out, side)
