"""Bilinear upsampling of lifted maps, and its grid-aligned form, which keeps the pixels where they are."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.layers.lifted import GEOMETRIES, check_choice


class ScaleUpsample(nn.Module):
    """Lifted map (S, N, C, H, W) → (S, N, C, tH, tW), the same at every scale.

    - `exact`: grid-aligned, U_t(f)(t p) = f(p), linear between: then U_t ∘ U_s = U_ts, and
      U_{γ^l} R_{γ^k} f = R_{γ^k} U_{γ^l} f on maps f = U_{γ^m} g that are themselves upsampled, m ≥ k (partial
      equivariance). Past the last pixel the map is continued by its value.
    - `released`: half-pixel centres; each level shifts the map by half a pixel.
    """

    def __init__(self, factor: int = 2, geometry: str = "released"):
        super().__init__()
        check_choice("upsampling", geometry, GEOMETRIES)
        self.factor, self.geometry = factor, geometry

    def forward(self, x: Tensor) -> Tensor:
        """(S, N, C, H, W) → (S, N, C, tH, tW)."""
        scales = x.shape[:2]
        upsample = aligned if self.geometry == "exact" else half_pixel
        return upsample(x.flatten(0, 1), self.factor).unflatten(0, scales)

    def extra_repr(self) -> str:
        """Show the options that matter."""
        return f"factor={self.factor}, geometry={self.geometry}"


def half_pixel(x: Tensor, factor: int) -> Tensor:
    """Upsample (N, C, H, W) bilinearly with half-pixel centres, as TensorFlow and torch do by default."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def aligned(x: Tensor, factor: int) -> Tensor:
    """Upsample (N, C, H, W) bilinearly so that output pixel t·p is input pixel p."""
    height, width = x.shape[-2] * factor, x.shape[-1] * factor
    x = F.pad(x, (0, 1, 0, 1), mode="replicate")
    y = F.interpolate(x, size=(height + 1, width + 1), mode="bilinear", align_corners=True)
    return y[..., :height, :width]


def aligned_to(x: Tensor, factor: int, size: tuple[int, int]) -> Tensor:
    """Upsample (N, C, h, w) as `aligned` does, cut to the size (H, W) of a map whose lattice it is: h = ⌈H/t⌉."""
    return (x if factor == 1 else aligned(x, factor))[..., : size[0], : size[1]]
