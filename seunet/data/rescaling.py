"""Rescaling of test images: the sizes that networks accept, and the resampling of images, masks and logits."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def rescaled_size(size: int, scale: float, multiple: int) -> int:
    """Return the side in pixels of an image of side `size` at a nominal scale, rounded down to a multiple.

    The rounding is the protocol's (multiples of 16), so the true scale differs from the nominal one. A side
    is at least one `multiple`.
    """
    # The tolerance keeps 224 · 2^(-2) at 56: powers from a list of decimals fall a hair short of it.
    return max(multiple, multiple * math.floor(size * scale / multiple + 1e-6))


def rescaled_sides(size: tuple[int, int], scale: float, multiple: int) -> tuple[int, int]:
    """Return height and width of an image of this size at a nominal scale, see `rescaled_size`."""
    return rescaled_size(size[0], scale, multiple), rescaled_size(size[1], scale, multiple)


def rescale_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample images (N, C, H, W) to `size` = (height, width): bilinear, antialiased where it shrinks."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    return F.interpolate(image, size=size, mode="bilinear", antialias=True, align_corners=False)


def rescale_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample class masks (N, H, W) of any integer type to `size` by the nearest pixel centre."""
    if tuple(mask.shape[-2:]) == tuple(size):
        return mask
    return F.interpolate(mask[:, None].float(), size=size, mode="nearest-exact")[:, 0].to(mask.dtype)


def rescale_logits(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring logits (N, C, H, W) back to `size` bilinearly, without antialiasing, as the consistency is defined."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=False)


def antialias_sigma(factor: Tensor) -> Tensor:
    """Return the Gaussian blur, in pixels, that precedes a resampling by `factor` (< 1 shrinks): ½ √(1/factor² − 1).

    It takes an image whose own blur is half a pixel to one whose blur is half a pixel of the smaller grid.
    """
    return 0.5 * (torch.clamp(1 / factor**2 - 1, min=0)).sqrt()
