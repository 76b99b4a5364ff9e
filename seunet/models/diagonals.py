"""Pyramids in another order: maps of one size, of different scales and levels, are pooled together.

In a pyramid of γ = 2, scale s at level l of the U-shape has the size of the image over 2^(s + l). A runtime that starts
an operator for each map, as that of an ONNX file does, so starts one for each s + l.
"""

from typing import Any

import torch
from torch import Tensor, nn

from seunet.layers.pyramid import PyramidQuadraticDilation
from seunet.models.folding import FoldedCorrelation
from seunet.models.seunet import SEUNet
from seunet.ops.maxplus import quadratic_maximum


def has_diagonals(model: nn.Module) -> bool:
    """Tell whether a folded network is such a pyramid: layers act on one scale, and all poolings have the same taps."""
    if not isinstance(model, SEUNet) or model.layout != "pyramid" or model.base != 2:
        return False
    windows = {pool.window(0) if isinstance(pool, PyramidQuadraticDilation) else None for pool in model.pools}
    of_one_scale = all(layer.has_one_kernel for layer in model.modules() if isinstance(layer, FoldedCorrelation))
    return of_one_scale and len(windows) == 1 and None not in windows


class ByDiagonals(nn.Module):
    """A pyramid, pooled by diagonals s + l: image (N, C, H, W) → the logits of the network."""

    def __init__(self, model: SEUNet):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) → (N, classes, H, W)."""
        maps, down = self.model.lift(image), self.model.down()
        skips: list[list[Tensor]] = [[] for _ in maps]
        for diagonal in range(len(maps) + len(down) - 1):
            scales = [s for s in range(len(maps)) if 0 <= diagonal - s < len(down)]
            for s in scales:
                for layer in down[diagonal - s][0]:
                    (maps[s],) = layer([maps[s]])
                skips[s].append(maps[s])
            pools = [down[diagonal - s][1] for s in scales]
            for s, pooled in zip(scales, pooled_together([maps[s] for s in scales], pools), strict=True):
                maps[s] = pooled
        for level, fuse in self.model.up():
            maps = fuse(level(maps), [own.pop() for own in skips])
        return self.model.logits_of_maps(self.model.head(maps))


def pooled_together(maps: list[Tensor], pools: list[Any]) -> list[Tensor]:
    """Pool maps (N, C_i, H, W), each with its own coefficients: (N, C_i, ⌈H/2⌉, ⌈W/2⌉)."""
    if len(maps) == 1:
        return [pools[0].at(maps[0], 0)]
    coefficients = torch.cat([pool.coefficient() for pool in pools])
    pooled = quadratic_maximum(torch.cat(maps, 1), coefficients, 2, *pools[0].window(0))
    return list(pooled.split([x.shape[1] for x in maps], 1))
