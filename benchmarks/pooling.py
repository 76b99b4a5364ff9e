"""Quadratic pooling, forward and backward, against a plain max pooling of the same stride on the same maps."""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from benchmarks.measure import Row, medians
from seunet.layers import QuadraticDilation
from seunet.ops import maxplus
from seunet.ops.acceleration import is_compiled

SCALES, SHAPE = 4, (8, 16, 112, 112)


def rows() -> list[Row]:
    """Compare the compiled with the plain code, then time both geometries (7 taps an axis; 7, 13, 25, 49)."""
    maps = [torch.randn(SHAPE).contiguous(memory_format=torch.channels_last).requires_grad_() for _ in range(SCALES)]
    check(maps[0].detach())
    released, exact = QuadraticDilation(SHAPE[1]), QuadraticDilation(SHAPE[1], geometry="exact")
    time = medians(
        {
            "plain": lambda: both_ways(lambda maps: [F.max_pool2d(x, 2) for x in maps], maps),
            "released": lambda: both_ways(released, maps),
            "exact": lambda: both_ways(exact, maps),
        }
    )
    return [
        Row("Quadratic pooling, released, up to 49 taps / max pooling", time["released"] / time["plain"], 2),
        Row("Quadratic pooling, exact, 7 taps / max pooling", time["exact"] / time["plain"], 2),
    ]


def both_ways(layer: Callable[[list[Tensor]], list[Tensor]], maps: list[Tensor]) -> None:
    """Run forward and backward."""
    y = layer(maps)
    torch.autograd.grad(y, maps, [torch.ones_like(y_s) for y_s in y])


def check(x: Tensor) -> None:
    """Stop unless the compiled code gives the bits of the plain code; without a compiler there is none to compare."""
    if is_compiled(x):
        arguments = (x, torch.linspace(0.1, 1, x.shape[1]), 2, 1, 24)
        pairs = zip(maxplus.compiled_dilation(*arguments), maxplus.dilation.reference(*arguments), strict=True)
        assert all(torch.equal(*pair) for pair in pairs), "the compiled pooling is not the plain one"
