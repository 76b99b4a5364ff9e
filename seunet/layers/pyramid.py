"""Layers on pyramids: a lifted map that is held, at scale γ^s, on the lattice γ^s Z² alone.

A pyramid is a list of S batches: `x[s]` is (N, C, ⌈H/γ^s⌉, ⌈W/γ^s⌉), and its pixel q is pixel γ^s q of the dense map.
The law of the layers never asks for more, and every exact layer on that lattice is the layer of scale 0: ordinary
convolutions, pooling of 7 × 7 neighbours. γ is an integer. Nothing is padded but by the layers themselves, as in the
dense map: so maps of any size will do, down to one pixel.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.layers.crosscorrelation import ScaleCrossCorrelation
from seunet.layers.lifted import concatenate_channels, stack_scales, whole_step
from seunet.layers.lifting import GaussianLifting, blur
from seunet.layers.upsampling import aligned_to

Pyramid = list[Tensor]


class PyramidLifting(GaussianLifting):
    """Image (N, C, H, W) → pyramid: each blurred copy of the semigroup, decimated. Law: as GaussianLifting."""

    def forward(self, image: Tensor) -> Pyramid:
        """(N, C, H, W) → S batches (N, C, ⌈H/γ^s⌉, ⌈W/γ^s⌉)."""
        with torch.autocast(image.device.type, enabled=False):  # as in GaussianLifting
            scales = range(1, self.num_scales)
            return [image, *(blur(image, self.kernel(s, image), whole_step(self.base, s)) for s in scales)]


class OnLattice:
    """Mixin for a layer of lifted maps that does not mix scales: at every scale of a pyramid it acts as at scale 0."""

    def forward(self, maps: Pyramid) -> Pyramid:
        """Apply the layer to every map, as a lifted map of one scale."""
        return [super(OnLattice, self).forward(x[None])[0] for x in maps]


class PyramidCrossCorrelation(ScaleCrossCorrelation):
    """Scale-cross-correlation on a pyramid; where K > 1, coarser scales come upsampled to the lattice of the finer.

    Equal to the dense layer on the lattice for K = 1. For K > 1 the dense layer has pixels of the coarser scales that
    the pyramid interpolates.
    """

    def forward(self, maps: Pyramid) -> Pyramid:
        """S batches (N, C_in, H_s, W_s) → S batches (N, C_out, ⌈H_s/r⌉, ⌈W_s/r⌉)."""
        return [self.correlate(self.neighbours(maps, s), self.kernels(), 0) for s in range(len(maps))]

    def neighbours(self, maps: Pyramid, scale: int) -> tuple[Tensor, ...]:
        """Return the maps of the K scales from this one on, as far as there are, on the lattice of this one."""
        near, size = maps[scale : scale + self.weight.shape[2]], maps[scale].shape[-2:]
        return tuple(aligned_to(x, whole_step(self.base, k), size) for k, x in enumerate(near))


class PyramidBatchNorm(nn.BatchNorm2d):
    """Batch norm of a pyramid with one mean and variance for all scales, each scale with the same weight.

    The dense network weighs its scales alike because their maps have one size; here a coarse map has fewer pixels,
    each with the more weight.
    """

    def forward(self, maps: Pyramid) -> Pyramid:
        """S batches (N, C, H_s, W_s) → the same shapes."""
        mean, variance = self.running_mean, self.running_var
        if self.training:
            mean, variance = pyramid_moments(maps)
            self.remember(mean.detach(), variance.detach(), sum(x.numel() for x in maps) // self.num_features)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return [affine(x, scale, self.bias - mean * scale) for x in maps]

    @torch.no_grad()
    def remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as torch does: the variance is that of a sample of `count` values."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)


def pyramid_moments(maps: Pyramid) -> tuple[Tensor, Tensor]:
    """Return mean and variance per channel, (C,) each, over samples, pixels and scales; scales count alike."""
    moments = [torch.var_mean(x.float(), (0, 2, 3), correction=0) for x in maps]
    variances, means = (torch.stack(part) for part in zip(*moments, strict=True))
    mean = means.mean(0)
    return mean, (variances + (means - mean).square()).mean(0)


def affine(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return scale · x + shift, channel by channel."""
    return torch.addcmul(shift.to(x.dtype)[:, None, None], x, scale.to(x.dtype)[:, None, None])


class PyramidReLU(nn.Module):
    """max(x, 0) in place, on every map."""

    def forward(self, maps: Pyramid) -> Pyramid:
        """S batches → the same."""
        return [F.relu_(x) for x in maps]


class PyramidToGrid(nn.Module):
    """Pyramid → lifted map (S, N, C, H, W): every scale on the pixels of scale 0, by aligned bilinear upsampling."""

    def __init__(self, base: int = 2):
        super().__init__()
        self.base = base

    def forward(self, maps: Pyramid) -> Tensor:
        """S batches (N, C, ⌈H/γ^s⌉, ⌈W/γ^s⌉) → (S, N, C, H, W)."""
        size = maps[0].shape[-2:]
        return stack_scales([aligned_to(x, whole_step(self.base, s), size) for s, x in enumerate(maps)])


def join(maps: Pyramid, skips: Pyramid) -> Pyramid:
    """Concatenate the channels, scale by scale; an upsampled map may be a pixel larger than the skip, and is cut."""
    pairs = zip(maps, skips, strict=True)
    return [concatenate_channels([x[..., : skip.shape[-2], : skip.shape[-1]], skip]) for x, skip in pairs]
