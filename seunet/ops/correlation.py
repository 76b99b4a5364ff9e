"""Correlation of maps with one dilated kernel."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops.atlas import Atlas
from seunet.ops.atlas import with_border as with_atlas_border
from seunet.ops.lattice import continued, join_lattices, split_lattices
from seunet.ops.pointwise import pointwise
from seunet.ops.subsampling import subsample
from seunet.ops.tracing import is_traced

BORDERS = ("zeros", "replicate")
LEAST_SIDE = 7  # pixels of a lattice; on smaller ones oneDNN loses more time than dilation costs


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
    if step % stride == 0:  # outputs read every r-th pixel alone
        x, stride, step = subsample(x, stride), 1, step // stride
    if border == "replicate" and max(x.shape[-2:]) <= step:  # all taps of an output read one pixel
        return pointwise(subsample(x, stride), kernel.sum((2, 3), keepdim=True), bias)
    radius = kernel.shape[-1] // 2
    if use_lattices(x, kernel, stride, step):
        margin = radius if border == "replicate" else 0
        return join_lattices(F.conv2d(split_lattices(x, step, margin), kernel, bias, padding=radius - margin), step)
    if border == "replicate":
        return F.conv2d(continued(x, step, radius), kernel, bias, stride, dilation=step)
    reached = min(radius, (max(x.shape[-2:]) - 1) // step)  # taps beyond meet zeros alone
    inner = slice(radius - reached, radius + reached + 1)
    if reached == 0:
        return pointwise(subsample(x, stride), kernel[..., inner, inner], bias)
    return F.conv2d(x, kernel[..., inner, inner], bias, stride, padding=step * reached, dilation=step)


def use_lattices(x: Tensor, kernel: Tensor, stride: int, step: int) -> bool:
    """Tell whether a map is faster as a batch of its lattices: the kernel's gradient takes a quarter of the time."""
    whole = all(side % step == 0 and side >= LEAST_SIDE * step for side in x.shape[-2:])
    return whole and stride == 1 and step > 1 and kernel.shape[-1] > 1 and torch.is_grad_enabled()
