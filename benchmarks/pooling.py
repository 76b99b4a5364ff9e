"""Quadratic pooling, forward and backward, against a plain max pooling of the same stride on the same maps."""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from benchmarks.measure import Row, medians
from seunet.layers import QuadraticDilation, maxplus, native
from seunet.layers.lifted import stack_scales

SHAPE = (4, 8, 16, 112, 112)


def rows() -> list[Row]:
    """Compare the compiled with the plain code, then time both geometries (7 taps an axis; 7, 13, 25, 49)."""
    x = stack_scales([part.contiguous(memory_format=torch.channels_last) for part in torch.randn(SHAPE)])
    check(x[0])
    x.requires_grad_()
    released, exact = QuadraticDilation(SHAPE[2]), QuadraticDilation(SHAPE[2], geometry="exact")
    time = medians(
        {
            "plain": lambda: both_ways(lambda x: F.max_pool2d(x.flatten(0, 1), 2), x),
            "released": lambda: both_ways(released, x),
            "exact": lambda: both_ways(exact, x),
        }
    )
    return [
        Row("Quadratic pooling, released, up to 49 taps / max pooling", time["released"] / time["plain"], 2),
        Row("Quadratic pooling, exact, 7 taps / max pooling", time["exact"] / time["plain"], 2),
    ]


def both_ways(layer: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Run forward and backward."""
    y = layer(x)
    torch.autograd.grad(y, x, torch.ones_like(y))


def check(x: Tensor) -> None:
    """Stop unless the compiled code gives the bits of the plain code; without a compiler there is none to compare."""
    if native.usable(x):
        arguments = (x, torch.linspace(0.1, 1, x.shape[1]), 2, 2, 1, 24)
        for compiled, plain in zip(native.maximum(*arguments), maxplus.maximum(*arguments), strict=True):
            assert torch.equal(compiled, plain), "the compiled pooling is not the plain one"
