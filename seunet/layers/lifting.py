"""Lifting: from an image to a Gaussian scale-space, one blurred copy per scale."""

import math
from collections.abc import Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.layers.coefficients import BoundedCoefficient
from seunet.layers.lifted import GEOMETRIES, check_choice, stack_scales
from seunet.ops.index_tables import constants
from seunet.ops.tracing import Recorder, is_traced, recorder

BLOCK = 64  # outputs of a row that one product of matrices makes


class ScaleSpace(nn.Module):
    """Λ: image (N, C, H, W) → one batch (N, C, H, W) for each scale; scale 0 is the image itself.

    Law: Λ(R_k f) = R_k Λ(f) when the blurs form a semigroup whose variance grows like γ^{2s} − 1 (`exact`), up to the
    sampling error of a Gaussian on the pixel grid. R_k of an image is a camera further away: it blurs by σ_k, then
    subsamples, so R_k f = Λ(f)(k, γ^k ·). Replicate padding at the borders.

    - `exact`: fixed σ_s = σ₀ √(γ^{2s} − 1), σ₀ = `sigma` = 0.5 pixels: the blur that takes an image which is
      itself sampled at blur σ₀ to the blur σ₀ γ^s.
    - `released`: kernel ∝ exp(−c k²/t_s²), t_s = 2z(γ^s − 1), abs(k) ≤ 5γ^s, with one trainable c per channel
      in [(3.29z)²/25, (3.29z)²]; z = `zero_scale`. (t_s, not t_s², grows like γ^s − 1: no semigroup.)
    """

    def __init__(
        self,
        in_channels: int,
        num_scales: int = 4,
        base: float = 2,
        geometry: str = "released",
        zero_scale: float = 0.25,
        sigma: float = 0.5,
    ):
        super().__init__()
        check_choice("lifting", geometry, GEOMETRIES)
        self.num_scales, self.base, self.geometry = num_scales, base, geometry
        self.zero_scale, self.sigma = zero_scale, sigma
        if geometry == "released":
            bound = (3.29 * zero_scale) ** 2
            self.coefficient = BoundedCoefficient(in_channels, bound / 25, bound)

    def maps(self, image: Tensor, strides: Sequence[int] | None = None) -> list[Tensor]:
        """(N, C, H, W) → S batches (N, C, H, W), channels-last; of scale s every strides[s]-th pixel, if given.

        Scale 0 is the image, not a copy: so nobody computes a gradient for it.
        """
        strides = strides or [1] * self.num_scales
        # in float32 under autocast too: bfloat16 is too coarse for a Gaussian, and hangs in oneDNN on some CPUs
        # (traced code has no autocast of its own, and ONNX none at all)
        with nullcontext() if is_traced() else torch.autocast(image.device.type, enabled=False):
            blurred = (blur(image, self.kernel(s, image), strides[s]) for s in range(1, self.num_scales))
            if recorder() >= Recorder.EXPORT:
                return [image, *blurred]
            return [x.contiguous(memory_format=torch.channels_last) for x in (image, *blurred)]

    def kernel(self, scale: int, image: Tensor) -> Tensor:
        """Return the 1-D kernels of a scale ≥ 1, one per channel: (C, 2r + 1), each with sum 1."""
        if self.geometry == "released":
            radius = math.floor(5 * self.base**scale)
            width = 2 * self.zero_scale * (self.base**scale - 1)
            precision = self.coefficient()[:, None] / width**2
        else:
            sigma = self.sigma * math.sqrt(self.base ** (2 * scale) - 1)
            radius = math.ceil(5 * sigma)
            precision = torch.full((image.shape[1], 1), 1 / (2 * sigma**2), device=image.device)
        position = torch.arange(-radius, radius + 1, device=image.device)
        return torch.softmax(-precision * position**2, dim=1)

    def extra_repr(self) -> str:
        """Show the options that matter."""
        return f"num_scales={self.num_scales}, base={self.base}, geometry={self.geometry}"


class GaussianLifting(ScaleSpace):
    """The scale-space as a lifted map.

    Example:
        >>> GaussianLifting(3, num_scales=4, geometry="exact")(torch.rand(1, 3, 32, 32)).shape
        torch.Size([4, 1, 3, 32, 32])
    """

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) → (S, N, C, H, W)."""
        return stack_scales(self.maps(image))


class Lifting(ScaleSpace):
    """The scale-space as a list, as networks take it."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, C, H, W) → S batches (N, C, H, W)."""
        return self.maps(image)


def blur(image: Tensor, kernel: Tensor, stride: int = 1) -> Tensor:
    """Convolve each channel of (N, C, H, W) with its own symmetric kernel of (C, 2r + 1), along both axes.

    Kept are the pixels 0, stride, 2 stride, … Borders are replicated.
    """
    kernel = kernel.to(image.dtype)
    if is_traced():  # convolutions, which a trace takes for images of any size
        x = F.pad(image, [kernel.shape[1] // 2] * 4, mode="replicate")
        x = F.conv2d(x, kernel[:, None, None], stride=(1, stride), groups=len(kernel))
        return F.conv2d(x, kernel[:, None, :, None], stride=(stride, 1), groups=len(kernel))
    for _ in range(2):
        image = correlate_rows(image, kernel, stride).transpose(2, 3)
    return image


def correlate_rows(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Correlate the rows of (N, C, H, W) with the kernels (C, 2r + 1) of their channels → (N, C, H, ⌈W/stride⌉).

    A product of matrices, of windows of pixels and a band of taps: torch's convolutions of single channels take many
    times as long, the more so backward.
    """
    width, radius = x.shape[-1], kernel.shape[1] // 2
    outputs = -(-width // stride)
    block = min(BLOCK, outputs)
    blocks = -(-outputs // block)
    window = stride * (block - 1) + 2 * radius + 1
    right = stride * block * (blocks - 1) + window - width - radius
    padded = F.pad(x, (radius, right, 0, 0), mode="replicate")
    windows = padded.unfold(3, window, stride * block)  # (N, C, H, blocks, window)
    y = torch.einsum("nchbw,cwo->nchbo", windows, band(kernel, window, block, stride))
    return y.flatten(3)[..., :outputs]


def band(kernel: Tensor, window: int, block: int, stride: int) -> Tensor:
    """Return the matrices (C, window, block) that correlate a window with the kernels (C, 2r + 1): tap i − stride o."""
    tap, inside = constants("band", (kernel.shape[1], window, block, stride), str(kernel.device))
    return kernel[:, tap] * inside
