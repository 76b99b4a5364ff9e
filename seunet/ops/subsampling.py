"""Every r-th pixel of a map."""

import torch
from torch import Tensor

from seunet.ops import native
from seunet.ops.tracing import is_traced


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
