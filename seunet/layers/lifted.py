"""Lifted maps in memory, the layers that act on them, and the two geometries."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seunet.ops.atlas import Atlas, pack, unpack
from seunet.runtime.errors import UserError

GEOMETRIES = ("released", "exact")


class ScaleLayer(nn.Module):
    """A layer of lifted maps. These come as a tensor (S, N, C, H, W), or as a list of S batches (N, C, H, W).

    The layer returns what it is given. Networks hand lists from layer to layer: no copy stacks the scales, and in a
    pyramid they have different sizes. Subclasses say in `at` what becomes of one scale, or in `maps`, of all S.
    """

    def forward(self, x: Tensor | list[Tensor] | Atlas) -> Tensor | list[Tensor] | Atlas:
        """Apply the layer to a lifted map."""
        if isinstance(x, Atlas):
            return self.atlas(x)
        return stack_scales(self.maps(list(unstack_scales(x)))) if isinstance(x, Tensor) else self.maps(x)

    def maps(self, x: list[Tensor]) -> list[Tensor]:
        """S batches → S batches."""
        return [self.at(x_s, s) for s, x_s in enumerate(x)]

    def atlas(self, x: Atlas) -> Atlas:
        """Apply the layer to all scales in one image; by default it takes them out first."""
        return pack(self.maps(unpack(x)), x.layout.steps, x.layout.border)

    def at(self, x: Tensor, scale: int) -> Tensor:
        """Apply the layer to the batch (N, C, H, W) of one scale."""
        raise NotImplementedError

    def reach(self, scale: int) -> int:
        """Return how many pixels of the input an output reads to either side at a scale."""
        return 0


def stack_scales(maps: Sequence[Tensor]) -> Tensor:
    """Stack S batches (N, C, H, W) to a lifted map (S, N, C, H, W) whose memory is channels-last.

    Every `x[s]`, and `x.flatten(0, 1)`, is then a channels-last batch without a copy, which is the fast
    layout of convolution and batch norm.
    """
    if len(maps) == 1:
        return maps[0][None]
    return torch.stack([x.permute(0, 2, 3, 1) for x in maps]).permute(0, 1, 4, 2, 3)


def unstack_scales(x: Tensor) -> tuple[Tensor, ...]:
    """Split a lifted map (S, N, C, H, W) into S batches (N, C, H, W), whose gradients come back channels-last.

    One node of the graph: `x[s]` in a loop would add S gradients of the whole map.
    """
    return tuple(x_s.permute(0, 3, 1, 2) for x_s in x.permute(0, 1, 3, 4, 2).unbind(0))


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """Raise UserError when an option is none of the allowed words."""
    if value not in allowed:
        raise UserError(f"{name}: {value!r} is not one of {', '.join(allowed)}")


def lattice(base: float, scale: int) -> tuple[int, float]:
    """Return the step d between the taps at a scale, in pixels, and the size γ^s / d of the layer's unit in taps.

    d = ⌊γ^s⌋: a map at scale s is smooth over γ^s pixels, so coarser taps lose nothing. For an integer γ the unit
    is exactly one tap (a dilated kernel); else it lies in [1, 2) and the taps sample a continuous function. Where a
    power γ^m = N is whole, as for √2, d = N^⌊s/m⌋ ⌊γ^(s mod m)⌋ (1, 1, 2, 2, 4, 4, 8): a change of scale by N then
    takes taps to taps, and the law holds exactly.
    """
    rest = scale % (whole_power(base) or scale + 1)
    unit = base**rest
    taps = math.floor(unit + 1e-9)
    return round(base ** (scale - rest)) * taps, unit / taps


def whole_power(base: float) -> int | None:
    """Return the smallest m for which γ^m is an integer, or None when there is none up to 12."""
    return next((m for m in range(1, 13) if abs(base**m - round(base**m)) < 1e-9), None)


def whole_step(base: float, k: int) -> int:
    """Return γ^k, the pixels between two that a change of scale keeps; raise UserError when it is not whole."""
    step, unit = lattice(base, k)
    if abs(unit - 1) > 1e-9:
        raise UserError(f"base: {base}^{k} is not an integer, so this change of scale keeps no pixel grid")
    return step
