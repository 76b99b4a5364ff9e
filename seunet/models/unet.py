"""U-Net: the U-shape on ordinary feature maps (N, C, H, W)."""

from torch import Tensor, nn

from seunet.layers.lifted import concatenate_channels
from seunet.models.ushape import UShape


class ImageOperators:
    """3 × 3 convolution, 2 × 2 max pooling, nearest upsampling."""

    def lift(self, channels: int) -> nn.Module:
        """Nothing to lift."""
        return nn.Identity()

    def convolution(self, in_channels: int, out_channels: int, interacts: bool = False) -> nn.Module:
        """Return a 3 × 3 convolution with zero padding."""
        return nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def pointwise(self, in_channels: int, out_channels: int) -> nn.Module:
        """Return a 1 × 1 convolution."""
        return nn.Conv2d(in_channels, out_channels, 1)

    def activation(self, channels: int) -> nn.Module:
        """Return batch norm, with the constants of the released code (momentum in torch's convention), and ReLU."""
        return nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01), nn.ReLU(inplace=True))

    def pooling(self, channels: int) -> nn.Module:
        """Return 2 × 2 max pooling."""
        return nn.MaxPool2d(2)

    def upsampling(self) -> nn.Module:
        """Return nearest upsampling."""
        return nn.Upsample(scale_factor=2, mode="nearest")

    def join(self, x: Tensor, skip: Tensor) -> Tensor:
        """Concatenate along the channels."""
        return concatenate_channels([x, skip])

    def project(self) -> nn.Module:
        """Nothing to project."""
        return nn.Identity()


class UNet(UShape):
    """The baseline: image (N, C, H, W) → logits (N, classes, H, W), sides multiples of 2^depth."""

    def __init__(self, in_channels: int, num_classes: int, width: int = 16, depth: int = 4):
        super().__init__(ImageOperators(), in_channels, num_classes, width, depth)
