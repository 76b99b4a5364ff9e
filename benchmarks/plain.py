"""A U-Net as anyone would write it in PyTorch, to measure against: channels-last, but for that torch's layers alone."""

import torch
from torch import Tensor, nn

from seunet.models import UNet


def pair(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return two 3 × 3 convolutions with batch norm and ReLU."""
    return nn.Sequential(*block(in_channels, out_channels, 3), *block(out_channels, out_channels, 3))


def block(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    """Return convolution, batch norm and ReLU."""
    return [
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2),
        nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01),
        nn.ReLU(inplace=True),
    ]


class PlainUNet(nn.Module):
    """The same function of the same weights as seunet's UNet: image (N, C, H, W) → logits (N, classes, H, W)."""

    def __init__(self, in_channels: int, num_classes: int, width: int, depth: int):
        super().__init__()
        down = [width * 2**i for i in range(depth)]
        up = [width * 2 ** (depth - i) for i in range(depth)]
        self.stem = nn.Sequential(*block(in_channels, width, 3))
        self.encoder = nn.ModuleList(pair(a, b) for a, b in zip([width, *down], down, strict=False))
        self.decoder = nn.ModuleList(pair(a, b) for a, b in zip([down[-1], *up], up, strict=False))
        self.fusions = nn.ModuleList(
            nn.Sequential(*block(a + b, a, 1)) for a, b in zip(up, reversed(down), strict=True)
        )
        self.head = pair(up[-1], width)
        self.classifier = nn.Conv2d(width, num_classes, 1)
        self.pool, self.upsample = nn.MaxPool2d(2), nn.Upsample(scale_factor=2, mode="nearest")
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) → (N, classes, H, W)."""
        x = self.stem(image.contiguous(memory_format=torch.channels_last))
        skips = []
        for level in self.encoder:
            skips.append(level(x))
            x = self.pool(skips[-1])
        for level, fuse in zip(self.decoder, self.fusions, strict=True):
            x = fuse(torch.cat([self.upsample(level(x)), skips.pop()], 1))
        return self.classifier(self.head(x))


def plain_copy(model: UNet, **options: int) -> PlainUNet:
    """Return a plain U-Net with the weights of ours: both hold the same layers in the same order."""
    plain = PlainUNet(**options)
    ours, theirs = model.state_dict(), plain.state_dict()
    plain.load_state_dict(dict(zip(theirs, ours.values(), strict=True)))
    return plain
