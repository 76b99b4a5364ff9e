"""Correlation with a dilated kernel, for maps that are small against it, and subsampling."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.layers.maxplus import reach
from seunet.layers.pointwise import pointwise

SMALL_KERNEL = 2**12  # in_channels · out_channels below which products of matrices tap by tap are no gain


def dilated_correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, step: int) -> Tensor:
    """Correlate (N, C_in, H, W) with (C_out, C_in, k, k), taps `step` pixels apart → (N, C_out, ⌈H/r⌉, ⌈W/r⌉).

    Zero padding; taps that no pixel reaches are left out, and so are pixels that no tap reaches.
    """
    if stride > 1 and step % stride == 0:
        return dilated_correlation(subsample(x, stride), kernel, bias, 1, step // stride)
    radius, side = kernel.shape[-1] // 2, max(x.shape[-2:])
    reached = min(radius, (side - 1) // step)
    inner = slice(radius - reached, radius + reached + 1)
    kernel = kernel[..., inner, inner]
    if reached == 0:
        return pointwise(subsample(x, stride), kernel, bias)
    if 3 * step >= side and kernel[..., 0, 0].numel() >= SMALL_KERNEL and is_plain(x):
        return WideCorrelation.apply(x, kernel, bias, stride, step)
    return F.conv2d(x, kernel, bias, stride=stride, padding=step * reached, dilation=step)


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
        options = {"dtype": grad.dtype, "device": grad.device, "memory_format": torch.channels_last}
        grad_x = torch.empty(ctx.shape, **options).zero_()
        grad_x[..., :: ctx.stride, :: ctx.stride] = grad
        return grad_x, None


def is_plain(x: Tensor) -> bool:
    """Tell whether a map is on the CPU and computed with as it is, not in lower precision."""
    return x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


class WideCorrelation(torch.autograd.Function):
    """The gradient of the weights, tap by tap, from the pixels that the tap reaches: a product of matrices each.

    oneDNN, below torch, takes three times as long where most taps fall outside the map.
    """

    @staticmethod
    def forward(ctx, x, kernel, bias, stride, step):
        """Correlate as ever."""
        ctx.save_for_backward(x, kernel)
        ctx.stride, ctx.step = stride, step
        return F.conv2d(x, kernel, bias, stride=stride, padding=step * (kernel.shape[-1] // 2), dilation=step)

    @staticmethod
    def backward(ctx, grad):
        """Return the gradients of x, kernel and bias."""
        x, kernel = ctx.saved_tensors
        stride, step, radius = ctx.stride, ctx.step, kernel.shape[-1] // 2
        grad_x = grad_bias = None
        if ctx.needs_input_grad[0]:
            padding = step * radius
            grad_x = torch.nn.grad.conv2d_input(x.shape, kernel, grad, stride, padding, step)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum((0, 2, 3))
        grad_kernel = torch.zeros_like(kernel)
        for i in range(kernel.shape[2]):
            for j in range(kernel.shape[3]):
                pairs = [overlap(x.shape[a], grad.shape[a], stride, step * (k - radius)) for a, k in ((2, i), (3, j))]
                if all(pairs):
                    (rows, columns), (out_rows, out_columns) = ([pair[side] for pair in pairs] for side in (0, 1))
                    out = grad_kernel[..., i, j]
                    torch.mm(matrix(grad, out_rows, out_columns).T, matrix(x, rows, columns), out=out)
        return grad_x, grad_kernel, grad_bias, None, None


def overlap(length: int, outputs: int, stride: int, offset: int) -> tuple[slice, slice] | None:
    """Return which inputs along an axis a tap reads, and for which outputs; None if there are none."""
    first, last = reach(offset, length, stride, outputs)
    if first > last:
        return None
    return slice(first * stride + offset, last * stride + offset + 1, stride), slice(first, last + 1)


def matrix(x: Tensor, rows: slice, columns: slice) -> Tensor:
    """Return a window of (N, C, H, W) as (pixels, C)."""
    return x[:, :, rows, columns].permute(0, 2, 3, 1).reshape(-1, x.shape[1])
