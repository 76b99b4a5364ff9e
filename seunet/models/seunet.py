"""SEU-Net: the U-shape on lifted maps (S, N, C, H, W), with operators that commute with a change of scale."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from seunet.errors import UserError
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
from seunet.layers.lifted import check_choice, concatenate_channels
from seunet.models.lifted import AllScales
from seunet.models.pyramid import PyramidOperators
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

    def join(self, x: Tensor, skip: Tensor) -> Tensor:
        """Concatenate along the channels."""
        return concatenate_channels([x, skip])

    def project(self) -> nn.Module:
        """Return scale-dropout and the maximum (or mean) over scales."""
        return nn.Sequential(ScaleDropout(self.scale_dropout), ScaleProjection(self.projection))


class SEUNet(UShape):
    """Scale-Equivariant U-Net: image (N, C, H, W) → logits (N, classes, H, W), sides multiples of 2^depth.

    num_scales: S, the copies of the image, at scales γ^0 … γ^(S−1). base: γ > 1, which need not be an integer.
    scale_size: K, how many neighbouring scales the second convolution of each pair reads. geometry: `released` (the
    published code) or `exact` (the law of every layer holds); lifting, pooling_geometry and upsampling set it for one
    operator alone. pooling: quadratic, quadratic2 (twice as wide), flat, none or strided. projection: max or mean.
    basis: that of ScaleCrossCorrelation. layout: `dense` (every scale has all pixels) or `pyramid` (scale γ^s has the
    pixels of γ^s Z²; a third more work than one scale; images of any size; geometry exact and an integer base). The
    weights of one layout are those of the other.
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
        layout: str = "dense",
    ):
        check_positive(num_scales=num_scales, scale_size=scale_size)
        check_choice("pooling", pooling, tuple(POOLINGS))
        check_choice("layout", layout, ("dense", "pyramid"))
        geometries = {
            "lifting": lifting or geometry,
            "pooling_geometry": pooling_geometry or geometry,
            "upsampling": upsampling or geometry,
        }
        shared = {
            "num_scales": num_scales,
            "scale_size": scale_size,
            "base": check_base(base),
            "basis": basis,
            "scale_dropout": check_probability("scale_dropout", scale_dropout),
            "pooling_kind": pooling,
            "projection": projection,
        }
        if layout == "pyramid":
            check_exact(geometries)
            ops = PyramidOperators(**shared)
        else:
            lifting, pooling_geometry, upsampling = geometries.values()
            ops = LiftedOperators(
                **shared,
                lifting_geometry=lifting,
                pooling_geometry=pooling_geometry,
                upsampling_geometry=upsampling,
            )
        super().__init__(ops, in_channels, num_classes, width, depth)
        self.layout = layout

    @staticmethod
    def multiple_of(depth: int = 4, layout: str = "dense", **_: Any) -> int:
        """Return what the sides of an image must be multiples of, given the network's options."""
        return 1 if layout == "pyramid" else 2**depth

    @property
    def size_multiple(self) -> int:
        """Sides of an image must be multiples of this."""
        return self.multiple_of(self.depth, self.layout)


def check_exact(geometries: dict[str, str]) -> None:
    """Raise UserError unless every operator has the exact geometry: the others need pixels off the lattice."""
    for name, geometry in geometries.items():
        if geometry != "exact":
            raise UserError(f"layout: pyramid needs the exact geometry, and {name} is {geometry}; set geometry: exact")
