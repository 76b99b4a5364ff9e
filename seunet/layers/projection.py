"""Projection: from a lifted map back to an image, and the dropout of whole scales before it."""

import torch
from torch import Tensor, nn

from seunet.errors import UserError
from seunet.layers.lifted import check_choice


class ScaleProjection(nn.Module):
    """Π: lifted map (S, N, C, H, W) → (N, C, H, W), the maximum or the mean over scales.

    Law: Π(R_k x) = R_k Π(x) as far as the scales cut off by the truncation do not carry the maximum.
    """

    def __init__(self, reduction: str = "max"):
        super().__init__()
        check_choice("projection", reduction, ("max", "mean"))
        self.reduction = reduction

    def forward(self, x: Tensor) -> Tensor:
        """(S, N, C, H, W) → (N, C, H, W)."""
        return x.amax(0) if self.reduction == "max" else x.mean(0)

    def extra_repr(self) -> str:
        """Show the reduction."""
        return self.reduction


class ScaleDropout(nn.Module):
    """Set each (scale, sample, channel) of (S, N, C, H, W) to zero with probability p, while training.

    The mask is constant in space, and survivors are *not* rescaled: a maximum over scales follows, whose size
    does not grow with the number of survivors.
    """

    def __init__(self, p: float = 0.25):
        super().__init__()
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
            raise UserError(f"scale_dropout: expected a probability from 0 to 1, got {p!r}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """(S, N, C, H, W) → (S, N, C, H, W)."""
        if not self.training or self.p == 0:
            return x
        return x * self.draw(*x.shape[:3]).to(x)

    def draw(self, *shape: int) -> Tensor:
        """Return which maps of a lifted map (S, N, C) survive, as (S, N, C, 1, 1).

        Drawn by the CPU's generator, so that one seed gives one training on every device.
        """
        return (torch.rand(shape) >= self.p)[..., None, None]

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"
