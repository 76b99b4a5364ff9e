"""Tables of places in an atlas: which pixels an operator reads for each pixel that it writes.

All functions take the layout of an atlas. A place is row · width + column.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seunet.ops.interpolation import axis_of
from seunet.ops.lattice import nearest


class Layout(NamedTuple):
    """Where the pixels of S maps lie in an atlas. sizes: (H_s, W_s) of each; steps: pixels between the taps of kernels.

    border: `replicate`: each lattice has a border of its own, copies of its outer pixels. `zeros`: one pixel of zeros
    lies between two lattices, and none around the atlas, where convolutions read zeros anyway.
    """

    sizes: tuple[tuple[int, int], ...]
    steps: tuple[int, ...]
    border: str

    @property
    def before(self) -> int:
        """Pixels of the border before the first row and column of a lattice; behind the last one there is one."""
        return int(self.border == "replicate")

    def cell(self, side: int, step: int) -> int:
        """Return the side of a cell: that of the largest lattice of a map, and its border."""
        return self.before + -(-side // step) + 1

    def subsampled(self) -> "Layout":
        """Return the layout of the maps' every second pixel."""
        return self._replace(sizes=tuple((-(-height // 2), -(-width // 2)) for height, width in self.sizes))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the atlas."""
        return blocks(self)[1]

    def table(self, name: str, like: Tensor, *options: Any) -> tuple[Tensor, ...]:
        """Return the tables that a function of this module makes, on the device of a tensor."""
        return constants(name, (self, *options), str(like.device))


def constants(name: str, arguments: tuple[Any, ...], device: str) -> tuple[Tensor, ...]:
    """Return the tables of a function of this module, kept for later calls; where torch traces, they are constants."""
    return kept(name, arguments, device)


# what torch.compiler.assume_constant_result does, without the import of torch.compile: half of a command's start
constants._dynamo_marked_constant = True  # type: ignore[attr-defined]


@lru_cache(maxsize=1024)
def kept(name: str, arguments: tuple[Any, ...], device: str) -> tuple[Tensor, ...]:
    """Return the tables, made once."""
    with torch.inference_mode(False), torch.utils._python_dispatch._disable_current_modes():
        found = globals()[name](*arguments)
        return tuple(x.to(device) for x in (found if isinstance(found, tuple) else (found,)))


def blocks(layout: Layout) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Return the first row and column of the cells of each scale, and the size of the atlas.

    Below each other as far as they are together no higher than the highest; then comes a new column.
    """
    corners, top, left, right = [], 0, 0, 0
    extents = [
        tuple(step * layout.cell(side, step) for side in size)
        for size, step in zip(layout.sizes, layout.steps, strict=True)
    ]
    highest = max(height for height, _ in extents)
    for height, width in extents:
        if top + height > highest:
            top, left = 0, right
        corners.append((top, left))
        top, right = top + height, max(right, left + width)
    behind = 1 - layout.before  # of zeros, which convolutions read anyway
    return corners, (highest - behind, right - behind)


def pixel_places(layout: Layout) -> list[Tensor]:
    """Return the places of the pixels of each scale, (H_s, W_s)."""
    corners, (_, across) = blocks(layout)
    out = []
    for corner, size, step in zip(corners, layout.sizes, layout.steps, strict=True):
        rows, columns = (
            first + torch.arange(side) % step * layout.cell(side, step) + layout.before + torch.arange(side) // step
            for first, side in zip(corner, size, strict=True)
        )
        out.append(rows[:, None] * across + columns)
    return out


def places(layout: Layout) -> Tensor:
    """Return the places of all pixels, scale by scale."""
    return torch.cat([own.flatten() for own in pixel_places(layout)])


def sources(layout: Layout) -> Tensor:
    """Return, for every place, that of the pixel which is there, or whose copy is there."""
    corners, extent = blocks(layout)
    every = pixel_places(layout)
    out = torch.full(extent, int(every[0][0, 0]))
    for own, corner, size, step in zip(every, corners, layout.sizes, layout.steps, strict=True):
        rows, columns = (
            nearest(
                torch.arange(step)[:, None] + step * (torch.arange(layout.cell(side, step)) - layout.before), side, step
            ).flatten()[: end - first]
            for side, first, end in zip(size, corner, extent, strict=True)
        )
        out[corner[0] : corner[0] + len(rows), corner[1] : corner[1] + len(columns)] = own[rows[:, None], columns]
    return out.flatten()


def numbers(layout: Layout) -> Tensor:
    """Return, for every place, which of all pixels, scale by scale, is there, or whose copy is there."""
    own, shown = places(layout), sources(layout)
    out = torch.zeros_like(shown)
    out[own] = torch.arange(len(own))
    return out[shown]


def inside(layout: Layout) -> Tensor:
    """Return 1 at the pixels of maps and 0 around them, (H, W)."""
    _, extent = blocks(layout)
    out = torch.zeros(extent)
    out.view(-1)[places(layout)] = 1
    return out


def shares(layout: Layout, images: int, dtype: torch.dtype) -> Tensor:
    """Return the weight of every place of N images in a mean, (N · H · W): scales count alike, borders nothing."""
    out = torch.zeros_like(sources(layout), dtype=torch.float64)
    for own, (height, width) in zip(pixel_places(layout), layout.sizes, strict=True):
        out[own.flatten()] = 1 / (len(layout.sizes) * height * width * images)
    return out.repeat(images).to(dtype)


def pooling(layout: Layout, radius: int) -> tuple[Tensor, ...]:
    """Return what a maximum over taps along rows, then along columns, at every second pixel, reads: six tables.

    Two tables of places (outputs, taps), for rows and for columns; outputs of the first are the subsampled rows of
    each scale, one behind the other. A tap beyond the map reads the nearest one within, which never wins, as it has a
    lower penalty where it is itself. Then the two inverses, with the taps: see `inverse`.
    """
    halved = layout.subsampled()
    offsets = tap_offsets(radius)
    rows, columns, down, across = [], [], [], []
    first = 0
    for own, (height, width), step in zip(pixel_places(layout), layout.sizes, layout.steps, strict=True):
        rows.append(own[taps(height, 2, step, offsets)].permute(0, 2, 1).flatten(0, 1))
        down.append(within(height, 2, step, offsets)[:, None].expand(-1, width, -1).flatten(0, 1))
        line = first + torch.arange(len(rows[-1]) // width)[:, None, None] * width
        columns.append((line + taps(width, 2, step, offsets)).flatten(0, 1))
        across.append(within(width, 2, step, offsets).expand(len(line), -1, -1).flatten(0, 1))
        first += len(rows[-1])
    by_rows, by_columns = torch.cat(rows), torch.cat(columns)[numbers(halved)]
    valid = torch.zeros(by_columns.shape, dtype=torch.bool)
    valid[places(halved)] = torch.cat(across)
    before = blocks(layout)[1]
    back_rows, numbers_rows = inverse(by_rows, torch.cat(down), before[0] * before[1])
    back_columns, numbers_columns = inverse(by_columns, valid, len(by_rows))
    none = torch.cat([offsets, offsets.new_tensor([127])])  # the last, number −1: no tap
    found = (none[n][..., None] for n in (numbers_rows, numbers_columns))
    return by_rows, by_columns, back_rows, back_columns, *found


def tap_offsets(radius: int) -> Tensor:
    """Return 0, −1, 1, −2, 2, …: of equal taps the first wins."""
    return torch.tensor([0, *(sign * k for k in range(1, radius + 1) for sign in (-1, 1))], dtype=tap_type(radius))


def tap_type(radius: int) -> torch.dtype:
    """Return the integers that number taps."""
    return torch.int8 if radius < 64 else torch.int16


def taps(side: int, stride: int, step: int, offsets: Tensor) -> Tensor:
    """Return which place of an axis each tap of each output reads, (outputs, taps): beyond the map its nearest one."""
    outputs = torch.arange(0, side, stride, device=offsets.device)
    return nearest(outputs[:, None] + step * offsets.long(), side, step)


def within(side: int, stride: int, step: int, offsets: Tensor) -> Tensor:
    """Return whether each tap of each output lies on the map, (outputs, taps)."""
    place = torch.arange(0, side, stride)[:, None] + step * offsets.long()
    return (place >= 0) & (place < side)


def band(taps: int, window: int, block: int, stride: int) -> tuple[Tensor, Tensor]:
    """Return which tap of a kernel output o of a block reads at place i of its window, and whether there is one."""
    tap = torch.arange(window)[:, None] - stride * torch.arange(block)
    return tap.clamp(0, taps - 1), (tap >= 0) & (tap < taps)


def upsampling(layout: Layout, mode: str) -> tuple[Tensor, ...]:
    """Return the four places that each place of the larger maps reads, from maps of half the size, and their weights.

    Then the inverse: places of the larger maps that read each place of the smaller ones, and their weights.
    """
    halved = layout.subsampled()
    read, weights = [], []
    for own, small, large in zip(pixel_places(halved), halved.sizes, layout.sizes, strict=True):
        (top, bottom, down), (left, right, across) = (
            axis_of(*sides, 2, mode)[:3] for sides in zip(small, large, strict=True)
        )
        rows, columns = (torch.stack(pair).long() for pair in ((top, bottom), (left, right)))  # (2, side)
        read.append(own[rows[:, None, :, None], columns[None, :, None, :]].flatten(0, 1).flatten(1).T)
        shares_y, shares_x = torch.stack([1 - down, down]), torch.stack([1 - across, across])
        weights.append((shares_y[:, None, :, None] * shares_x[None, :, None, :]).flatten(0, 1).flatten(1).T)
    own = places(layout)
    (height, width), (rows_before, columns_before) = blocks(layout)[1], blocks(halved)[1]
    table, weight = torch.zeros(height * width, 4, dtype=torch.long), torch.zeros(height * width, 4)
    table[own], weight[own] = torch.cat(read), torch.cat(weights)
    back, number = inverse(table, weight > 0, rows_before * columns_before)
    padded = torch.cat([weight, torch.zeros(len(weight), 1)], 1)  # the last, number −1: weight 0
    return table, weight[..., None], back, padded[back, number][..., None]


def inverse(table: Tensor, valid: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return, for each of `size` places, the rows of a table (rows, entries) that name it, and in which entry.

    Only valid entries count. Both are (size, most rows that name one place); where there are fewer, row 0 and entry −1.
    """
    row, number = valid.nonzero(as_tuple=True)
    place, order = table[row, number].sort(stable=True)
    counts = place.bincount(minlength=size)
    slot = torch.arange(len(place)) - (counts.cumsum(0) - counts)[place]
    rows, numbers_ = (torch.full((size, int(counts.max())), fill) for fill in (0, -1))
    rows[place, slot], numbers_[place, slot] = row[order], number[order]
    return rows, numbers_
