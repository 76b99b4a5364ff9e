"""Our U-Net with one part swapped: what a part does to a change of scale, for docs/leaderboard.md.

`architecture: config.swapped_parts:blur_pooling` builds one; its arguments are those of `unet`.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.layers.normalisation import ScaleBatchNorm
from seunet.models import UNet


class MaxBlurPool(nn.Module):
    """(N, C, H, W) → (N, C, H/2, W/2): maxima over 2 × 2 at every pixel, [1, 2, 1] / 4, every second pixel.

    Source: Zhang, Making Convolutional Networks Shift-Invariant Again (ICML 2019).
    """

    def __init__(self, channels: int):
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", (taps[:, None] * taps).expand(channels, 1, 3, 3).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        maxima = F.max_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 2, stride=1)
        return F.conv2d(F.pad(maxima, (1, 1, 1, 1), mode="replicate"), self.kernel, stride=2, groups=len(self.kernel))


def blur_pooling(in_channels: int, num_classes: int, width: int = 16, depth: int = 4) -> UNet:
    """Return a U-Net with antialiased pooling."""
    network = UNet(in_channels, num_classes, width, depth)
    network.pools = nn.ModuleList(MaxBlurPool(width * 2**level) for level in range(depth))
    return network


def instance_norm(in_channels: int, num_classes: int, width: int = 16, depth: int = 4) -> UNet:
    """Return a U-Net whose norms take their statistics from each image, at test too."""
    network = UNet(in_channels, num_classes, width, depth)
    for name, module in list(network.named_modules()):
        if isinstance(module, ScaleBatchNorm):
            norm = nn.Sequential(nn.InstanceNorm2d(module.num_features, affine=True), nn.ReLU(inplace=True))
            network.set_submodule(name, norm)
    return network
