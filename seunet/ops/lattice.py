"""Maps continued by their border pixels, and maps as batches of the lattices that dilated kernels read.

A kernel whose taps lie d pixels apart reads, for an output at p, only pixels of the lattice p + d Z². A map has d² such
lattices, of at most ⌈H/d⌉ × ⌈W/d⌉ pixels. It is continued lattice by lattice: each one repeats its own border pixels.
"""

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops import native
from seunet.ops.acceleration import Operator, is_traced


@Operator
def continued(x: Tensor, step: int, margin: int) -> Tensor:
    """Continue (N, C, H, W) by `margin` pixels of each lattice: (N, C, H + 2 step margin, W + 2 step margin)."""
    if step == 1 and not is_traced():
        return F.pad(x, [margin] * 4, mode="replicate")
    rows, columns = (nearest(place(side, step, margin), side, step).to(x.device) for side in x.shape[-2:])
    return x.index_select(2, rows).index_select(3, columns)


@continued.compiled
def continued_compiled(x: Tensor, step: int, margin: int) -> Tensor:
    """Copy the map once, rows and columns together."""
    return Gathered.apply(x, margins(*x.shape[-2:], step, margin))


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


@dataclass(frozen=True, eq=False)
class Blocks:
    """How a map is copied to a grid of blocks: tables of the rows and the columns of the map that each block holds.

    −1 in a table is no pixel of the map; the block has a 0 there. once: exactly one block has each pixel of the map.
    """

    rows: Tensor  # int32, (blocks in a column of the grid, rows of a block)
    columns: Tensor  # int32, (blocks in a row of the grid, columns of a block)
    once: bool

    def shape(self, x: torch.Size) -> list[int]:
        """Return the sizes of a map (N, C, H, W) and of its blocks, in the order of lattice.cpp."""
        images, channels, height, width = x
        counts = [self.rows.shape[0], self.columns.shape[0], self.rows.shape[1], self.columns.shape[1]]
        return [images, height, width, *counts, channels]


@functools.lru_cache(maxsize=1024)
def margins(height: int, width: int, step: int, margin: int) -> Blocks:
    """Return the table of one block, which is the continued map."""
    rows, columns = (nearest(place(side, step, margin), side, step).int()[None] for side in (height, width))
    return Blocks(rows, columns, once=False)


@functools.lru_cache(maxsize=1024)
def lattices(height: int, width: int, step: int, margin: int) -> Blocks:
    """Return the tables of step² blocks of equal size, one per lattice, each continued by `margin` pixels.

    Lattices may be one pixel shorter than others. With a margin, these are continued by one pixel more; without one,
    their last row or column is no pixel of the map.
    """
    rows, columns = (lattice_table(side, step, margin) for side in (height, width))
    return Blocks(rows, columns, once=margin == 0)


def lattice_table(side: int, step: int, margin: int) -> Tensor:
    """Return the table of one axis: a row per lattice."""
    along = torch.arange(-margin, -(-side // step) + margin) * step
    places = torch.arange(step)[:, None] + along
    if margin:
        return nearest(places, side, step).int()
    return torch.where(places < side, places, -1).int()


class Gathered(torch.autograd.Function):
    """Map (N, C, H, W) → blocks (N · row blocks · column blocks, C, rows, columns); compiled."""

    @staticmethod
    def forward(ctx, x, blocks):
        """Copy the pixels of the map."""
        ctx.shape, ctx.blocks = x.shape, blocks
        return gather(x, blocks)

    @staticmethod
    def backward(ctx, grad):
        """Sum the gradients of the copies of each pixel."""
        return fold(grad, ctx.shape, ctx.blocks), None


class Folded(torch.autograd.Function):
    """Blocks → map (N, C, H, W) of the given shape; compiled."""

    @staticmethod
    def forward(ctx, blocks, shape, table):
        """Sum the copies of each pixel."""
        ctx.table = table
        return fold(blocks, shape, table)

    @staticmethod
    def backward(ctx, grad):
        """Copy the gradient of each pixel to the blocks that have it."""
        return gather(grad, ctx.table), None, None


def gather(x: Tensor, blocks: Blocks) -> Tensor:
    """Copy a map to blocks; compiled."""
    x = native.channels_last(x)
    (row_blocks, height), (column_blocks, width) = blocks.rows.shape, blocks.columns.shape
    out = native.empty((len(x) * row_blocks * column_blocks, x.shape[1], height, width), x.dtype)
    native.call(native.name_of("lattice_gather", x), x, out, blocks.rows, blocks.columns, blocks.shape(x.shape))
    return out


def fold(values: Tensor, shape: torch.Size, blocks: Blocks) -> Tensor:
    """Return the map of the given shape: each pixel is the sum of its copies in the blocks; compiled."""
    values = native.channels_last(values)
    out = native.empty(shape, values.dtype)
    tables = (blocks.rows, blocks.columns, blocks.shape(shape), int(blocks.once))
    native.call(native.name_of("lattice_fold", values), values, out, *tables)
    return out
