"""Prediction of images of any size: whole, or tile by tile where memory is short."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seunet.errors import UserError


@dataclass(frozen=True)
class Tiling:
    """Images larger than size + 2 · margin are predicted in tiles of `size` pixels, each with `margin` of context.

    Both must be multiples of what the network's subsampling divides by, so that tiles lie on its grid.
    """

    size: int
    margin: int


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, tiling: Tiling | None = None) -> Tensor:
    """Return logits (N, classes, H, W) of images (N, C, H, W), float32 in [0, 1].

    With tiles, the result is that of the whole image wherever the margin covers the receptive field.
    """
    if tiling is None or max(images.shape[-2:]) <= tiling.size + 2 * tiling.margin:
        return model(images)
    check_tiling(tiling, getattr(model, "size_multiple", 1))
    height, width = images.shape[-2:]
    logits = None
    for top in range(0, height, tiling.size):
        for left in range(0, width, tiling.size):
            rows, outer_rows = spans(top, height, tiling)
            columns, outer_columns = spans(left, width, tiling)
            tile = model(images[..., outer_rows, outer_columns])
            if logits is None:
                logits = tile.new_empty(*tile.shape[:2], height, width)
            inner_rows = slice(rows.start - outer_rows.start, rows.stop - outer_rows.start)
            inner_columns = slice(columns.start - outer_columns.start, columns.stop - outer_columns.start)
            logits[..., rows, columns] = tile[..., inner_rows, inner_columns]
    return logits


def spans(start: int, length: int, tiling: Tiling) -> tuple[slice, slice]:
    """Return the pixels that a tile predicts along one axis, and those that it reads."""
    stop = min(start + tiling.size, length)
    return slice(start, stop), slice(max(start - tiling.margin, 0), min(stop + tiling.margin, length))


def check_tiling(tiling: Tiling, multiple: int) -> None:
    """Raise UserError when tiles would not lie on the network's grid."""
    for name in ("size", "margin"):
        if getattr(tiling, name) % multiple:
            raise UserError(
                f"tile.{name}: {getattr(tiling, name)} is no multiple of {multiple}, which this network needs"
            )
