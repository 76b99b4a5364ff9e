"""Morphological dilation along one axis with a quadratic structuring function: the max-plus convolution."""

import torch
from torch import Tensor


class QuadraticMaximum(torch.autograd.Function):
    """y(p) = max_k x(r p + step·k) − c k²/t² along one axis, abs(k) ≤ radius; taps outside the map do not count.

    x (N, C, H, W), c (C,). The place of the maximum is stored as a small integer, so that the backward pass is one
    scatter: with ties the first tap in the order 0, −1, 1, −2, 2, … receives the gradient. On CUDA the
    scatter adds in no fixed order.
    """

    @staticmethod
    def forward(ctx, x, coefficient, axis, stride, step, radius, width):
        """Keep the best value and the tap that gave it, tap by tap, on the outputs that the tap reaches."""
        outputs = -(-x.shape[axis] // stride)
        best = x[along(axis, slice(0, None, stride))].clone()  # the tap k = 0
        place = torch.zeros_like(best, dtype=torch.int8 if radius < 64 else torch.int16)
        penalty = (coefficient / width**2)[:, None, None].to(x.dtype)
        for order, tap in enumerate(taps(radius)[1:], start=1):
            first, last = reach(tap * step, x.shape[axis], stride, outputs)
            if first > last:
                continue
            start = first * stride + tap * step
            stop = last * stride + tap * step + 1
            candidate = x[along(axis, slice(start, stop, stride))] - penalty * tap**2
            inside = along(axis, slice(first, last + 1))
            # a later tap has the larger number, so the last one that won is the largest: no masks, which are slow
            won = (candidate > best[inside]).to(place.dtype) * order
            torch.maximum(place[inside], won, out=place[inside])
            torch.maximum(best[inside], candidate, out=best[inside])
        ctx.save_for_backward(place, coefficient)
        ctx.geometry = (x.shape, axis, stride, step, radius, width)
        return best

    @staticmethod
    def backward(ctx, grad):
        """Send each gradient to the place of its maximum; c receives −k²/t² of it."""
        place, coefficient = ctx.saved_tensors
        shape, axis, stride, step, radius, width = ctx.geometry
        view = [1] * len(shape)
        view[axis] = -1
        place = torch.tensor(taps(radius), device=grad.device)[place.int()]
        origin = torch.arange(place.shape[axis], device=grad.device).mul_(stride).view(view)
        # channels-last as the maps of the network are, so that nothing has to be laid out anew
        zeros = torch.empty(shape, dtype=grad.dtype, device=grad.device, memory_format=torch.channels_last).zero_()
        grad_x = zeros.scatter_add_(axis, origin + place * step, grad)
        grad_coefficient = -(grad * (place.to(grad.dtype) / width).square()).sum((0, 2, 3))
        return grad_x, grad_coefficient.to(coefficient.dtype), None, None, None, None, None


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
