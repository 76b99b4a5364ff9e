"""The action of scale changes on images and lifted maps, and the error that a layer makes against its law."""

from collections.abc import Callable

import torch
from torch import Tensor

from seunet.layers.lifted import dilation


def rescale(x: Tensor, k: int, base: float = 2) -> Tensor:
    """R_k: f(y) ↦ f(γ^k y) for an image (N, C, H, W); f(s, y) ↦ f(s + k, γ^k y) for a lifted map (S, N, C, H, W).

    A lifted map loses its k finest scales. γ must be an integer here.
    """
    step = dilation(base, k)
    if x.dim() == 5:
        x = x[k:]
    return x[..., ::step, ::step]


@torch.no_grad()
def equivariance_error(
    layer: Callable[[Tensor], Tensor],
    x: Tensor,
    k: int = 1,
    border: float = 0.25,
    scale_size: int = 1,
    base: float = 2,
) -> float:
    """Return the relative L2 distance between layer(R_k x) and R_k layer(x).

    Compared are the pixels further than `border` (a share of the side) from the edge, and the scales that both
    sides hold and that read no scale beyond the truncation (S − k − (scale_size − 1) of them).
    """
    before, after = layer(rescale(x, k, base)), rescale(layer(x), k, base)
    if before.dim() == 5:
        scales = min(before.shape[0], after.shape[0]) - (scale_size - 1)
        before, after = before[:scales], after[:scales]
    height, width = before.shape[-2:]
    rows = slice(int(height * border), height - int(height * border))
    columns = slice(int(width * border), width - int(width * border))
    before, after = before[..., rows, columns], after[..., rows, columns]
    return float((before - after).norm() / after.norm())
