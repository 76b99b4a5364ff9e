"""Operators as nodes of ONNX, where those of torch would be many: taken while a network is traced for an ONNX file."""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.ops.lattice import continued
from seunet.ops.tracing import ONNX_SIZES

MAX_WINDOWS = 3  # radius up to which a maximum of windows is faster than a convolution


def remember_size(x: Tensor) -> None:
    """Add the node that reads height and width of a map, once for each size, for `cut`."""
    key = str(tuple(x.shape[-2:]))
    if key not in ONNX_SIZES[-1]:
        ONNX_SIZES[-1][key] = torch.onnx.ops.symbolic(
            "Shape", (x,), {"start": 2, "end": 4}, dtype=torch.int64, shape=(2,)
        )


def cut(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the first rows and columns of (N, C, h, w); the size is one that was remembered, or of numbers."""
    ends = torch.tensor(size) if all(type(side) is int for side in size) else ONNX_SIZES[-1][str(tuple(size))]
    inputs = (x, torch.tensor([0, 0]), ends, torch.tensor([2, 3]))
    return torch.onnx.ops.symbolic("Slice", inputs, dtype=x.dtype, shape=(*x.shape[:2], *size))


def resize(x: Tensor, factor: int) -> Tensor:
    """Upsample (N, C, h, w) to (N, C, t h, t w) as `aligned` does: see `interpolation.upsample`."""
    images, channels, height, width = x.shape
    scales = torch.tensor([1.0, 1.0, factor, factor])
    shape = (images, channels, factor * height, factor * width)
    return torch.onnx.ops.symbolic(
        "Resize",
        (x, None, scales),
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"},
        dtype=x.dtype,
        shape=shape,
    )


def dilate(x: Tensor, penalty: Tensor, stride: int, step: int, radius: int) -> Tensor:
    """Return the maxima of `maxplus.dilation`.

    Of few taps: as the penalty grows with the distance, they are the maxima over k of M_k(p) − c k², where M_k is the
    maximum of a window of radius k. Of many: each tap is a channel of a convolution, whose bias is its
    penalty. A tap beyond the map reads the nearest one within, and does not win, since its penalty is no lower.
    """
    if radius <= MAX_WINDOWS:
        for axes in ((1, 0), (0, 1)):  # rows, then columns
            windows = [max_pool(x, axes, k, stride, step) for k in range(radius + 1)]
            weighted = [y - penalty[:, None, None] * k**2 if k else y for k, y in enumerate(windows)]
            x = torch.onnx.ops.symbolic("Max", weighted, dtype=x.dtype, shape=windows[0].shape)
        return x
    channels, taps = x.shape[1], 2 * radius + 1
    one_tap = torch.eye(taps).repeat(channels, 1)
    bias = -(penalty[:, None] * torch.arange(-radius, radius + 1).square()).flatten()
    x = continued(x, step, radius)
    for down, along in ((1, 0), (0, 1)):
        kernel = one_tap.view(-1, 1, *((taps, 1) if down else (1, taps)))
        spread = {"stride": (stride**down, stride**along), "dilation": (step**down, step**along)}
        y = F.conv2d(x, kernel, bias, groups=channels, **spread)
        best = reshape(y, taps).amax(1, keepdim=True)
        x = reshape(best, channels)
    return x


def max_pool(x: Tensor, axes: tuple[int, int], radius: int, stride: int, step: int) -> Tensor:
    """Return the maximum over a window of this radius along the axis that is 1; torch's own has no such borders."""
    geometry: dict[str, Any] = {
        "kernel_shape": [2 * radius * axis + 1 for axis in axes],
        "strides": [stride**axis for axis in axes],
        "dilations": [step, step],
        "pads": [radius * step * axis for axis in axes * 2],
    }
    size = [(side - 1) // stride**axis + 1 for side, axis in zip(x.shape[2:], axes, strict=True)]
    return torch.onnx.ops.symbolic("MaxPool", (x,), geometry, dtype=x.dtype, shape=(*x.shape[:2], *size))


def reshape(x: Tensor, channels: int) -> Tensor:
    """(N, C, H, W) → (N · C / channels, channels, H, W), whatever the sizes are."""
    images, before, height, width = x.shape
    shape = (images * before // channels, channels, height, width)
    return torch.onnx.ops.symbolic("Reshape", (x, torch.tensor([-1, channels, 0, 0])), dtype=x.dtype, shape=shape)
