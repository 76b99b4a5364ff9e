"""SResNet: a residual network on lifted maps that classifies at an eighth of the resolution."""

from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.layers import ScaleCrossCorrelation, ScaleDropout, ScaleProjection
from seunet.layers.lifted import ScaleLayer
from seunet.layers.lifting import Lifting
from seunet.layers.normalisation import ScaleBatchNorm
from seunet.layers.projection import DroppedProjection
from seunet.models.checks import check_base, check_positive, check_probability, check_size, default_border
from seunet.models.ushape import initialise
from seunet.ops.subsampling import subsample

# (width as a multiple of F, stride, reads the next scales, residual)
BLOCKS = (
    (1, 2, True, False),
    (2, 2, True, True),
    (4, 1, False, True),
    (4, 2, True, True),
    (8, 1, False, True),
    (8, 1, False, True),
    (8, 1, False, True),
    (8, 1, True, True),
    (8, 1, True, False),
)


class ResidualBlock(ScaleLayer):
    """S batches (N, C, H, W) → (N, C', H/r, W/r) each: conv, BN, ReLU, strided conv, BN; plus the subsampled input.

    The input gets zero channels where C' > C. Nothing follows the addition.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, scale_size: int, residual: bool, **options: Any
    ):
        super().__init__()
        self.stride, self.residual, self.new_channels = stride, residual, out_channels - in_channels
        self.body = nn.Sequential(
            ScaleCrossCorrelation(in_channels, out_channels, **options),
            ScaleBatchNorm(out_channels, eps=1e-3, momentum=0.01),
            ScaleCrossCorrelation(out_channels, out_channels, scale_size=scale_size, stride=stride, **options),
            ScaleBatchNorm(out_channels, eps=1e-3, momentum=0.01, positive=False),
        )

    def maps(self, x: list[Tensor]) -> list[Tensor]:
        """S batches (N, C, H, W) → S batches (N, C', H/r, W/r)."""
        y = self.body(x)
        return [self.add(*pair) for pair in zip(y, x, strict=True)] if self.residual else y

    def add(self, y: Tensor, x: Tensor) -> Tensor:
        """Add the input, at every r-th pixel, to the first of the output's channels."""
        identity = subsample(x, self.stride)
        return y + (F.pad(identity, (0, 0, 0, 0, 0, self.new_channels)) if self.new_channels else identity)


class SResNet(nn.Module):
    """Image (N, C, H, W) → logits (N, classes, H, W), sides multiples of 8.

    Lifting, nine blocks (three of stride 2), scale-dropout, mean over scales, 1 × 1 classifier, nearest
    upsampling by 8. The released code handed the dropout rate to batch norm by mistake (dropout off, wrong
    momentum); here both are as described. border: as of SEUNet.

    Example:
        >>> import torch
        >>> SResNet(in_channels=1, num_classes=2, width=2)(torch.rand(1, 1, 64, 64)).shape
        torch.Size([1, 2, 64, 64])
    """

    size_multiple = 8

    @staticmethod
    def multiple_of(**_: Any) -> int:
        """Return what the sides of an image must be multiples of, whatever the options."""
        return SResNet.size_multiple

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        width: int = 16,
        num_scales: int = 4,
        scale_size: int = 1,
        scale_dropout: float = 0.0,
        geometry: str = "released",
        base: float = 2,
        border: str | None = None,
    ):
        super().__init__()
        check_positive(
            in_channels=in_channels,
            num_classes=num_classes,
            width=width,
            num_scales=num_scales,
            scale_size=scale_size,
        )
        self.border = border or default_border(geometry)
        options = {"base": base, "border": self.border}
        self.lift = Lifting(in_channels, num_scales, check_base(base), geometry)
        self.blocks = nn.Sequential()
        channels = in_channels
        for factor, stride, interacts, residual in BLOCKS:
            out = width * factor
            size = scale_size if interacts else 1
            self.blocks.append(ResidualBlock(channels, out, stride, size, residual, **options))
            channels = out
        dropout = ScaleDropout(check_probability("scale_dropout", scale_dropout))
        self.project = DroppedProjection(dropout, ScaleProjection("mean"))
        self.classifier = nn.Conv2d(channels, num_classes, 1)
        self.upsample = nn.Upsample(scale_factor=8, mode="nearest")
        initialise(self)

    def stages(self) -> dict[str, nn.Module]:
        """Return the modules whose outputs are the network's stages, in forward order."""
        blocks = {f"block {i}": block for i, block in enumerate(self.blocks, 1)}
        return {"lifting": self.lift, **blocks, "logits": self}

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) → (N, classes, H, W)."""
        check_size(image, self.size_multiple)
        return self.upsample(self.classifier(self.project(self.blocks(self.lift(image)))))
