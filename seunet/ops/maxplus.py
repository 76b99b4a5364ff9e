"""Morphological dilation with a quadratic structuring function, subsampled: the max-plus convolution."""

import torch
from torch import Tensor

from seunet.ops import native, onnx_nodes
from seunet.ops.acceleration import Operator
from seunet.ops.atlas import Atlas, image_of, pixels_of, with_border
from seunet.ops.index_tables import constants, tap_type, taps
from seunet.ops.tracing import Recorder, recorder


def quadratic_maximum(x: Tensor, coefficient: Tensor, stride: int, step: int, radius: int, width: float) -> Tensor:
    """Dilate (N, C, H, W), subsampled: y(p) = max over k of x(r p + step·k) − c ‖k‖²/t², abs(k_i) ≤ radius.

    c ≥ 0 (C,), r = stride, t = width; y is (N, C, ⌈H/r⌉, ⌈W/r⌉). Taps outside the map do not count.
    """
    if recorder() == Recorder.ONNX:
        return onnx_nodes.dilate(x, coefficient / width**2, stride, step, radius)
    if recorder() >= Recorder.TRANSFORM or not torch.is_grad_enabled():
        return dilation(x, coefficient / width**2, stride, step, radius, False)[0]
    return QuadraticMaximum.apply(x, coefficient, stride, step, radius, width)


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


def quadratic_maximum_atlas(atlas: Atlas, coefficient: Tensor, radius: int, width: float) -> Atlas:
    """Return `quadratic_maximum` at every second pixel of each map, with the steps of the layout."""
    image, layout = atlas.image, atlas.layout.subsampled()
    tables = atlas.layout.table("pooling", image, radius)
    (offsets,) = constants("tap_offsets", (radius,), str(image.device))
    pixels = AtlasMaximum.apply(pixels_of(image), coefficient / width**2, offsets, *tables)
    return with_border(Atlas(image_of(pixels, layout), layout, bordered=False))


class AtlasMaximum(torch.autograd.Function):
    """Maximum over taps along rows, then along columns, at the places of tables; gradients add in a fixed order."""

    @staticmethod
    def forward(ctx, x, penalty, offsets, rows, columns, back_rows, back_columns, row_taps, column_taps):
        """Pixels (N, P, C), penalty (C) → (N, P', C)."""
        penalties = (offsets.float().square()[:, None] * penalty).to(x.dtype)
        middle, down = best_tap(x, 1, rows, penalties, offsets)
        best, across = best_tap(middle, 1, columns, penalties, offsets)
        ctx.save_for_backward(down, across, back_rows, back_columns, row_taps, column_taps)
        return best

    @staticmethod
    def backward(ctx, grad):
        """Collect for each pixel the gradients of the maxima that are its own."""
        down, across, back_rows, back_columns, row_taps, column_taps = ctx.saved_tensors
        middle, grad_columns = collected(grad, across, back_columns, column_taps)
        grad_x, grad_rows = collected(middle, down, back_rows, row_taps)
        return grad_x, -(grad_columns + grad_rows), *[None] * 7


def best_tap(x: Tensor, axis: int, table: Tensor, penalties: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the maxima along an axis over taps minus their penalties, and the taps that gave them.

    table: (outputs, taps), the places that taps read. penalties: of every tap; taps lie behind `axis`. offsets: (taps).
    A tap beyond the map reads the nearest one within, and does not win, since its penalty is no lower.
    """
    best, number = x[(slice(None),) * axis + (table,)].sub_(penalties).max(axis + 1)
    return best, offsets[number]


def collected(grad: Tensor, taken: Tensor, back: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients for the pixels that a table read, and Σ grad · tap² (C)."""
    read, places = back.shape, back.flatten()
    mine = taken.index_select(1, places).unflatten(1, read) == taps
    grads = grad.index_select(1, places).unflatten(1, read)
    return grads.mul_(mine).sum(2), (grad * taken.square()).sum((0, 1))


@Operator
def dilation(
    x: Tensor, penalty: Tensor, stride: int, step: int, radius: int, located: bool = True
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the maxima of (N, C, H, W), (N, C, ⌈H/r⌉, ⌈W/r⌉), and if `located` their taps along rows and columns."""
    (offsets,) = constants("tap_offsets", (radius,), str(x.device))
    penalties = (penalty[:, None] * offsets.float().square()).to(x.dtype)  # (C, taps)
    down, along = (taps(side, stride, step, offsets) for side in x.shape[2:])
    best, rows = best_tap(x, 2, down, penalties[:, None, :, None], offsets)
    best, columns = best_tap(best, 3, along, penalties[:, None, None, :], offsets)
    if not located:
        return best, None, None
    place = torch.arange(columns.shape[3], device=x.device) * stride + columns.long() * step
    return best, rows.gather(3, place), columns


def scatter(
    grad: Tensor, rows: Tensor, columns: Tensor, shape: torch.Size, stride: int, step: int
) -> tuple[Tensor, Tensor]:
    """Return the gradients for x, of the given shape, and for −penalty, (C,)."""
    down, along = (torch.arange(side, device=grad.device) * stride for side in grad.shape[2:])
    place = torch.add(down[:, None] * shape[3] + along, rows, alpha=step * shape[3]).add_(columns, alpha=step)
    # channels-last, as the maps of the network, so that nothing copies it to another layout
    grad_x = torch.zeros(shape[0], shape[2] * shape[3], shape[1], dtype=grad.dtype, device=grad.device)
    grad_x.scatter_add_(1, place.permute(0, 2, 3, 1).flatten(1, 2), grad.permute(0, 2, 3, 1).flatten(1, 2))
    squares = rows.to(grad.dtype).square_().add_(columns.to(grad.dtype).square_())
    return grad_x.unflatten(1, shape[2:]).permute(0, 3, 1, 2), squares.mul_(grad).sum((0, 2, 3))


@dilation.compiled
def compiled_dilation(
    x: Tensor, penalty: Tensor, stride: int, step: int, radius: int, located: bool = True
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Compare all taps of rows and columns in one pass."""
    x = native.channels_last(x)
    images, channels, height, width = x.shape
    shape = (images, channels, -(-height // stride), -(-width // stride))
    best, tap = native.empty(shape, x.dtype), torch.empty(0, dtype=tap_type(radius))
    rows, columns = (native.empty(shape, tap.dtype) if located else None for _ in range(2))
    sizes = (images, height, width, channels, *shape[2:], stride, step, radius)
    native.call(native.name_of("dilate", x, tap), x, penalty.float().contiguous(), best, rows, columns, *sizes)
    return best, rows, columns
