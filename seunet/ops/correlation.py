"""Correlation of several maps with one dilated kernel."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops.acceleration import Operator, is_traced
from seunet.ops.atlas import Atlas
from seunet.ops.atlas import with_border as with_atlas_border
from seunet.ops.lattice import Folded, Gathered, continued, lattices
from seunet.ops.pointwise import pointwise
from seunet.ops.shared_kernel import SharedCorrelation, Taps, correlation, use_compiled_gradient
from seunet.ops.subsampling import subsample

BORDERS = ("zeros", "replicate")
LEAST_SIDE = 7  # pixels of a lattice; on smaller ones oneDNN loses more time than dilation costs


@Operator
def dilated_correlation(
    maps: Sequence[Tensor],
    kernel: Tensor,
    bias: Tensor | None,
    stride: int,
    steps: Sequence[int],
    border: str = "zeros",
) -> list[Tensor]:
    """Correlate maps (N, C_in, H, W) with (C_out, C_in, k, k), taps steps[i] pixels apart → (N, C_out, ⌈H/r⌉, ⌈W/r⌉).

    border: what a tap beyond the map reads. `zeros`: 0. `replicate`: the last pixel of the map on the lattice of the
    tap, p + step · Z². Each lattice is continued by its own border pixels.
    """
    correlate = traced_correlation if is_traced() else eager_correlation
    return [correlate(x, kernel, bias, stride, step, border) for x, step in zip(maps, steps, strict=True)]


def atlas_correlation(atlas: Atlas, kernel: Tensor, bias: Tensor | None) -> Atlas:
    """Correlate all maps of an atlas with (C_out, C_in, 3, 3); the result has no border."""
    atlas = with_atlas_border(atlas)
    return Atlas(F.conv2d(atlas.image, kernel, bias, padding=1), atlas.layout, bordered=False)


def traced_correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, step: int, border: str) -> Tensor:
    """Correlate one map, of any size, in few operators of torch."""
    margin = kernel.shape[-1] // 2
    if border == "replicate":
        return F.conv2d(continued(x, step, margin), kernel, bias, stride, dilation=step)
    return F.conv2d(x, kernel, bias, stride, padding=step * margin, dilation=step)


def eager_correlation(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, step: int, border: str) -> Tensor:
    """Correlate one map, without the pixels and taps that its size makes unnecessary."""
    x, stride, step = subsampled_first(x, stride, step)
    if has_lattices_of_one_pixel(x, step, border):
        return correlate_pixels(x, kernel, bias, stride)
    x, taps = with_border(x, stride, step, kernel, border)
    return correlation(x, kernel, bias, taps)


@dilated_correlation.compiled
def dilated_correlation_compiled(
    maps: Sequence[Tensor],
    kernel: Tensor,
    bias: Tensor | None,
    stride: int,
    steps: Sequence[int],
    border: str = "zeros",
) -> list[Tensor]:
    """Correlate all maps together, so that the gradient of the kernel is summed over the small ones at once."""
    placed = [subsampled_first(x, stride, step) for x, step in zip(maps, steps, strict=True)]
    of_one_pixel = [has_lattices_of_one_pixel(x, step, border) for x, _, step in placed]
    arranged = [arrange(*place, kernel, border) for place, one in zip(placed, of_one_pixel, strict=True) if not one]
    others = iter(correlate_arranged(arranged, kernel, bias))
    return [
        correlate_pixels(x, kernel, bias, own) if one else next(others)
        for (x, own, _), one in zip(placed, of_one_pixel, strict=True)
    ]


def subsampled_first(x: Tensor, stride: int, step: int) -> tuple[Tensor, int, int]:
    """Return map, stride and step of an equal correlation: where the stride divides the step, x is subsampled before.

    Then outputs read every r-th pixel alone, and on these the stride is 1 and the step is divided by r.
    """
    return (subsample(x, stride), 1, step // stride) if step % stride == 0 else (x, stride, step)


def has_lattices_of_one_pixel(x: Tensor, step: int, border: str) -> bool:
    """Tell whether all taps of an output read the same pixel, because the map repeats its border."""
    return border == "replicate" and max(x.shape[-2:]) <= step


def correlate_pixels(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """Correlate a map whose lattices have one pixel: a 1 × 1 convolution by the sum of the taps."""
    return pointwise(subsample(x, stride), kernel.sum((2, 3), keepdim=True), bias)


def with_border(x: Tensor, stride: int, step: int, kernel: Tensor, border: str) -> tuple[Tensor, Taps]:
    """Return the map, continued if the border asks for it, and its taps."""
    radius = kernel.shape[-1] // 2
    if border == "replicate" and radius:
        return continued(x, step, radius), Taps(stride, step, 0)
    return x, Taps(stride, step, step * radius)


Arranged = tuple[Tensor, Taps, Callable[[Tensor], Tensor]]


def correlate_arranged(arranged: list[Arranged], kernel: Tensor, bias: Tensor | None) -> list[Tensor]:
    """Correlate the maps that `arrange` returns, and bring each result to the form of its map."""
    small = [use_compiled_gradient(x, kernel) for x, _, _ in arranged]
    if torch.is_grad_enabled() and any(small):
        maps, taps, _ = zip(*arranged, strict=True)
        outputs = SharedCorrelation.apply(kernel, bias, taps, small, *maps)
    else:
        outputs = [correlation(x, kernel, bias, taps) for x, taps, _ in arranged]
    return [put_together(y) for y, (_, _, put_together) in zip(outputs, arranged, strict=True)]


def arrange(x: Tensor, stride: int, step: int, kernel: Tensor, border: str) -> Arranged:
    """Return a map to correlate, its taps, and the function that makes the output of the result.

    The map has its border, and comes as a batch of its lattices where that is faster.
    """
    if not use_lattices(x, stride, step, kernel):
        return *with_border(x, stride, step, kernel, border), lambda y: y
    radius = kernel.shape[-1] // 2
    margin = radius if border == "replicate" else 0
    height, width = x.shape[-2:]
    shape, blocks = torch.Size([len(x), len(kernel), height, width]), lattices(height, width, step, 0)
    batch = Gathered.apply(x, lattices(height, width, step, margin))
    return batch, Taps(1, 1, radius - margin), lambda y: Folded.apply(y, shape, blocks)


def use_lattices(x: Tensor, stride: int, step: int, kernel: Tensor) -> bool:
    """Tell whether a map is faster as a batch of its lattices: the kernel's gradient takes a quarter of the time."""
    large = min(x.shape[-2:]) >= LEAST_SIDE * step
    return stride == 1 and step > 1 and large and kernel.shape[-1] > 1 and torch.is_grad_enabled()
