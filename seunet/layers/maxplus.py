"""Morphological dilation along one axis with a quadratic structuring function: the max-plus convolution."""

import torch
from torch import Tensor

from seunet.layers import native


class QuadraticMaximum(torch.autograd.Function):
    """y(p) = max_k x(r p + step·k) − c k²/t² along one axis, abs(k) ≤ radius; taps outside the map do not count.

    x (N, C, H, W), c (C,). The place of the maximum is stored as a small integer, so that the backward pass is one
    scatter: with ties the first tap in the order 0, −1, 1, −2, 2, … receives the gradient. Compiled on a CPU that has
    a compiler; on CUDA the scatter adds in no fixed order.
    """

    @staticmethod
    def forward(ctx, x, coefficient, axis, stride, step, radius, width):
        """Keep the best value and the number of the tap that gave it."""
        penalty = (coefficient / width**2).to(x.dtype)
        implementation = native.maximum if native.usable(x) else maximum
        best, place = implementation(x, penalty, axis, stride, step, radius)
        ctx.save_for_backward(place, coefficient)
        ctx.geometry = (x.shape, axis, stride, step, width)
        return best

    @staticmethod
    def backward(ctx, grad):
        """Send each gradient to the place of its maximum; c receives −k²/t² of it."""
        place, coefficient = ctx.saved_tensors
        shape, axis, stride, step, width = ctx.geometry
        implementation = native.scatter if native.usable(grad) else scatter
        grad_x, grad_squares = implementation(grad, place, shape, axis, stride, step)
        return grad_x, (-grad_squares / width**2).to(coefficient.dtype), None, None, None, None, None


def maximum(x: Tensor, penalty: Tensor, axis: int, stride: int, step: int, radius: int) -> tuple[Tensor, Tensor]:
    """Return what native.maximum does, tap by tap, on the outputs that the tap reaches."""
    outputs = -(-x.shape[axis] // stride)
    best = x[along(axis, slice(0, None, stride))].clone()  # the tap k = 0
    place = torch.zeros_like(best, dtype=torch.int8 if radius < 64 else torch.int16)
    for order, tap in enumerate(taps(radius)[1:], start=1):
        first, last = reach(tap * step, x.shape[axis], stride, outputs)
        if first > last:
            continue
        start = first * stride + tap * step
        stop = last * stride + tap * step + 1
        candidate = x[along(axis, slice(start, stop, stride))] - penalty[:, None, None] * tap**2
        inside = along(axis, slice(first, last + 1))
        # a later tap has the larger number, so the last one that won is the largest: no masks, which are slow
        won = (candidate > best[inside]).to(place.dtype) * order
        torch.maximum(place[inside], won, out=place[inside])
        torch.maximum(best[inside], candidate, out=best[inside])
    return best, place


def scatter(grad: Tensor, place: Tensor, shape: torch.Size, axis: int, stride: int, step: int) -> tuple[Tensor, Tensor]:
    """Return what native.scatter does."""
    view = [1] * len(shape)
    view[axis] = -1
    tap = torch.where(place % 2 == 1, -(place.long() + 1) // 2, place.long() // 2)
    origin = torch.arange(place.shape[axis], device=grad.device).mul_(stride).view(view)
    # channels-last as the maps of the network are, so that nothing has to be laid out anew
    zeros = torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=torch.channels_last).zero_()
    grad_x = zeros.scatter_add_(axis, origin + tap * step, grad)
    return grad_x, (grad * tap.square().to(grad.dtype)).sum((0, 2, 3))


def taps(radius: int) -> list[int]:
    """Return 0, −1, 1, −2, 2, … up to ± radius."""
    return sorted(range(-radius, radius + 1), key=abs)


def along(axis: int, part: slice) -> tuple[slice, ...]:
    """Return the index that takes `part` of one axis of a 4-D tensor."""
    index = [slice(None)] * 4
    index[axis] = part
    return tuple(index)


def reach(offset: int, length: int, stride: int, outputs: int) -> tuple[int, int]:
    """Return the first and the last output p whose input stride·p + offset lies in [0, length)."""
    first = max(0, -(offset // stride))
    last = min(outputs - 1, (length - 1 - offset) // stride)
    return first, last


def quadratic_maximum(x: Tensor, coefficient: Tensor, stride: int, step: int, radius: int, width: float) -> Tensor:
    """Dilate (N, C, H, W) along both axes, subsampled by `stride`: max over (k, l) of x − c (k² + l²)/t²."""
    for axis in (2, 3):
        x = QuadraticMaximum.apply(x, coefficient, axis, stride, step, radius, width)
    return x
