"""The one U-shape of U-Net and SEU-Net: encoder, decoder, skip connections, head; only the operators differ."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from seunet.models.checks import check_positive, check_size
from seunet.ops.tracing import Recorder, recorder


class Operators(Protocol):
    """What a U-shape is made of. `unet.py` has the operators on images, `seunet.py` those on lifted maps."""

    def lift(self, channels: int) -> nn.Module:
        """Return the way in: from an image to the maps that the operators act on."""

    def convolution(self, in_channels: int, out_channels: int, interacts: bool = False) -> nn.Module:
        """Return a 3 × 3 convolution; one that `interacts` may read the next scales as well."""

    def activation(self, channels: int) -> nn.Module:
        """Return batch norm and ReLU."""

    def pooling(self, channels: int) -> nn.Module:
        """Return a subsampling by 2."""

    def fusion(self, in_channels: int, skip_channels: int, out_channels: int) -> nn.Module:
        """Return what upsamples maps by 2, concatenates the skip and convolves that by 1 × 1."""

    def project(self) -> nn.Module:
        """Return the way out: from maps to an image."""


class UShape(nn.Module):
    """Image (N, C, H, W) → logits (N, classes, H, W); H and W are multiples of 2^depth.

    A 3 × 3 convolution to F = width channels; `depth` levels of two 3 × 3 convolutions (F, 2F, 4F, …), each
    followed by pooling; for …, 4F, 2F as many levels of two 3 × 3 convolutions at the *lower* resolution,
    upsampling, concatenation of the skip and a 1 × 1 convolution; two 3 × 3 convolutions to F; projection; a
    1 × 1 classifier. Batch norm and ReLU follow every convolution but the classifier. Source: the released
    code of Sangalli et al. (2022).
    """

    def __init__(self, ops: Operators, in_channels: int, num_classes: int, width: int, depth: int):
        super().__init__()
        check_positive(in_channels=in_channels, num_classes=num_classes, width=width, depth=depth)
        self.depth = depth
        encoder_widths = [width * 2**i for i in range(depth)]
        decoder_widths = [width * 2 ** (depth - i) for i in range(depth)]
        self.lift = ops.lift(in_channels)
        self.stem = block(ops, ops.convolution(in_channels, width), width)
        self.encoder, self.pools = nn.ModuleList(), nn.ModuleList()
        channels = width
        for out in encoder_widths:
            self.encoder.append(pair(ops, channels, out, interacts=True))
            self.pools.append(ops.pooling(out))
            channels = out
        self.decoder, self.fusions = nn.ModuleList(), nn.ModuleList()
        for out, skip in zip(decoder_widths, reversed(encoder_widths), strict=True):
            self.decoder.append(pair(ops, channels, out, interacts=True))
            self.fusions.append(Fusion(ops.fusion(out, skip, out), ops.activation(out)))
            channels = out
        self.head = pair(ops, channels, width, interacts=False)
        self.project = ops.project()
        self.classifier = nn.Conv2d(width, num_classes, 1)
        initialise(self)

    @staticmethod
    def multiple_of(depth: int = 4, **_: Any) -> int:
        """Return what the sides of an image must be multiples of, given the network's options."""
        return 2**depth

    @property
    def size_multiple(self) -> int:
        """Sides of an image must be multiples of this."""
        return self.multiple_of(self.depth)

    @property
    def period(self) -> int:
        """Pixels by which a size may grow so that the sizes of all maps grow in proportion."""
        return 2**self.depth

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Return the sizes of the maps of an image, one per scale."""
        return [(height, width)]

    def stages(self) -> dict[str, nn.Module]:
        """Return the modules whose outputs are the network's stages, in forward order."""
        encoder = {f"encoder {i}": level for i, level in enumerate(self.encoder, 1)}
        decoder = {f"decoder {i}": fusion for i, fusion in enumerate(self.fusions, 1)}
        return {"stem": self.stem, **encoder, **decoder, "head": self.head, "logits": self}

    def down(self) -> list[tuple[tuple[nn.Module, ...], nn.Module]]:
        """Return the way down, level by level: the layers whose output is the skip, and the pooling after them."""
        first, *others = self.encoder
        return list(zip([(self.stem, first), *((level,) for level in others)], self.pools, strict=True))

    def up(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the way up, deepest level first: layers at the lower resolution, and the fusion with the skip."""
        return list(zip(self.decoder, self.fusions, strict=True))

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) → (N, classes, H, W)."""
        check_size(image, self.size_multiple)
        if recorder() < Recorder.EXPORT:  # other runtimes have layouts of their own
            image = image.contiguous(memory_format=torch.channels_last)
        x = self.arranged(self.lift(image))
        skips = []
        for layers, pool in self.down():
            for layer in layers:
                x = layer(x)
            skips.append(x)
            x = pool(x)
        for level, fuse in self.up():
            x = fuse(level(x), skips.pop())
        return self.logits_of_maps(self.head(x))

    def arranged(self, maps: Any) -> Any:
        """Return the lifted maps as the layers are to have them: here as they are."""
        return maps

    def logits_of_maps(self, maps: Any) -> Tensor:
        """Maps of the head → logits (N, classes, H, W)."""
        return self.logits_of_window(maps)

    def logits_of_window(self, maps: Any) -> Tensor:
        """Maps of the head, of scales that answer together → logits (N, classes, H, W)."""
        return self.classifier(self.project(maps))

    def window_groups(self, scales: int) -> list[range]:
        """Return the scales that answer together, first to last, of as many maps: here all."""
        return [range(scales)]

    def combine_windows(self, answers: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Logits of every window → those of an image of this size: here there is one."""
        (logits,) = answers
        return logits


class Fusion(nn.Module):
    """Upsampling, skip and 1 × 1 convolution, then batch norm and ReLU."""

    def __init__(self, fuse: nn.Module, activation: nn.Module):
        super().__init__()
        self.fuse, self.activation = fuse, activation

    def forward(self, x: Any, skip: Any) -> Any:
        """Maps at half the resolution, and those of the skip → maps as those of the skip."""
        return self.activation(self.fuse(x, skip))


def block(ops: Operators, convolution: nn.Module, channels: int) -> nn.Sequential:
    """Return convolution, batch norm, ReLU."""
    return nn.Sequential(convolution, ops.activation(channels))


def pair(ops: Operators, in_channels: int, out_channels: int, interacts: bool) -> nn.Sequential:
    """Return two blocks of 3 × 3; the second may interact between scales."""
    first = block(ops, ops.convolution(in_channels, out_channels), out_channels)
    second = block(ops, ops.convolution(out_channels, out_channels, interacts), out_channels)
    return nn.Sequential(*first, *second)


def initialise(model: nn.Module) -> None:
    """Draw the weights as the released code does: Glorot-uniform kernels, zero biases. Kernels lie channels-last."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch documents it
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
