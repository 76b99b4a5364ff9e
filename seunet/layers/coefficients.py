"""Trainable coefficients that must stay within bounds."""

import torch
from torch import Tensor, nn


class BoundedCoefficient(nn.Module):
    """One trainable number per channel, initially 1, kept in [low, high] by `clip` after every optimiser step.

    The initial value may lie outside the bounds, as in the released code: the first step then brings it in.
    """

    def __init__(self, channels: int, low: float, high: float):
        super().__init__()
        self.low, self.high = low, high
        self.value = nn.Parameter(torch.ones(channels))

    def forward(self) -> Tensor:
        """Return the coefficients, (C,)."""
        return self.value

    @torch.no_grad()
    def clip(self) -> None:
        """Bring the coefficients back within their bounds."""
        self.value.clamp_(self.low, self.high)


def clip_coefficients(model: nn.Module) -> None:
    """Clip every bounded coefficient of a model: to be called after each step of the optimiser."""
    for module in model.modules():
        if isinstance(module, BoundedCoefficient):
            module.clip()
