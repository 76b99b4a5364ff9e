"""Morphological dilation with a quadratic structuring function, subsampled: the max-plus convolution."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops import native
from seunet.ops.acceleration import Operator, is_traced


def quadratic_maximum(x: Tensor, coefficient: Tensor, stride: int, step: int, radius: int, width: float) -> Tensor:
    """Dilate (N, C, H, W), subsampled: y(p) = max over k of x(r p + step·k) − c ‖k‖²/t², abs(k_i) ≤ radius.

    c (C,), r = stride, t = width; y is (N, C, ⌈H/r⌉, ⌈W/r⌉). Taps outside the map do not count.
    """
    if is_traced():
        return traced_maximum(x, coefficient / width**2, stride, step, radius)
    return QuadraticMaximum.apply(x, coefficient, stride, step, radius, width)


def traced_maximum(x: Tensor, penalty: Tensor, stride: int, step: int, radius: int) -> Tensor:
    """Return `quadratic_maximum` in few operators of torch, for a map of any size; a tie splits the gradient."""
    penalty = penalty.to(x.dtype)[:, None, None]
    for axis in (2, 3):
        length = x.shape[axis]
        padded = F.pad(x, [step * radius if a == axis else 0 for a in (3, 3, 2, 2)], value=float("-inf"))
        taps = [along(axis, slice(k * step, k * step + length, stride)) for k in range(2 * radius + 1)]
        x = padded[taps[radius]]
        for k, tap in enumerate(taps):
            if k != radius:
                x = torch.maximum(x, padded[tap] - penalty * (k - radius) ** 2)
    return x


class QuadraticMaximum(torch.autograd.Function):
    """See `quadratic_maximum`. The two taps of each maximum are stored as small integers, so backward is one scatter.

    Of taps k and −k the one with the larger x counts, −k where these are equal; with ties between pairs the one nearer
    to the centre receives the gradient; on rows, then on columns. Compiled on a CPU that has a compiler; on CUDA the
    scatter adds in no fixed order.
    """

    @staticmethod
    def forward(ctx, x, coefficient, stride, step, radius, width):
        """Keep the best value and the taps that gave it."""
        penalty = coefficient.float() / width**2
        best, rows, columns = dilation(x, penalty, stride, step, radius)
        ctx.save_for_backward(rows, columns, coefficient)
        ctx.geometry = (x.shape, stride, step, width)
        return best

    @staticmethod
    def backward(ctx, grad):
        """Send each gradient to the place of its maximum; c receives −‖k‖²/t² of it."""
        rows, columns, coefficient = ctx.saved_tensors
        shape, stride, step, width = ctx.geometry
        grad_x, grad_squares = scatter(grad, rows, columns, shape, stride, step)
        return grad_x, (-grad_squares / width**2).to(coefficient.dtype), None, None, None, None


@Operator
def dilation(x: Tensor, penalty: Tensor, stride: int, step: int, radius: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the maxima of (N, C, H, W) and their taps along rows and columns, all (N, C, ⌈H/r⌉, ⌈W/r⌉)."""
    penalty = penalty.to(x.dtype)
    best, rows = maximum(x, penalty, 2, stride, step, radius)
    best, columns = maximum(best, penalty, 3, stride, step, radius)
    place = torch.arange(columns.shape[3], device=x.device) * stride + columns.long() * step
    return best, rows.gather(3, place), columns


def maximum(x: Tensor, penalty: Tensor, axis: int, stride: int, step: int, radius: int) -> tuple[Tensor, Tensor]:
    """Return the maxima along one axis, and their taps; taps k and −k have one penalty, so one step compares both."""
    length = x.shape[axis]
    radius = min(radius, (length - 1) // step)
    margin = [step * radius if a == axis else 0 for a in (3, 3, 2, 2)]
    x = F.pad(x, margin, value=float("-inf"))

    def at(tap: int) -> Tensor:
        return x[along(axis, slice((radius + tap) * step, (radius + tap) * step + length, stride))]

    best = at(0).clone()
    number = torch.zeros_like(best, dtype=tap_type(radius))
    for k in range(1, radius + 1):
        before, behind = at(-k), at(k)
        candidate = torch.maximum(before, behind) - penalty[:, None, None] * k**2
        order = (behind > before).to(number.dtype) + (2 * k - 1)  # −1, 1, −2, 2, … are 1, 2, 3, 4, …
        # later taps have larger numbers, so the largest number is that of the last tap that won; masks would be slow
        torch.maximum(number, (candidate > best) * order, out=number)
        torch.maximum(best, candidate, out=best)
    return best, torch.where(number % 2 == 1, -((number + 1) // 2), number // 2)


@Operator
def scatter(
    grad: Tensor, rows: Tensor, columns: Tensor, shape: torch.Size, stride: int, step: int
) -> tuple[Tensor, Tensor]:
    """Return the gradients for x, of the given shape, and for −penalty, (C,)."""
    down, along_row = (torch.arange(side, device=grad.device) * stride for side in grad.shape[2:])
    row = down[:, None] + rows.long() * step
    place = row * shape[3] + along_row + columns.long() * step
    # channels-last, as the maps of the network, so that nothing copies it to another layout
    grad_x = torch.zeros(shape[0], shape[2] * shape[3], shape[1], dtype=grad.dtype, device=grad.device)
    grad_x.scatter_add_(1, place.permute(0, 2, 3, 1).flatten(1, 2), grad.permute(0, 2, 3, 1).flatten(1, 2))
    squares = rows.to(grad.dtype).square() + columns.to(grad.dtype).square()
    return grad_x.unflatten(1, shape[2:]).permute(0, 3, 1, 2), (grad * squares).sum((0, 2, 3))


@dilation.compiled
def compiled_dilation(x: Tensor, penalty: Tensor, stride: int, step: int, radius: int) -> tuple[Tensor, Tensor, Tensor]:
    """Compare all taps of rows and columns in one pass."""
    x = native.channels_last(x)
    images, channels, height, width = x.shape
    shape = (images, channels, -(-height // stride), -(-width // stride))
    best = native.empty(shape, x.dtype)
    rows, columns = (native.empty(shape, tap_type(radius)) for _ in range(2))
    sizes = (images, height, width, channels, *shape[2:], stride, step, radius)
    native.call(native.name_of("dilate", x, rows), x, penalty.contiguous(), best, rows, columns, *sizes)
    return best, rows, columns


@scatter.compiled
def compiled_scatter(
    grad: Tensor, rows: Tensor, columns: Tensor, shape: torch.Size, stride: int, step: int
) -> tuple[Tensor, Tensor]:
    """Add the gradients in one pass, in float32."""
    grad, rows, columns = (native.channels_last(x) for x in (grad, rows, columns))
    images, channels, height, width = shape
    grad_x = native.empty(shape, torch.float32).zero_()
    squares = torch.empty(images, channels)
    sizes = (images, height, width, channels, *grad.shape[2:], stride, step)
    native.call(native.name_of("dilate_backward", grad, rows), grad, rows, columns, grad_x, squares, *sizes)
    return grad_x.to(grad.dtype), squares.sum(0)


def tap_type(radius: int) -> torch.dtype:
    """Return the integers that number the taps."""
    return torch.int8 if radius < 64 else torch.int16


def along(axis: int, part: slice) -> tuple[slice, ...]:
    """Return the index that takes `part` of one axis of a 4-D tensor."""
    index = [slice(None)] * 4
    index[axis] = part
    return tuple(index)
