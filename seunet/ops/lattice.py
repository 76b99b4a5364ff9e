"""Maps continued by their border pixels, and maps as batches of the lattices that dilated kernels read.

A kernel whose taps lie d pixels apart reads, for an output at p, only pixels of the lattice p + d Z². A map has d² such
lattices, of at most ⌈H/d⌉ × ⌈W/d⌉ pixels. It is continued lattice by lattice: each one repeats its own border pixels.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops.tracing import Recorder, is_traced, recorder


def continued(x: Tensor, step: int, margin: int) -> Tensor:
    """Continue (N, C, H, W) by `margin` pixels of each lattice: (N, C, H + 2 step margin, W + 2 step margin)."""
    if step == 1 and (recorder() >= Recorder.EXPORT or not is_traced()):  # inductor has no gradient of it
        return F.pad(x, [margin] * 4, mode="replicate")
    rows, columns = (nearest(place(side, step, margin), side, step).to(x.device) for side in x.shape[-2:])
    return x.index_select(2, rows).index_select(3, columns)


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


def split_lattices(x: Tensor, step: int) -> Tensor:
    """Map (N, C, H, W) → its lattices (step² · N, C, H / step, W / step), channels-last; step divides the sides."""
    pixels = x.permute(0, 2, 3, 1).unflatten(2, (-1, step)).unflatten(1, (-1, step))  # (N, H / d, d, W / d, d, C)
    return pixels.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)


def join_lattices(x: Tensor, step: int) -> Tensor:
    """Lattices → map: the inverse of `split_lattices`."""
    pixels = x.permute(0, 2, 3, 1).unflatten(0, (step, step, -1))  # (d, d, N, H / d, W / d, C)
    return pixels.permute(2, 3, 0, 4, 1, 5).flatten(1, 2).flatten(2, 3).permute(0, 3, 1, 2)
