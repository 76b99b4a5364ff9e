"""The operators of SEU-Net on pyramids: those of seunet.py, each scale on its own lattice."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from seunet.layers import FlatDilation, QuadraticDilation, ScaleUpsample, Subsampling
from seunet.layers.lifted import check_choice, whole_step
from seunet.layers.pyramid import (
    OnLattice,
    Pyramid,
    PyramidBatchNorm,
    PyramidCrossCorrelation,
    PyramidDropout,
    PyramidLifting,
    PyramidProjection,
    PyramidReLU,
    join,
)
from seunet.models.lifted import AllScales


class Pointwise(OnLattice, AllScales):
    """A 1 × 1 convolution of every map."""


class Quadratic(OnLattice, QuadraticDilation):
    """The exact quadratic dilation of every map."""


class Flat(OnLattice, FlatDilation):
    """The exact flat dilation of every map."""


class Strided(OnLattice, Subsampling):
    """Every second pixel of every map."""


class Upsample(OnLattice, ScaleUpsample):
    """Aligned upsampling of every map."""


POOLINGS: dict[str, Callable[[int, float], nn.Module]] = {
    "quadratic": lambda channels, base: Quadratic(channels, base, "exact"),
    "quadratic2": lambda channels, base: Quadratic(channels, base, "exact", zero_scale=1.0),
    "flat": lambda channels, base: Flat(base, "exact"),
    "none": lambda channels, base: Strided(),
    "strided": lambda channels, base: PyramidCrossCorrelation(channels, channels, stride=2, base=base),
}


@dataclass(frozen=True)
class PyramidOperators:
    """Lifting to a pyramid, convolutions and pooling shared by its scales, and the way back to the image's pixels."""

    num_scales: int
    scale_size: int
    base: float
    basis: str | None
    scale_dropout: float
    pooling_kind: str
    projection: str

    def __post_init__(self):
        check_choice("pooling", self.pooling_kind, tuple(POOLINGS))
        whole_step(self.base, 1)

    def lift(self, channels: int) -> nn.Module:
        """Return the decimated Gaussian scale-space."""
        return PyramidLifting(channels, self.num_scales, self.base, "exact")

    def convolution(self, in_channels: int, out_channels: int, interacts: bool = False) -> nn.Module:
        """Return a 3 × 3 convolution shared by all scales, of the network's scale size where it interacts."""
        scale_size = self.scale_size if interacts else 1
        return PyramidCrossCorrelation(
            in_channels, out_channels, scale_size=scale_size, base=self.base, basis=self.basis
        )

    def pointwise(self, in_channels: int, out_channels: int) -> nn.Module:
        """Return a 1 × 1 convolution shared by all scales."""
        return Pointwise(nn.Conv2d(in_channels, out_channels, 1))

    def activation(self, channels: int) -> nn.Module:
        """Return batch norm over samples and scales, scales weighted alike, and ReLU."""
        return nn.Sequential(PyramidBatchNorm(channels, eps=1e-3, momentum=0.02), PyramidReLU())

    def pooling(self, channels: int) -> nn.Module:
        """Return the chosen pooling."""
        return POOLINGS[self.pooling_kind](channels, self.base)

    def upsampling(self) -> nn.Module:
        """Return aligned upsampling."""
        return Upsample(2, "exact")

    def join(self, x: Pyramid, skip: Pyramid) -> Pyramid:
        """Concatenate the channels, scale by scale."""
        return join(x, skip)

    def project(self) -> nn.Module:
        """Return scale-dropout and the maximum (or mean) over scales, on the image's pixels."""
        return nn.Sequential(PyramidDropout(self.scale_dropout), PyramidProjection(self.projection, self.base))
