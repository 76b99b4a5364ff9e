"""SEU-Net: the U-shape on lifted maps (S, N, C, H, W), with operators that commute with a change of scale."""

from collections.abc import Callable

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
from seunet.models.ushape import UShape, check_positive

POOLINGS: dict[str, Callable[[int, str], nn.Module]] = {
    "quadratic": lambda channels, geometry: QuadraticDilation(channels, geometry=geometry),
    "quadratic2": lambda channels, geometry: QuadraticDilation(channels, geometry=geometry, zero_scale=1.0),
    "flat": lambda channels, geometry: FlatDilation(geometry=geometry),
    "none": lambda channels, geometry: Subsampling(),
    "strided": lambda channels, geometry: ScaleCrossCorrelation(channels, channels, stride=2),
}


class LiftedOperators:
    """Lifting, scale-cross-correlation, dilation, bilinear upsampling, scale-dropout and projection."""

    def __init__(self, num_scales: int, scale_size: int, scale_dropout: float, geometry: str, pooling: str):
        self.num_scales, self.scale_size, self.scale_dropout = num_scales, scale_size, scale_dropout
        self.geometry, self.pooling_kind = geometry, pooling

    def lift(self, channels: int) -> nn.Module:
        """Return the Gaussian scale-space."""
        return GaussianLifting(channels, self.num_scales, geometry=self.geometry)

    def convolution(self, in_channels: int, out_channels: int, interacts: bool = False) -> nn.Module:
        """Return a 3 × 3 scale-cross-correlation, of the network's scale size where it interacts."""
        scale_size = self.scale_size if interacts else 1
        return ScaleCrossCorrelation(in_channels, out_channels, scale_size=scale_size)

    def pointwise(self, in_channels: int, out_channels: int) -> nn.Module:
        """Return a 1 × 1 convolution shared by all scales."""
        return AllScales(nn.Conv2d(in_channels, out_channels, 1))

    def activation(self, channels: int) -> nn.Module:
        """Return batch norm over samples and scales, with the constants of the released code, and ReLU."""
        return AllScales(nn.BatchNorm2d(channels, eps=1e-3, momentum=0.02), nn.ReLU(inplace=True))

    def pooling(self, channels: int) -> nn.Module:
        """Return the chosen pooling."""
        return POOLINGS[self.pooling_kind](channels, self.geometry)

    def upsampling(self) -> nn.Module:
        """Return bilinear upsampling."""
        return ScaleUpsample(2, self.geometry)

    def project(self) -> nn.Module:
        """Return scale-dropout and the maximum over scales."""
        return nn.Sequential(ScaleDropout(self.scale_dropout), ScaleProjection("max"))


class SEUNet(UShape):
    """Scale-Equivariant U-Net: image (N, C, H, W) → logits (N, classes, H, W), sides multiples of 2^depth.

    num_scales: S, the copies of the image, at scales 2^0 … 2^(S−1). scale_size: K, how many neighbouring
    scales the second convolution of each pair reads. geometry: `released` (the published code) or `exact`
    (the law of every layer holds). pooling: quadratic, quadratic2 (twice as wide), flat, none or strided.
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
    ):
        check_positive(num_scales=num_scales, scale_size=scale_size)
        check_choice("pooling", pooling, tuple(POOLINGS))
        ops = LiftedOperators(num_scales, scale_size, scale_dropout, geometry, pooling)
        super().__init__(ops, in_channels, num_classes, width, depth)
