"""Batch norm of several maps with one mean and variance: in torch, and compiled together with the ReLU."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.ops import native


def normalise(x: Tensor, norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> Tensor:
    """Return weight · (x − mean) / √(variance + eps) + bias, channel by channel."""
    return F.batch_norm(x, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps)


def pooled(means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of scales that count alike, of those of each scale (S, C)."""
    mean = means.mean(0)
    return mean, (variances + (means - mean).square()).mean(0)


def through_statistics(
    weight: Tensor, inverse: Tensor, grad_weight: Tensor, grad_bias: Tensor, scales: int, count: int
) -> tuple[Tensor, Tensor]:
    """Return slope and offset (C,) of the gradient of x through mean and variance: slope · (x − mean) + offset.

    inverse: 1 / √(variance + eps); count: the values per channel of the scale of x, of weight 1 / (scales · count).
    """
    share = weight * inverse / (scales * count)
    return -share * inverse * grad_weight, -share * grad_bias


class Normalisation(torch.autograd.Function):
    """Mean and variance of S maps, (C,) each, and the maps normalised by them, in torch's own operators.

    Statistics by `var_mean` would take ten times as long on a CPU.
    """

    @staticmethod
    def forward(ctx, weight, bias, eps, *maps):
        """Return mean, variance, and S batches (N, C, H_s, W_s)."""
        moments = [torch.batch_norm_update_stats(x, torch.zeros_like(weight), torch.ones_like(weight), 0) for x in maps]
        mean, variance = pooled(*(torch.stack(part) for part in zip(*moments, strict=True)))
        ctx.save_for_backward(weight, mean, variance, *maps)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return mean, variance, *(F.batch_norm(x, mean, variance, weight, bias, False, eps=eps) for x in maps)

    @staticmethod
    def backward(ctx, _mean, _variance, *grads):
        """Backpropagate as if mean and variance were constants; then through them, which is affine in x."""
        weight, mean, variance, *maps = ctx.saved_tensors
        parts = [constant_backward(*pair, mean, variance, weight, ctx.eps) for pair in zip(grads, maps, strict=True)]
        grad_maps, grad_weights, grad_biases = zip(*parts, strict=True)
        grad_weight, grad_bias = sum(grad_weights), sum(grad_biases)
        inverse = torch.rsqrt(variance + ctx.eps)
        for grad, x in zip(grad_maps, maps, strict=True):
            count = x.numel() // x.shape[1]
            slope, offset = through_statistics(weight, inverse, grad_weight, grad_bias, len(maps), count)
            grad.addcmul_(x, slope.to(x.dtype)[:, None, None])
            grad.add_((offset - slope * mean).to(x.dtype)[:, None, None])
        return grad_weight, grad_bias, None, *grad_maps


def constant_backward(
    grad: Tensor, x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of `normalise` for x, weight and bias, mean and variance being constants."""
    backward = torch.ops.aten.native_batch_norm_backward
    empty = mean.new_empty(0)
    return backward(grad, x, weight, mean, variance, empty, empty, False, eps, [True, True, True])


class CompiledNormalisation(torch.autograd.Function):
    """As Normalisation, and the ReLU with it: two passes over the maps in each direction, no map of its own kept."""

    @staticmethod
    def forward(ctx, weight, bias, eps, positive, *maps):
        """Return mean, variance, and S batches (N, C, H_s, W_s)."""
        maps = [native.channels_last(x) for x in maps]
        y, facts = [torch.empty_like(x) for x in maps], torch.empty(4, len(weight))
        parameters = (weight.float(), bias.float())
        native.call(
            native.name_of("normalise", maps[0]), maps, y, pixels(maps), facts, *parameters, *sizes(maps, positive), eps
        )
        ctx.save_for_backward(facts, *maps)
        ctx.eps, ctx.positive, ctx.dtype = eps, positive, weight.dtype
        mean, variance, _, _ = facts
        ctx.mark_non_differentiable(mean, variance)
        return mean, variance, *y

    @staticmethod
    def backward(ctx, _mean, _variance, *grads):
        """Return the gradients of weight, bias and maps."""
        facts, *maps = ctx.saved_tensors
        grads = [native.channels_last(grad.to(x.dtype)) for grad, x in zip(grads, maps, strict=True)]
        grad_maps, (grad_weight, grad_bias) = [torch.empty_like(x) for x in maps], torch.empty(2, facts.shape[1])
        native.call(
            native.name_of("normalise_backward", maps[0]),
            *(grads, maps, grad_maps, pixels(maps), facts, grad_weight, grad_bias, *sizes(maps, ctx.positive), ctx.eps),
        )
        return grad_weight.to(ctx.dtype), grad_bias.to(ctx.dtype), None, None, *grad_maps


def scale_and_shift(maps: list[Tensor], a: Tensor, b: Tensor, positive: bool, inplace: bool) -> list[Tensor]:
    """Return a · x + b, or its positive part, of every map, in new memory or in that of the maps; compiled."""
    maps = [native.channels_last(x) for x in maps]
    y = maps if inplace else [torch.empty_like(x) for x in maps]
    native.call(native.name_of("normalise_apply", maps[0]), maps, y, pixels(maps), a, b, *sizes(maps, positive))
    return y


def pixels(maps: list[Tensor]) -> list[int]:
    """Return the values per channel of each map."""
    return [x.numel() // x.shape[1] for x in maps]


def sizes(maps: list[Tensor], positive: bool) -> tuple[int, int, int]:
    """Return what the compiled code wants to know of maps beside their pixels."""
    return len(maps), maps[0].shape[1], int(positive)
