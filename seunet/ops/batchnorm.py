"""Batch norm of several maps with one mean and variance, and the ReLU that may follow it.

There are two operators: in training mode the statistics are those of the maps, in evaluation mode the running ones. The
compiled twins apply the ReLU in the same pass.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.ops import native
from seunet.ops.acceleration import Operator


class BatchNorm(nn.BatchNorm2d):
    """torch's batch norm with weight, bias and running statistics: here none of them is None."""

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor  # type: ignore[assignment]  # torch has None for a batch norm without statistics
    running_var: Tensor  # type: ignore[assignment]
    num_batches_tracked: Tensor  # type: ignore[assignment]


@Operator
def batch_norm_training(maps: list[Tensor], norm: BatchNorm, positive: bool) -> Sequence[Tensor]:
    """Normalise S maps (N, C, H_s, W_s) by their common mean and variance, and update the running ones of `norm`.

    Each map has the same weight in the statistics, whatever its size. positive: apply the ReLU.
    """
    if len({x.shape for x in maps}) == 1:
        # maps of one size: the statistics are those of all values, which torch's own batch norm computes
        return rectified(nn.BatchNorm2d.forward(norm, torch.cat(maps)), positive).chunk(len(maps))
    mean, variance, *y = Normalisation.apply(norm.weight, norm.bias, norm.eps, *maps)
    update_running_statistics(norm, mean, variance, maps)
    return [rectified(x, positive) for x in y]


@batch_norm_training.compiled
def batch_norm_training_compiled(maps: list[Tensor], norm: BatchNorm, positive: bool) -> Sequence[Tensor]:
    """Normalise by statistics that one pass over the maps computes."""
    mean, variance, *y = CompiledNormalisation.apply(norm.weight, norm.bias, norm.eps, positive, *maps)
    update_running_statistics(norm, mean, variance, maps)
    return y


@Operator
def batch_norm_evaluation(maps: list[Tensor], norm: BatchNorm, positive: bool, inplace: bool) -> Sequence[Tensor]:
    """Normalise maps (N, C, H_s, W_s) by the running statistics of `norm`.

    positive: apply the ReLU. inplace: without gradients, the maps may be overwritten.
    """
    mean, variance = norm.running_mean, norm.running_var
    return [
        rectified(F.batch_norm(x, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps), positive)
        for x in maps
    ]


@batch_norm_evaluation.compiled
def batch_norm_evaluation_compiled(
    maps: list[Tensor], norm: BatchNorm, positive: bool, inplace: bool
) -> Sequence[Tensor]:
    """Return a · x + b of every map, or its positive part. The compiled code has no gradient for this."""
    if torch.is_grad_enabled():
        return batch_norm_evaluation.reference(maps, norm, positive, inplace)
    a = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    b = norm.bias - norm.running_mean * a
    maps = [native.channels_last(x) for x in maps]
    y = maps if inplace else [torch.empty_like(x) for x in maps]
    name = native.name_of("normalise_apply", maps[0])
    native.call(name, maps, y, values_per_channel(maps), a.float(), b.float(), *sizes(maps, positive))
    return y


def rectified(x: Tensor, positive: bool) -> Tensor:
    """Return x, after the ReLU in place if `positive`."""
    return F.relu_(x) if positive else x


@torch.no_grad()
def update_running_statistics(norm: BatchNorm, mean: Tensor, variance: Tensor, maps: list[Tensor]) -> None:
    """Update the running statistics as torch does: the running variance is divided by the number of values − 1."""
    count = sum(values_per_channel(maps))
    norm.num_batches_tracked += 1
    share = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    norm.running_var.lerp_((variance * (count / max(1, count - 1))).to(norm.running_var), share)


class Normalisation(torch.autograd.Function):
    """Mean and variance (C,) of S maps together, and the maps normalised by them, in operators of torch.

    `torch.batch_norm_update_stats` computes the statistics; on a CPU `torch.var_mean` takes ten times as long.
    """

    @staticmethod
    def forward(ctx, weight, bias, eps, *maps):
        """Return mean, variance, and S maps (N, C, H_s, W_s)."""
        moments = [torch.batch_norm_update_stats(x, torch.zeros_like(weight), torch.ones_like(weight), 0) for x in maps]
        mean, variance = pooled(*(torch.stack(part) for part in zip(*moments, strict=True)))
        ctx.save_for_backward(weight, mean, variance, *maps)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        return mean, variance, *(F.batch_norm(x, mean, variance, weight, bias, False, eps=eps) for x in maps)

    @staticmethod
    def backward(ctx, _mean, _variance, *grads):
        """Add two gradients: with mean and variance constant; and through them, slope · x + offset in each map."""
        weight, mean, variance, *maps = ctx.saved_tensors
        parts = [constant_backward(*pair, mean, variance, weight, ctx.eps) for pair in zip(grads, maps, strict=True)]
        grad_maps, grad_weights, grad_biases = zip(*parts, strict=True)
        grad_weight, grad_bias = sum(grad_weights), sum(grad_biases)
        inverse = torch.rsqrt(variance + ctx.eps)
        for grad, x, count in zip(grad_maps, maps, values_per_channel(maps), strict=True):
            slope, offset = through_statistics(weight, inverse, grad_weight, grad_bias, len(maps), count)
            grad.addcmul_(x, slope.to(x.dtype)[:, None, None])
            grad.add_((offset - slope * mean).to(x.dtype)[:, None, None])
        return grad_weight, grad_bias, None, *grad_maps


def pooled(means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of S maps of equal weight, from the means and variances (S, C) of each."""
    mean = means.mean(0)
    return mean, (variances + (means - mean).square()).mean(0)


def constant_backward(
    grad: Tensor, x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients for x, weight and bias of a batch norm whose mean and variance are constants."""
    backward = torch.ops.aten.native_batch_norm_backward
    empty = mean.new_empty(0)
    return backward(grad, x, weight, mean, variance, empty, empty, False, eps, [True, True, True])


def through_statistics(
    weight: Tensor, inverse: Tensor, grad_weight: Tensor, grad_bias: Tensor, scales: int, count: int
) -> tuple[Tensor, Tensor]:
    """Return slope and offset (C,) of the gradient of x through mean and variance: slope · (x − mean) + offset.

    inverse: 1 / √(variance + eps). count: the values per channel of the map x; each has weight 1 / (scales · count).
    """
    share = weight * inverse / (scales * count)
    return -share * inverse * grad_weight, -share * grad_bias


class CompiledNormalisation(torch.autograd.Function):
    """See `Normalisation`; compiled, with the ReLU: two passes over the maps in each direction. Stores no new map."""

    @staticmethod
    def forward(ctx, weight, bias, eps, positive, *maps):
        """Return mean, variance, and S maps (N, C, H_s, W_s)."""
        maps = [native.channels_last(x) for x in maps]
        y, facts = [torch.empty_like(x) for x in maps], torch.empty(4, len(weight))
        name = native.name_of("normalise", maps[0])
        parameters = (weight.float(), bias.float())
        native.call(name, maps, y, values_per_channel(maps), facts, *parameters, *sizes(maps, positive), eps)
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
        name = native.name_of("normalise_backward", maps[0])
        parts = (facts, grad_weight, grad_bias, *sizes(maps, ctx.positive), ctx.eps)
        native.call(name, grads, maps, grad_maps, values_per_channel(maps), *parts)
        return grad_weight.to(ctx.dtype), grad_bias.to(ctx.dtype), None, None, *grad_maps


def values_per_channel(maps: Sequence[Tensor]) -> list[int]:
    """Return the number of values in a channel of each map."""
    return [x.numel() // x.shape[1] for x in maps]


def sizes(maps: list[Tensor], positive: bool) -> tuple[int, int, int]:
    """Return the integers that all functions of normalisation.cpp take: number of maps, channels, 1 for the ReLU."""
    return len(maps), maps[0].shape[1], int(positive)
