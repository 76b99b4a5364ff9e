"""Bilinear upsampling of lifted maps, and its grid-aligned form, which keeps the pixels where they are."""

from torch import Tensor

from seunet.layers.lifted import GEOMETRIES, ScaleLayer, check_choice
from seunet.ops.interpolation import upsample

MODES = {"released": "half_pixel", "exact": "aligned"}


class ScaleUpsample(ScaleLayer):
    """Lifted map (S, N, C, H, W) → (S, N, C, tH, tW), the same at every scale.

    - `exact`: grid-aligned, U_t(f)(t p) = f(p), linear between: then U_t ∘ U_s = U_ts, and
      U_{γ^l} R_{γ^k} f = R_{γ^k} U_{γ^l} f on maps f = U_{γ^m} g that are themselves upsampled, m ≥ k (partial
      equivariance). Past the last pixel the map is continued by its value.
    - `released`: half-pixel centres; each level shifts the map by half a pixel.

    Example:
        >>> ScaleUpsample(geometry="exact")(torch.rand(3, 1, 2, 16, 16)).shape
        torch.Size([3, 1, 2, 32, 32])
    """

    def __init__(self, factor: int = 2, geometry: str = "released"):
        super().__init__()
        check_choice("upsampling", geometry, GEOMETRIES)
        self.factor, self.geometry = factor, geometry

    def at(self, x: Tensor, scale: int) -> Tensor:
        """(N, C, H, W) → (N, C, tH, tW)."""
        return upsample(x, self.factor, MODES[self.geometry])

    def extra_repr(self) -> str:
        """Show the options that matter."""
        return f"factor={self.factor}, geometry={self.geometry}"
