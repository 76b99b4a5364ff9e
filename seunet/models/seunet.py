"""SEU-Net: the U-shape on lifted maps (S, N, C, H, W), with operators that commute with a change of scale."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from seunet.layers import (
    FlatDilation,
    GaussianLifting,
    QuadraticDilation,
    ScaleCrossCorrelation,
    ScaleDropout,
    ScaleProjection,
    ScaleUpsample,
    Subsampling,
)
from seunet.layers.lifted import check_choice
from seunet.models.lifted import AllScales
from seunet.models.ushape import UShape, check_base, check_positive, check_probability

POOLINGS: dict[str, Callable[[int, str, float], nn.Module]] = {
    "quadratic": lambda channels, geometry, base: QuadraticDilation(channels, base, geometry),
    "quadratic2": lambda channels, geometry, base: QuadraticDilation(channels, base, geometry, zero_scale=1.0),
    "flat": lambda channels, geometry, base: FlatDilation(base, geometry),
    "none": lambda channels, geometry, base: Subsampling(),
    "strided": lambda channels, geometry, base: ScaleCrossCorrelation(channels, channels, stride=2, base=base),
}


@dataclass(frozen=True)
class LiftedOperators:
    """Lifting, scale-cross-correlation, dilation, bilinear upsampling, scale-dropout and projection."""

    num_scales: int
    scale_size: int
    base: float
    basis: str | None
    scale_dropout: float
    lifting_geometry: str
    pooling_kind: str
    pooling_geometry: str
    upsampling_geometry: str
    projection: str

    def lift(self, channels: int) -> nn.Module:
        """Return the Gaussian scale-space."""
        return GaussianLifting(channels, self.num_scales, self.base, self.lifting_geometry)

    def convolution(self, in_channels: int, out_channels: int, interacts: bool = False) -> nn.Module:
        """Return a 3 × 3 scale-cross-correlation, of the network's scale size where it interacts."""
        scale_size = self.scale_size if interacts else 1
        return ScaleCrossCorrelation(in_channels, out_channels, scale_size=scale_size, base=self.base, basis=self.basis)

    def pointwise(self, in_channels: int, out_channels: int) -> nn.Module:
        """Return a 1 × 1 convolution shared by all scales."""
        return AllScales(nn.Conv2d(in_channels, out_channels, 1))

    def activation(self, channels: int) -> nn.Module:
        """Return batch norm over samples and scales, with the constants of the released code, and ReLU."""
        return AllScales(nn.BatchNorm2d(channels, eps=1e-3, momentum=0.02), nn.ReLU(inplace=True))

    def pooling(self, channels: int) -> nn.Module:
        """Return the chosen pooling."""
        return POOLINGS[self.pooling_kind](channels, self.pooling_geometry, self.base)

    def upsampling(self) -> nn.Module:
        """Return bilinear upsampling."""
        return ScaleUpsample(2, self.upsampling_geometry)

    def project(self) -> nn.Module:
        """Return scale-dropout and the maximum (or mean) over scales."""
        return nn.Sequential(ScaleDropout(self.scale_dropout), ScaleProjection(self.projection))


class SEUNet(UShape):
    """Scale-Equivariant U-Net: image (N, C, H, W) → logits (N, classes, H, W), sides multiples of 2^depth.

    num_scales: S, the copies of the image, at scales γ^0 … γ^(S−1). base: γ > 1, which need not be an integer.
    scale_size: K, how many neighbouring scales the second convolution of each pair reads. geometry: `released` (the
    published code) or `exact` (the law of every layer holds); lifting, pooling_geometry and upsampling set it for one
    operator alone. pooling: quadratic, quadratic2 (twice as wide), flat, none or strided. projection: max or mean.
    basis: that of ScaleCrossCorrelation.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        width: int = 16,
        depth: int = 4,
        num_scales: int = 4,
        scale_size: int = 1,
        scale_dropout: float = 0.25,
        geometry: str = "released",
        pooling: str = "quadratic",
        lifting: str | None = None,
        pooling_geometry: str | None = None,
        upsampling: str | None = None,
        projection: str = "max",
        base: float = 2,
        basis: str | None = None,
    ):
        check_positive(num_scales=num_scales, scale_size=scale_size)
        check_choice("pooling", pooling, tuple(POOLINGS))
        ops = LiftedOperators(
            num_scales,
            scale_size,
            check_base(base),
            basis,
            check_probability("scale_dropout", scale_dropout),
            lifting_geometry=lifting or geometry,
            pooling_kind=pooling,
            pooling_geometry=pooling_geometry or geometry,
            upsampling_geometry=upsampling or geometry,
            projection=projection,
        )
        super().__init__(ops, in_channels, num_classes, width, depth)
