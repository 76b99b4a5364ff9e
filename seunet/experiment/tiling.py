"""Predicting a large image tile by tile: each tile reads a margin beyond the pixels that it answers."""

import torch
from torch import Tensor, nn

from seunet.models.calling import call_network, size_multiple, title
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Tile


def predict_tiles(model: nn.Module, images: Tensor, tiling: Tile, classes: int | None) -> Tensor:
    """Return logits (N, classes, H, W), predicted tile by tile."""
    check_tiling(tiling, size_multiple(model))
    if getattr(model, "whole_images", False):
        raise UserError(
            f"tile: {title(model)} prepares each image by its own values, and those of a tile are others; leave it out"
        )
    height, width = images.shape[-2:]
    logits = torch.empty(0)
    for top in range(0, height, tiling.size):
        for left in range(0, width, tiling.size):
            rows, outer_rows = spans(top, height, tiling)
            columns, outer_columns = spans(left, width, tiling)
            tile = call_network(model, images[..., outer_rows, outer_columns], classes)
            if not logits.numel():
                logits = tile.new_empty(*tile.shape[:2], height, width)
            inner_rows = slice(rows.start - outer_rows.start, rows.stop - outer_rows.start)
            inner_columns = slice(columns.start - outer_columns.start, columns.stop - outer_columns.start)
            logits[..., rows, columns] = tile[..., inner_rows, inner_columns]
    return logits


def spans(start: int, length: int, tiling: Tile) -> tuple[slice, slice]:
    """Return the pixels that a tile predicts along one axis, and those that it reads."""
    stop = min(start + tiling.size, length)
    return slice(start, stop), slice(max(start - tiling.margin, 0), min(stop + tiling.margin, length))


def check_tiling(tiling: Tile, multiple: int) -> None:
    """Raise UserError when tiles would not lie on the network's grid."""
    for name in ("size", "margin"):
        if getattr(tiling, name) % multiple:
            raise UserError(
                f"tile.{name}: {getattr(tiling, name)} is no multiple of {multiple}, which this network needs"
            )
