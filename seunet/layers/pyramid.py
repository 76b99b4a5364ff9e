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
from seunet.layers.lifted import concatenate_channels, whole_step
from seunet.layers.lifting import GaussianLifting, blur
from seunet.layers.projection import ScaleDropout, ScaleProjection
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
        if not self.training:
            return [normalise(x, self.running_mean, self.running_var, self.weight, self.bias, self.eps) for x in maps]
        mean, variance, *normalised = Normalisation.apply(self.weight, self.bias, self.eps, *maps)
        self.remember(mean, variance, sum(x.numel() for x in maps) // self.num_features)
        return normalised

    @torch.no_grad()
    def remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as torch does: the variance is that of a sample of `count` values."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)


class Normalisation(torch.autograd.Function):
    """Mean and variance of a pyramid, (C,) each, and its maps normalised by them.

    With a weight 1 / (S n_s) for each of the n_s values per channel of scale s. Written with torch's own operators of
    batch norm, because statistics by `var_mean` take ten times as long on a CPU.
    """

    @staticmethod
    def forward(ctx, weight, bias, eps, *maps):
        """Return mean, variance, and S batches (N, C, H_s, W_s)."""
        moments = [torch.batch_norm_update_stats(x, torch.zeros_like(weight), torch.ones_like(weight), 0) for x in maps]
        means, variances = (torch.stack(part) for part in zip(*moments, strict=True))
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        ctx.save_for_backward(weight, mean, variance, *maps)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return mean, variance, *(normalise(x, mean, variance, weight, bias, eps) for x in maps)

    @staticmethod
    def backward(ctx, _mean, _variance, *grads):
        """Backpropagate as if mean and variance were constants; then through them, which is affine in x."""
        weight, mean, variance, *maps = ctx.saved_tensors
        inverse = torch.rsqrt(variance + ctx.eps)
        parts = [constant_backward(*pair, mean, variance, weight, ctx.eps) for pair in zip(grads, maps, strict=True)]
        grad_maps, grad_weights, grad_biases = zip(*parts, strict=True)
        grad_weight, grad_bias = sum(grad_weights), sum(grad_biases)
        for grad, x in zip(grad_maps, maps, strict=True):
            share = weight * inverse * (x.shape[1] / (len(maps) * x.numel()))  # γ/σ times the weight of a value
            slope = -share * inverse * grad_weight
            grad.addcmul_(x, slope.to(x.dtype)[:, None, None])
            grad.sub_((slope * mean + share * grad_bias).to(x.dtype)[:, None, None])
        return grad_weight, grad_bias, None, *grad_maps


def normalise(x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Return weight · (x − mean) / √(variance + eps) + bias, channel by channel."""
    return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)


def constant_backward(
    grad: Tensor, x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of `normalise` for x, weight and bias, mean and variance being constants."""
    backward = torch.ops.aten.native_batch_norm_backward
    empty = mean.new_empty(0)
    return backward(grad, x, weight, mean, variance, empty, empty, False, eps, [True, True, True])


class PyramidReLU(nn.Module):
    """max(x, 0) in place, on every map."""

    def forward(self, maps: Pyramid) -> Pyramid:
        """S batches → the same."""
        return [F.relu_(x) for x in maps]


class PyramidDropout(ScaleDropout):
    """Scale-dropout of a pyramid: the same maps are set to zero as those of the dense lifted map."""

    def forward(self, maps: Pyramid) -> Pyramid:
        """S batches (N, C, H_s, W_s) → the same shapes."""
        if not self.training or self.p == 0:
            return maps
        return [x * keep.to(x) for x, keep in zip(maps, self.draw(len(maps), *maps[0].shape[:2]), strict=True)]


class PyramidProjection(ScaleProjection):
    """Pyramid → (N, C, H, W): the maximum or the mean over scales, each brought to the image's pixels before.

    By aligned bilinear upsampling, one scale after the other, so that no two are held there at once.
    """

    def __init__(self, reduction: str = "max", base: int = 2):
        super().__init__(reduction)
        self.base = base

    def forward(self, maps: Pyramid) -> Tensor:
        """S batches (N, C, ⌈H/γ^s⌉, ⌈W/γ^s⌉) → (N, C, H, W)."""
        combine = torch.maximum if self.reduction == "max" else torch.add
        size = maps[0].shape[-2:]
        total = maps[0]
        for s, x in enumerate(maps[1:], start=1):
            total = combine(total, aligned_to(x, whole_step(self.base, s), size))
        return total if self.reduction == "max" else total / len(maps)


def join(maps: Pyramid, skips: Pyramid) -> Pyramid:
    """Concatenate the channels, scale by scale; an upsampled map may be a pixel larger than the skip, and is cut."""
    pairs = zip(maps, skips, strict=True)
    return [concatenate_channels([x[..., : skip.shape[-2], : skip.shape[-1]], skip]) for x, skip in pairs]
