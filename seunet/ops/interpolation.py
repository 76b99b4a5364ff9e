"""Upsampling of maps: alone, added to a larger map, or inside a maximum over scales."""

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops import native, onnx_nodes
from seunet.ops.acceleration import Operator
from seunet.ops.lattice import Replicated
from seunet.ops.tracing import Recorder, is_traced, recorder

MODES = ("nearest", "half_pixel", "aligned")


def upsample(x: Tensor, factor: int, mode: str, size: tuple[int, int] | None = None) -> Tensor:
    """Upsample (N, C, h, w) to (N, C, t h, t w), or to the part of it that is `size`.

    nearest: each pixel becomes a square of t × t. half_pixel: bilinear between the centres of the pixels, the default
    of TensorFlow and torch. aligned: bilinear, output pixel t·p is input pixel p; past the last pixel its value is
    repeated.
    """
    height, width = (factor * side for side in x.shape[-2:])
    if factor == 1:
        y = x
    elif mode == "aligned" and recorder() == Recorder.ONNX:
        y = onnx_nodes.resize(x, factor)
    elif mode == "aligned":
        y = with_last_repeated(x)
        y = F.interpolate(y, size=(height + 1, width + 1), mode="bilinear", align_corners=True)
    elif mode == "half_pixel":
        y = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    else:
        y = F.interpolate(x, scale_factor=factor, mode="nearest")
    return cut(y, size or (height, width))


def cut(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the first rows and columns of (N, C, h, w); an export takes the sizes of maps, by `size_of`."""
    if recorder() < Recorder.EXPORT:
        return x[..., : size[0], : size[1]]
    if known_to_be_of(x, size):
        return x
    return onnx_nodes.cut(x, size) if recorder() == Recorder.ONNX else of_length(of_length(x, 2, size[0]), 3, size[1])


def known_to_be_of(x: Tensor, size: tuple[int, int]) -> bool:
    """Tell whether a trace knows that a map has this size, whatever the image has; it takes no answer for a rule."""
    from torch.fx.experimental.symbolic_shapes import statically_known_true  # slow to import

    return all(statically_known_true(side == wanted) for side, wanted in zip(x.shape[-2:], size, strict=True))


def of_length(x: Tensor, axis: int, length: int) -> Tensor:
    """Return the first `length` rows or columns; behind the last one its repetitions.

    By index: of slices and pads, torch.export asks whether they change anything, and takes the answer for a rule.
    """
    return x.index_select(axis, torch.arange(length, device=x.device).clamp(max=x.shape[axis] - 1))


def with_last_repeated(x: Tensor) -> Tensor:
    """Return (N, C, h + 1, w + 1), the last row and column twice; inductor 2.13 has no gradient of such a padding."""
    if not is_traced():
        return Replicated.apply(x, (0, 1, 0, 1))
    x = torch.cat([x, x[..., -1:, :]], 2)
    return torch.cat([x, x[..., -1:]], 3)


def size_of(x: Tensor) -> tuple[int, int]:
    """Return height and width of maps (…, H, W)."""
    if recorder() == Recorder.ONNX:
        onnx_nodes.remember_size(x)
    return x.shape[-2], x.shape[-1]


@Operator
def add_upsampled(y: Tensor, x: Tensor, factor: int, mode: str, positive: bool = False) -> Tensor:
    """Return y + upsample(x), cut to the size of y, (N, C, H, W), or its positive part.

    Without gradients, y may be overwritten.
    """
    y = y + upsample(x, factor, mode, size_of(y))
    return F.relu_(y) if positive else y


@add_upsampled.compiled
def add_upsampled_compiled(y: Tensor, x: Tensor, factor: int, mode: str, positive: bool = False) -> Tensor:
    """Interpolate and add in one pass, and without gradients the ReLU."""
    if not torch.is_grad_enabled():
        return add_compiled(y, x.to(y.dtype), factor, mode, y, positive)
    y = AddUpsampled.apply(y, x.to(y.dtype), factor, mode)
    return F.relu_(y) if positive else y


@Operator
def largest(maps: Sequence[Tensor], factors: Sequence[int], keep: Tensor | None) -> Tensor:
    """Return the maximum over scales of keep[s] · upsample(maps[s], factors[s], aligned), cut to the size of maps[0].

    keep (S, N, C), by default 1. The first scale that has the maximum receives the gradient.
    """
    size = size_of(maps[0])
    pairs = zip(maps, factors, strict=True)
    values = (upsample(x, factor, "aligned", size) for x, factor in pairs)
    if keep is None and recorder() == Recorder.ONNX:
        return functools.reduce(torch.maximum, values)
    stacked = torch.stack([*values])
    if keep is not None:
        stacked *= keep[..., None, None].to(stacked)
    return stacked.max(0).values if recorder() >= Recorder.TRANSFORM else FirstMaximum.apply(stacked)


class FirstMaximum(torch.autograd.Function):
    """Maximum over the first axis. For backward it stores its place in a byte per value, where torch takes eight."""

    @staticmethod
    def forward(ctx, x):
        """(S, …) → (…)."""
        best, place = x.max(0)
        ctx.save_for_backward(place.to(torch.uint8))
        ctx.shape = x.shape
        return best

    @staticmethod
    def backward(ctx, grad):
        """Send each gradient to the first of the maxima; torch's amax would split it between them."""
        (place,) = ctx.saved_tensors
        return grad.new_zeros(ctx.shape).scatter_(0, place.long()[None], grad[None])


@largest.compiled
def largest_compiled(maps: Sequence[Tensor], factors: Sequence[int], keep: Tensor | None) -> Tensor:
    """Compare all scales in one pass, which interpolates where the scales are coarser."""
    keep = torch.ones(len(maps), *maps[0].shape[:2]) if keep is None else keep
    return Largest.apply(tuple(factors), keep, *maps)


def add_compiled(y: Tensor, x: Tensor, factor: int, mode: str, out: Tensor, positive: bool = False) -> Tensor:
    """Write y + upsample(x), or its positive part, to `out`, which may be y; return the map that was written."""
    x, source = native.channels_last(x), native.channels_last(y)
    out = source if out is y else native.channels_last(out)
    tables = tables_of([(x.shape, factor)], y.shape, mode)
    sizes = (y.shape[0], *x.shape[2:], *y.shape[2:], y.shape[1], int(positive))
    native.call(native.name_of("interpolate_add", y), x, source, out, *tables[:3], *sizes)
    return out


class AddUpsampled(torch.autograd.Function):
    """See `add_upsampled`; compiled."""

    @staticmethod
    def forward(ctx, y, x, factor, mode):
        """Interpolate and add in one pass."""
        ctx.geometry = (x.shape, factor, mode)
        return add_compiled(y, x, factor, mode, torch.empty_like(y))

    @staticmethod
    def backward(ctx, grad):
        """Return the gradients: for y the given one, for x the transpose of the interpolation of it."""
        shape, factor, mode = ctx.geometry
        return grad, transpose(grad, shape, factor, mode), None, None


class Largest(torch.autograd.Function):
    """See `largest`; compiled. For backward it stores the number of the scale with the maximum, a byte per value."""

    @staticmethod
    def forward(ctx, factors, keep, *maps):
        """Compare all scales in one pass."""
        maps = [native.channels_last(x) for x in maps]
        images, channels, height, width = maps[0].shape
        geometry = [(x.shape, factor) for x, factor in zip(maps, factors, strict=True)]
        tables = tables_of(geometry, maps[0].shape, "aligned")
        keep = keep.float().contiguous()
        best, place = torch.empty_like(maps[0]), native.empty(maps[0].shape, torch.int8)
        sizes = [side for x in maps for side in x.shape[2:]]
        name = native.name_of("interpolate_maximum", best)
        native.call(name, maps, keep, sizes, *tables[:3], best, place, len(maps), images, height, width, channels)
        ctx.save_for_backward(keep, place)
        ctx.geometry = geometry
        return best

    @staticmethod
    def backward(ctx, grad):
        """Send each gradient to the scale that had the maximum."""
        keep, place = ctx.saved_tensors
        grads = [
            transpose(grad, shape, factor, "aligned", place, keep[s], s)
            for s, (shape, factor) in enumerate(ctx.geometry)
        ]
        return None, None, *grads


def transpose(
    grad: Tensor,
    shape: torch.Size,
    factor: int,
    mode: str,
    place: Tensor | None = None,
    keep: Tensor | None = None,
    number: int = 0,
) -> Tensor:
    """Return the gradient for the input of `upsample`, of the given shape, from that for the output; compiled.

    place, keep and number, as of `largest`: only output pixels whose place is `number` count, times keep (N, C).
    """
    grad = native.channels_last(grad)
    images, channels, height, width = grad.shape
    grad_x = native.empty(shape, grad.dtype)
    firsts, seconds, weights, (begin, _), (end, _) = tables_of([(shape, factor)], grad.shape, mode)
    sizes = (number, images, *shape[2:], height, width, channels)
    name = native.name_of("interpolate_transpose", grad)
    native.call(name, grad, place, keep, grad_x, firsts, seconds, weights, begin, end, *sizes)
    return grad_x


def tables_of(maps: Sequence[tuple[torch.Size, int]], size: torch.Size, mode: str) -> list[list[Tensor]]:
    """Return the five tables of `axis_of`, each for the rows and the columns of maps: (shape, factor)."""
    axes = [axis_of(shape[i], size[i], factor, mode) for shape, factor in maps for i in (2, 3)]
    return [list(table) for table in zip(*axes, strict=True)]


@functools.lru_cache(maxsize=1024)
def axis_of(small: int, large: int, factor: int, mode: str) -> tuple[Tensor, ...]:
    """Return five tables: how an axis of `large` output pixels is interpolated from `small` input pixels.

    For each output: the input before it, the input after it (the same where that has no weight: it may be NaN), both
    int32, and the weight of the input after it (float32).
    For each input: the first output that reads it, and one more than the last output that reads it (int32).
    """
    place = torch.arange(large, dtype=torch.float64)
    place = {"nearest": place // factor, "aligned": place / factor, "half_pixel": (place + 0.5) / factor - 0.5}[mode]
    place = place.clamp(0, small - 1)
    first = place.floor()
    second = torch.where(place > first, first + 1, first)
    pixels = torch.arange(small)[:, None]
    read = (first == pixels) | (second == pixels)
    begin, end = read.int().argmax(1), large - read.flip(1).int().argmax(1)
    end = torch.where(read.any(1), end, begin)
    return first.int(), second.int(), (place - first).float(), begin.int(), end.int()
