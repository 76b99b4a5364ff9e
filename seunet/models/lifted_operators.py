"""The operators of SEU-Net's U-shape: those on lifted maps, in either layout."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from seunet.layers import (
    FlatDilation,
    QuadraticDilation,
    ScaleCrossCorrelation,
    ScaleDropout,
    ScaleProjection,
    Subsampling,
)
from seunet.layers.lifted import whole_step
from seunet.layers.lifting import Lifting
from seunet.layers.normalisation import ScaleBatchNorm
from seunet.layers.projection import DroppedProjection
from seunet.layers.pyramid import (
    PyramidCrossCorrelation,
    PyramidFlatDilation,
    PyramidLifting,
    PyramidQuadraticDilation,
)
from seunet.layers.upsampling import MODES
from seunet.ops.pointwise import UpsampledFusion

POOLINGS = ("quadratic", "quadratic2", "flat", "none", "strided")


@dataclass(frozen=True)
class LayoutOperators:
    """The four operators in which the layouts differ; in a pyramid all act at every scale as at scale 0."""

    lifting: Callable[..., nn.Module]
    correlation: Callable[..., nn.Module]
    quadratic: Callable[..., nn.Module]
    flat: Callable[..., nn.Module]


LAYOUTS = {
    "dense": LayoutOperators(Lifting, ScaleCrossCorrelation, QuadraticDilation, FlatDilation),
    "pyramid": LayoutOperators(PyramidLifting, PyramidCrossCorrelation, PyramidQuadraticDilation, PyramidFlatDilation),
}


@dataclass(frozen=True)
class LiftedOperators:
    """Lifting, scale-cross-correlation, dilation, bilinear upsampling, scale-dropout and projection."""

    num_scales: int
    scale_size: int
    base: float
    basis: str | None
    scale_dropout: float
    layout: str
    lifting_geometry: str
    pooling_kind: str
    pooling_geometry: str
    upsampling_geometry: str
    projection: str
    border: str

    def lift(self, channels: int) -> nn.Module:
        """Return the Gaussian scale-space."""
        return LAYOUTS[self.layout].lifting(channels, self.num_scales, self.base, self.lifting_geometry)

    def convolution(self, in_channels: int, out_channels: int, interacts: bool = False) -> nn.Module:
        """Return a 3 × 3 scale-cross-correlation, of the network's scale size where it interacts."""
        return self.correlation(in_channels, out_channels, scale_size=self.scale_size if interacts else 1)

    def correlation(self, in_channels: int, out_channels: int, **options: int) -> nn.Module:
        """Return a 3 × 3 scale-cross-correlation."""
        own: dict[str, Any] = {"base": self.base, "basis": self.basis, "border": self.border}
        return LAYOUTS[self.layout].correlation(in_channels, out_channels, **options, **own)

    def activation(self, channels: int) -> nn.Module:
        """Return batch norm over samples and scales, with the constants of the released code, and ReLU."""
        return ScaleBatchNorm(channels, eps=1e-3, momentum=0.02)

    def pooling(self, channels: int) -> nn.Module:
        """Return the chosen pooling."""
        layout = LAYOUTS[self.layout]
        if self.pooling_kind == "strided":
            return self.correlation(channels, channels, stride=2)
        if self.pooling_kind == "none":
            return Subsampling()
        if self.pooling_kind == "flat":
            return layout.flat(self.base, self.pooling_geometry)
        zero_scale = {"quadratic": 0.5, "quadratic2": 1.0}[self.pooling_kind]
        return layout.quadratic(channels, self.base, self.pooling_geometry, zero_scale=zero_scale)

    def fusion(self, in_channels: int, skip_channels: int, out_channels: int) -> nn.Module:
        """Return bilinear upsampling, concatenation and 1 × 1 convolution, shared by all scales."""
        return UpsampledFusion(in_channels, skip_channels, out_channels, MODES[self.upsampling_geometry])

    def project(self) -> nn.Module:
        """Return scale-dropout and the maximum (or mean) over scales, on the image's pixels."""
        base = whole_step(self.base, 1) if self.layout == "pyramid" else 1
        return DroppedProjection(ScaleDropout(self.scale_dropout), ScaleProjection(self.projection, base))
