"""The action of scale changes on images and lifted maps, and the error that a layer makes against its law."""

from collections.abc import Callable

import torch
from torch import Tensor

from seunet.layers.lifted import whole_step


def rescale(x: Tensor, k: int, base: float = 2, shift: tuple[int, int] = (0, 0)) -> Tensor:
    """Apply R_k: f(y) ↦ f(γ^k y + shift) to an image (N, C, H, W); to a lifted map f(s, y) ↦ f(s + k, γ^k y + shift).

    A lifted map (S, N, C, H, W) loses its k finest scales. γ^k must be whole. shift: rows and columns.
    """
    step = whole_step(base, k)
    if x.dim() == 5:
        x = x[k:]
    return x[..., shift[0] :: step, shift[1] :: step]


@torch.no_grad()
def equivariance_error(
    layer: Callable[[Tensor], Tensor],
    x: Tensor,
    k: int = 1,
    *,
    shift: tuple[int, int] = (0, 0),
    stride: int = 1,
    scale_size: int = 1,
    border: float = 0.25,
    base: float = 2,
    rescaled: Tensor | None = None,
) -> float:
    """Return the relative L2 distance between layer(R_k x) and R_k layer(x); 0 when the law of the layer holds.

    `shift` is that of the output; the input of a layer of this `stride` is then shifted by stride · shift.
    Compared are the pixels further than `border` (a share of the side) from the edge, and the scales that both
    sides hold and that read no scale beyond the truncation (the last scale_size − 1 are left out). `rescaled` takes
    the place of R_k x where a change of scale is more than subsampling: of an image, it blurs first.

    Example:
        >>> from seunet.layers import ScaleCrossCorrelation
        >>> round(equivariance_error(ScaleCrossCorrelation(2, 3), torch.rand(3, 1, 2, 64, 64)), 6)
        0.0
    """
    top, left = shift
    before = layer(rescale(x, k, base, (stride * top, stride * left)) if rescaled is None else rescaled)
    after = rescale(layer(x), k, base, shift)
    if before.dim() == 5:
        scales = min(before.shape[0], after.shape[0]) - (scale_size - 1)
        before, after = before[:scales], after[:scales]
    rows, columns = (slice(min(sides)) for sides in zip(before.shape[-2:], after.shape[-2:], strict=True))
    before, after = interior(before[..., rows, columns], border), interior(after[..., rows, columns], border)
    return float((before - after).norm() / after.norm())


def interior(x: Tensor, border: float) -> Tensor:
    """Return the middle of a map: without `border` · side pixels at each edge."""
    top, left = (int(side * border) for side in x.shape[-2:])
    return x[..., top : x.shape[-2] - top, left : x.shape[-1] - left]
