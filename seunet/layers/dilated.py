"""Correlation with a dilated kernel, for maps that are small against it, and subsampling."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.layers import native
from seunet.layers.pointwise import pointwise

# the compiled code takes output and input channels by so many
OUT, IN = 8, 32


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
    if 4 * step >= side and suits(x, kernel):
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


def suits(x: Tensor, kernel: Tensor) -> bool:
    """Tell whether the compiled gradient takes these."""
    whole = kernel.shape[0] % OUT == 0 and kernel.shape[1] % IN == 0
    return whole and x.dtype == torch.float32 and native.usable(x) and not torch.is_autocast_enabled("cpu")


class WideCorrelation(torch.autograd.Function):
    """The gradient of the weights from the pixels that each tap reaches alone; compiled.

    oneDNN, below torch, takes up to four times as long where most taps fall outside the map.
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
        side, stride, step = kernel.shape[-1], ctx.stride, ctx.step
        grad_x = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_x = torch.nn.grad.conv2d_input(x.shape, kernel, grad, stride, step * (side // 2), step)
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum((0, 2, 3))
        x, grad = map(native.channels_last, (x, grad))
        grad_kernel = native.empty(kernel.shape, kernel.dtype)
        sizes = (x.shape[0], *x.shape[2:], x.shape[1], *grad.shape[2:], grad.shape[1], side, stride, step)
        native.call(native.name_of("correlation_weights", x), grad, x, grad_kernel, *sizes)
        return grad_x, grad_kernel, grad_bias, None, None
