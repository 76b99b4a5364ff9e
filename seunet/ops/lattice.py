"""Maps continued by their border pixels, and maps taken apart into the lattices that dilated kernels read.

A kernel whose taps lie d pixels apart reads, for an output at p, pixels of the lattice p + d Z² alone. There are d² of
these, each a map of ⌈H/d⌉ × ⌈W/d⌉ pixels. Continued by border pixels means: each lattice is, as a map of its own.
"""

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops import native


def continued(x: Tensor, step: int, margin: int) -> Tensor:
    """Continue (N, C, H, W) by `margin` pixels of each lattice: (N, C, H + 2 step margin, W + 2 step margin)."""
    if step == 1:
        return F.pad(x, [margin] * 4, mode="replicate")
    rows, columns = (nearest(place(side, step, margin), side, step).to(x.device) for side in x.shape[-2:])
    return x.index_select(2, rows).index_select(3, columns)


def place(side: int, step: int, margin: int) -> Tensor:
    """Return the pixels of an axis of a map and of its margins."""
    return torch.arange(-step * margin, side + step * margin)


def nearest(place: Tensor, side: int, step: int) -> Tensor:
    """Return the pixels of 0 … side − 1 that are nearest to the places, a multiple of `step` apart from them.

    Where there is none (step > side), any pixel.
    """
    first = place % step
    last = first + (side - 1 - first).div(step, rounding_mode="floor") * step
    return torch.minimum(place.maximum(first), last).clamp(0, side - 1)


@dataclass(frozen=True, eq=False)
class Blocks:
    """How a map is copied to blocks: tables of its rows and columns, for the rows and columns of row and column blocks.

    −1 in a table: no pixel of the map. once: every pixel of the map is in exactly one block.
    """

    rows: Tensor  # int32, (row blocks, rows of a block)
    columns: Tensor
    once: bool

    def shape(self, x: torch.Size) -> list[int]:
        """Return what the compiled code wants to know of a map (N, C, H, W)."""
        images, channels, height, width = x
        counts = [self.rows.shape[0], self.columns.shape[0], self.rows.shape[1], self.columns.shape[1]]
        return [images, height, width, *counts, channels]


@functools.lru_cache(maxsize=1024)
def margins(height: int, width: int, step: int, margin: int) -> Blocks:
    """Return one block: the map, continued."""
    rows, columns = (nearest(place(side, step, margin), side, step).int()[None] for side in (height, width))
    return Blocks(rows, columns, once=False)


@functools.lru_cache(maxsize=1024)
def lattices(height: int, width: int, step: int, margin: int) -> Blocks:
    """Return step² blocks of equal size, one per lattice, continued by `margin` pixels; shorter ones by one more.

    Without a margin, what a shorter one lacks is no pixel of the map.
    """
    rows, columns = (lattice_table(side, step, margin) for side in (height, width))
    return Blocks(rows, columns, once=margin == 0)


def lattice_table(side: int, step: int, margin: int) -> Tensor:
    """Return the pixels of an axis, lattice by lattice."""
    along = torch.arange(-margin, -(-side // step) + margin) * step
    places = torch.arange(step)[:, None] + along
    if margin:
        return nearest(places, side, step).int()
    return torch.where(places < side, places, -1).int()


class Gathered(torch.autograd.Function):
    """Map (N, C, H, W) → blocks (N · row blocks · column blocks, C, rows, columns); compiled."""

    @staticmethod
    def forward(ctx, x, blocks):
        """Copy."""
        ctx.shape, ctx.blocks = x.shape, blocks
        return gather(x, blocks)

    @staticmethod
    def backward(ctx, grad):
        """Sum the gradients of all copies of a pixel."""
        return fold(grad, ctx.shape, ctx.blocks), None


class Folded(torch.autograd.Function):
    """Blocks → the map (N, C, H, W) of the given size whose pixels they are; compiled."""

    @staticmethod
    def forward(ctx, blocks, shape, table):
        """Sum all copies of a pixel."""
        ctx.table = table
        return fold(blocks, shape, table)

    @staticmethod
    def backward(ctx, grad):
        """Copy."""
        return gather(grad, ctx.table), None, None


def gather(x: Tensor, blocks: Blocks) -> Tensor:
    """Copy a map to blocks; compiled."""
    x = native.channels_last(x)
    (row_blocks, height), (column_blocks, width) = blocks.rows.shape, blocks.columns.shape
    out = native.empty((len(x) * row_blocks * column_blocks, x.shape[1], height, width), x.dtype)
    native.call(native.name_of("lattice_gather", x), x, out, blocks.rows, blocks.columns, blocks.shape(x.shape))
    return out


def fold(values: Tensor, shape: torch.Size, blocks: Blocks) -> Tensor:
    """Return the map of the given shape, each pixel the sum of its copies; compiled."""
    values = native.channels_last(values)
    out = native.empty(shape, values.dtype)
    tables = (blocks.rows, blocks.columns, blocks.shape(shape), int(blocks.once))
    native.call(native.name_of("lattice_fold", values), values, out, *tables)
    return out
