"""1 × 1 convolutions: as a product of matrices, and over the concatenation of an upsampled map with a skip."""

from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.ops.atlas import Atlas, upsampled_atlas
from seunet.ops.interpolation import add_upsampled
from seunet.ops.tracing import Recorder, recorder


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the 1 × 1 convolution of (N, C, H, W): channels lie innermost, so it is one product of matrices.

    torch's own convolution takes a slow path for these on one thread.
    """
    if recorder() >= Recorder.EXPORT:  # other runtimes have a convolution for it
        return F.conv2d(x, weight, bias)
    return F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)


class UpsampledFusion(nn.Conv2d):
    """1 × 1 convolution of [upsample(x), skip], concatenated: (N, C, h, w), (N, C', H, W) → (N, C_out, H, W).

    Neither the upsampled map nor the concatenation is ever made: a 1 × 1 convolution commutes with interpolation, so
    w · [up(x), skip] + b = up(w₁ · x) + w₂ · skip + b, with w₁ · x at a quarter of the pixels. Takes lists of S maps
    and atlases as well. `mode`: see `interpolation.upsample`; where t x is larger than the skip (of an odd size), it is
    cut.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, mode: str, factor: int = 2):
        super().__init__(in_channels + skip_channels, out_channels, 1)
        self.split, self.mode, self.factor = in_channels, mode, factor

    def forward(self, x: Any, skip: Any) -> Any:  # type: ignore[override]  # a convolution has one input
        """Fuse a map, or S maps, with the skip of the same scale."""
        if isinstance(x, Atlas):
            up = upsampled_atlas(pointwise(x.image, self.weight[:, : self.split], None), skip.layout, self.mode)
            y = up + pointwise(skip.image, self.weight[:, self.split :], self.bias)
            return Atlas(y, skip.layout, bordered=False)
        if isinstance(x, list):
            return [self.forward(*pair) for pair in zip(x, skip, strict=True)]
        y = pointwise(skip, self.weight[:, self.split :], self.bias)
        return add_upsampled(y, pointwise(x, self.weight[:, : self.split], None), self.factor, self.mode)
