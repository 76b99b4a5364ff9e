"""Correlation with a dilated kernel, for maps that are small against it."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.layers.maxplus import reach
from seunet.layers.pointwise import pointwise

SMALL_KERNEL = 2**12  # in_channels · out_channels below which products of matrices tap by tap are no gain


def dilated_correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, step: int) -> Tensor:
    """Correlate (N, C_in, H, W) with (C_out, C_in, k, k), taps `step` pixels apart → (N, C_out, ⌈H/r⌉, ⌈W/r⌉).

    Zero padding; taps that no pixel reaches are left out.
    """
    radius, side = kernel.shape[-1] // 2, max(x.shape[-2:])
    reached = min(radius, (side - 1) // step)
    inner = slice(radius - reached, radius + reached + 1)
    kernel = kernel[..., inner, inner]
    if reached == 0:
        return pointwise(x[..., ::stride, ::stride], kernel, bias)
    if 3 * step >= side and kernel[..., 0, 0].numel() >= SMALL_KERNEL and is_plain(x):
        y = WideCorrelation.apply(x, kernel, stride, step)
        return y if bias is None else y + bias[:, None, None]
    return F.conv2d(x, kernel, bias, stride=stride, padding=step * reached, dilation=step)


def is_plain(x: Tensor) -> bool:
    """Tell whether a map is on the CPU and computed with as it is, not in lower precision."""
    return x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


class WideCorrelation(torch.autograd.Function):
    """The gradient of the weights, tap by tap, from the pixels that the tap reaches: a product of matrices each.

    oneDNN, below torch, takes three times as long where most taps fall outside the map.
    """

    @staticmethod
    def forward(ctx, x, kernel, stride, step):
        """Correlate as ever."""
        ctx.save_for_backward(x, kernel)
        ctx.stride, ctx.step = stride, step
        return F.conv2d(x, kernel, stride=stride, padding=step * (kernel.shape[-1] // 2), dilation=step)

    @staticmethod
    def backward(ctx, grad):
        """Return the gradients of x and of the kernel."""
        x, kernel = ctx.saved_tensors
        stride, step, radius = ctx.stride, ctx.step, kernel.shape[-1] // 2
        grad_x = None
        if ctx.needs_input_grad[0]:
            padding = step * radius
            grad_x = torch.nn.grad.conv2d_input(x.shape, kernel, grad, stride, padding, step)
        grad_kernel = torch.zeros_like(kernel)
        for i in range(kernel.shape[2]):
            for j in range(kernel.shape[3]):
                pairs = [overlap(x.shape[a], grad.shape[a], stride, step * (k - radius)) for a, k in ((2, i), (3, j))]
                if all(pairs):
                    (rows, columns), (out_rows, out_columns) = ([pair[side] for pair in pairs] for side in (0, 1))
                    grad_kernel[..., i, j] = matrix(grad, out_rows, out_columns).T @ matrix(x, rows, columns)
        return grad_x, grad_kernel, None, None


def overlap(length: int, outputs: int, stride: int, offset: int) -> tuple[slice, slice] | None:
    """Return which inputs along an axis a tap reads, and for which outputs; None if there are none."""
    first, last = reach(offset, length, stride, outputs)
    if first > last:
        return None
    return slice(first * stride + offset, last * stride + offset + 1, stride), slice(first, last + 1)


def matrix(x: Tensor, rows: slice, columns: slice) -> Tensor:
    """Return a window of (N, C, H, W) as (pixels, C)."""
    return x[:, :, rows, columns].permute(0, 2, 3, 1).reshape(-1, x.shape[1])
