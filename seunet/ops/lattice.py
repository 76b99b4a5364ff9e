"""Maps continued by their border pixels, and maps as batches of the lattices that dilated kernels read.

A kernel whose taps lie d pixels apart reads, for an output at p, only pixels of the lattice p + d Z². A map has d² such
lattices, of at most ⌈H/d⌉ × ⌈W/d⌉ pixels. It is continued lattice by lattice: each one repeats its own border pixels.
"""

import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops import native
from seunet.ops.tracing import Recorder, is_traced, recorder


def continued(x: Tensor, step: int, margin: int) -> Tensor:
    """Continue (N, C, H, W) by `margin` pixels of each lattice: (N, C, H + 2 step margin, W + 2 step margin)."""
    if step == 1 and recorder() >= Recorder.EXPORT:  # inductor has no gradient of it
        return F.pad(x, [margin] * 4, mode="replicate")
    if step == 1 and not is_traced():
        return Replicated.apply(x, (margin,) * 4)
    if x.is_cpu and not is_traced() and step <= min(x.shape[-2:]):
        return Continued.apply(native.channels_last(x).permute(0, 2, 3, 1), step, margin).permute(0, 3, 1, 2)
    rows, columns = (nearest(place(side, step, margin), side, step).to(x.device) for side in x.shape[-2:])
    return x.index_select(2, rows).index_select(3, columns)


class Replicated(torch.autograd.Function):
    """Maps continued by their border pixels: left, right, above, below. Torch's own keeps the map for backward."""

    @staticmethod
    def forward(ctx, x, pads):
        """(N, C, H, W) → the larger map."""
        ctx.pads, ctx.inside = pads, (slice(pads[2], pads[2] + x.shape[2]), slice(pads[0], pads[0] + x.shape[3]))
        with torch.autocast("cpu", enabled=False):  # which would pad in float32
            return F.pad(x, pads, mode="replicate")

    @staticmethod
    def backward(ctx, grad):
        """Add the gradients of all copies of a pixel; of the map torch asks the shape alone."""
        return torch.ops.aten.replication_pad2d_backward(grad, grad[..., *ctx.inside], ctx.pads), None


class Continued(torch.autograd.Function):
    """Pixels (…, H, W, C) → (…, H + 2 b m, W + 2 b m, C): the outer b rows and columns are repeated m times.

    Nine copies, of the map and of what surrounds it: of gradients, nine additions.
    """

    @staticmethod
    def forward(ctx, x, block, margin):
        """Copy the pixels, from whatever places in memory."""
        ctx.shape, ctx.stride, ctx.geometry = x.shape, x.stride(), (x.shape[-3:-1], block, margin)
        height, width = (side + 2 * block * margin for side in x.shape[-3:-1])
        out = x.new_empty(*x.shape[:-3], height, width, x.shape[-1])
        for to, of in parts(out, x, *ctx.geometry):
            to.copy_(of)
        return out

    @staticmethod
    def backward(ctx, grad):
        """Add the gradients of all copies of a pixel; in memory they lie as the pixels did."""
        grad_x = torch.empty_strided(ctx.shape, ctx.stride, dtype=grad.dtype, device=grad.device)
        (of, to), *others = parts(grad, grad_x, *ctx.geometry)
        to.copy_(of)
        for of, to in others:
            to.add_(of)
        return grad_x, None, None


def parts(
    large: Tensor, small: Tensor, sides: tuple[int, int], block: int, margin: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each part of a continued map, the map itself first, and the part of the map of which it is a copy."""
    axes = []
    for side in sides:  # (first of the part, first of what it copies, how many)
        before = [(i * block, 0, block) for i in range(margin)]
        behind = [((margin + i) * block + side, side - block, block) for i in range(margin)]
        axes.append([(margin * block, 0, side), *before, *behind])
    for (to_row, row, rows), (to_column, column, columns) in itertools.product(*axes):
        part = large.narrow(-3, to_row, rows).narrow(-2, to_column, columns)
        yield part, small.narrow(-3, row, rows).narrow(-2, column, columns)


def place(side: int, step: int, margin: int) -> Tensor:
    """Return the places of an axis and of its margins: −step · margin … side + step · margin − 1."""
    return torch.arange(-step * margin, side + step * margin)


def nearest(place: Tensor, side: int, step: int) -> Tensor:
    """Return, for each place, the nearest of the pixels 0 … side − 1 whose distance is a multiple of `step`.

    Where no pixel has such a distance (step > side), the result is any pixel.
    """
    first = place % step
    last = first + (side - 1 - first).div(step, rounding_mode="floor") * step
    return torch.minimum(place.maximum(first), last).clamp(0, side - 1)


def split_lattices(x: Tensor, step: int, margin: int = 0) -> Tensor:
    """Map (N, C, H, W) → its lattices (step² · N, C, H / step + 2 margin, W / step + 2 margin), channels-last.

    step divides the sides. margin: pixels by which each lattice is continued.
    """
    pixels = native.channels_last(x).permute(0, 2, 3, 1).unflatten(2, (-1, step)).unflatten(1, (-1, step))
    lattices = pixels.permute(2, 4, 0, 1, 3, 5)  # (d, d, N, H / d, W / d, C)
    return Continued.apply(lattices, 1, margin).flatten(0, 2).permute(0, 3, 1, 2)


def join_lattices(x: Tensor, step: int) -> Tensor:
    """Lattices → map: the inverse of `split_lattices`."""
    pixels = x.permute(0, 2, 3, 1).unflatten(0, (step, step, -1))  # (d, d, N, H / d, W / d, C)
    return pixels.permute(2, 3, 0, 4, 1, 5).flatten(1, 2).flatten(2, 3).permute(0, 3, 1, 2)
