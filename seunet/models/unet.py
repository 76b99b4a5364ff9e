"""U-Net: the U-shape on ordinary feature maps (N, C, H, W)."""

from torch import nn

from seunet.layers.normalisation import ScaleBatchNorm
from seunet.models.ushape import UShape
from seunet.ops.pointwise import UpsampledFusion


class ImageOperators:
    """3 × 3 convolution, 2 × 2 max pooling, nearest upsampling."""

    def lift(self, channels: int) -> nn.Module:
        """Nothing to lift."""
        return nn.Identity()

    def convolution(self, in_channels: int, out_channels: int, interacts: bool = False) -> nn.Module:
        """Return a 3 × 3 convolution with zero padding."""
        return nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def activation(self, channels: int) -> nn.Module:
        """Return batch norm, with the constants of the released code (momentum in torch's convention), and ReLU."""
        return ScaleBatchNorm(channels, eps=1e-3, momentum=0.01)

    def pooling(self, channels: int) -> nn.Module:
        """Return 2 × 2 max pooling."""
        return nn.MaxPool2d(2)

    def fusion(self, in_channels: int, skip_channels: int, out_channels: int) -> nn.Module:
        """Return nearest upsampling, concatenation and 1 × 1 convolution."""
        return UpsampledFusion(in_channels, skip_channels, out_channels, "nearest")

    def project(self) -> nn.Module:
        """Nothing to project."""
        return nn.Identity()


class UNet(UShape):
    """The baseline: image (N, C, H, W) → logits (N, classes, H, W), sides multiples of 2^depth.

    Example:
        >>> import torch
        >>> UNet(in_channels=3, num_classes=2, width=4, depth=2)(torch.rand(1, 3, 32, 64)).shape
        torch.Size([1, 2, 32, 64])
    """

    def __init__(self, in_channels: int, num_classes: int, width: int = 16, depth: int = 4):
        super().__init__(ImageOperators(), in_channels, num_classes, width, depth)
