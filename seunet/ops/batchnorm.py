"""Batch norm of several maps with one mean and variance, and the ReLU that may follow it.

In training mode the statistics are those of the maps, in evaluation mode the running ones. The compiled twin of the
former applies the ReLU in the same pass.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.ops import native
from seunet.ops.acceleration import Operator
from seunet.ops.atlas import Atlas, image_of, pixels_of


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
    if len(maps) == 1:
        return [rectified(nn.BatchNorm2d.forward(norm, maps[0]), positive)]
    if len({x.shape for x in maps}) == 1:
        # maps of one size: the statistics are those of all values, which torch's own batch norm computes
        return rectified(nn.BatchNorm2d.forward(norm, torch.cat(maps)), positive).chunk(len(maps))
    pixels = [x.permute(0, 2, 3, 1).flatten(0, 2) for x in maps]
    counts = values_per_channel(maps)
    weights = [
        x.new_full((n,), 1 / (len(maps) * n), dtype=statistics_type(x)) for x, n in zip(maps, counts, strict=True)
    ]
    share = torch.cat(weights)
    parts = normalised(torch.cat(pixels), share, norm, positive, sum(counts)).split(counts)
    return [part.view(x.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2) for part, x in zip(parts, maps, strict=True)]


def batch_norm_atlas(atlas: Atlas, norm: BatchNorm, positive: bool) -> Atlas:
    """Normalise the maps of an atlas as `batch_norm_training` does; the result has its border."""
    image, layout = atlas.image, atlas.layout
    (share,) = layout.table("shares", image, len(image), statistics_type(image))
    count = len(image) * sum(height * width for height, width in layout.sizes)
    pixels = pixels_of(image)
    if layout.border == "zeros":
        border = layout.table("inside", image)[0].flatten()[:, None]
    else:
        (border,) = layout.table("sources", image)
    y = normalised(pixels.flatten(0, 1), share, norm, positive, count, border)
    return Atlas(image_of(y.view(pixels.shape), layout), layout)


def normalised(
    x: Tensor, share: Tensor, norm: BatchNorm, positive: bool, count: int, border: Tensor | None = None
) -> Tensor:
    """Normalise values (M, C) by mean and variance in which value m has the weight share[m], and update `norm`.

    count: how many values there are, without borders. border: see `Normalisation`.
    """
    with torch.autocast(x.device.type, enabled=False):
        y, mean, variance = Normalisation.apply(x, norm.weight, norm.bias, share, border, norm.eps, positive)
    update_running_statistics(norm, mean, variance, count)
    return y


@batch_norm_training.compiled
def batch_norm_training_compiled(maps: list[Tensor], norm: BatchNorm, positive: bool) -> Sequence[Tensor]:
    """Normalise by statistics that one pass over the maps computes."""
    mean, variance, *y = CompiledNormalisation.apply(norm.weight, norm.bias, norm.eps, positive, *maps)
    update_running_statistics(norm, mean, variance, sum(values_per_channel(maps)))
    return y


def batch_norm_evaluation(maps: list[Tensor], norm: BatchNorm, positive: bool) -> list[Tensor]:
    """Normalise maps (N, C, H_s, W_s) by the running statistics of `norm`. positive: apply the ReLU."""
    mean, variance = norm.running_mean, norm.running_var
    return [
        rectified(F.batch_norm(x, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps), positive)
        for x in maps
    ]


def rectified(x: Tensor, positive: bool) -> Tensor:
    """Return x, after the ReLU in place if `positive`."""
    return F.relu_(x) if positive else x


@torch.no_grad()
def update_running_statistics(norm: BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update the running statistics as torch does: the running variance is divided by the number of values − 1."""
    norm.num_batches_tracked += 1
    share = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    new = [mean.to(norm.running_mean), (variance * (count / max(1, count - 1))).to(norm.running_var)]
    torch._foreach_lerp_([norm.running_mean, norm.running_var], new, share)


class Normalisation(torch.autograd.Function):
    """Values (M, C) normalised by their weighted mean and variance, and these; in operators of torch.

    positive: the ReLU follows. border, of an atlas with P places: (P, 1), by which the values of each image are
    multiplied, or (P), the place whose values are copied to each place.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, share, border, eps, positive):
        """Return values, mean and variance."""
        wide = x.to(share.dtype)
        mean = (share[None] @ wide)[0]
        variance = (share[None] @ (wide - mean).square_())[0]
        y = rectified(F.batch_norm(x, mean, variance, weight, bias, False, eps=eps), positive)
        if border is not None and border.dim() == 2:
            y.unflatten(0, (-1, len(border))).mul_(border)
        elif border is not None:
            y = y.unflatten(0, (-1, len(border))).index_select(1, border).flatten(0, 1)
        ctx.save_for_backward(x, weight, share, border, mean, variance, y if positive else None)
        ctx.eps = eps
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)  # which would fill zeros for mean and variance
        return y, mean, variance

    @staticmethod
    def backward(ctx, grad, _mean, _variance):
        """Subtract from the gradient with constant mean and variance what goes through these."""
        x, weight, share, border, mean, variance, y = ctx.saved_tensors
        if border is not None and border.dim() == 1:
            grad = grad.unflatten(0, (-1, len(border)))
            grad = torch.zeros_like(grad).index_add_(1, border, grad).flatten(0, 1)
        elif border is not None and y is None:
            grad = (grad.unflatten(0, (-1, len(border))) * border.to(grad.dtype)).flatten(0, 1)
        if y is not None:
            grad = torch.ops.aten.threshold_backward(grad, y, 0)  # y is 0 at borders of zeros as well
        statistics = (mean, variance, weight, ctx.eps)
        grad_x, grad_weight, grad_bias = constant_backward(grad, x, *statistics)
        sums = torch.stack([grad_weight, grad_bias])
        slope, offset = constant_backward(sums, sums, *statistics)[0]
        through = F.batch_norm(x, mean, variance, slope, offset, False, eps=ctx.eps)
        grad_x.addcmul_(through, share.to(x.dtype)[:, None], value=-1)
        return grad_x, grad_weight, grad_bias, None, None, None, None


def constant_backward(
    grad: Tensor, x: Tensor, mean: Tensor, variance: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients for x, weight and bias of a batch norm whose mean and variance are constants."""
    backward = torch.ops.aten.native_batch_norm_backward
    empty = mean.new_empty(0)
    return backward(grad, x, weight, mean, variance, empty, empty, False, eps, [True, True, True])


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


def statistics_type(x: Tensor) -> torch.dtype:
    """Return the type in which the statistics of a map are computed: at least float32."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def values_per_channel(maps: Sequence[Tensor]) -> list[int]:
    """Return the number of values in a channel of each map."""
    return [x.numel() // x.shape[1] for x in maps]


def sizes(maps: list[Tensor], positive: bool) -> tuple[int, int, int]:
    """Return the integers that all functions of normalisation.cpp take: number of maps, channels, 1 for the ReLU."""
    return len(maps), maps[0].shape[1], int(positive)
