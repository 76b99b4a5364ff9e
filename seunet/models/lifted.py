"""Modules that networks on lifted maps share: batch norm and 1 × 1 convolution over all scales at once."""

from torch import Tensor, nn


class AllScales(nn.Sequential):
    """Apply an operator on batches to every scale at once: (S, N, C, H, W) → (S, N, C', H', W').

    Scales and samples are one batch to it, so batch-norm statistics are shared by all scales, each with the
    same weight.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(S, N, C, H, W) → (S, N, C', H', W')."""
        scales = x.shape[:2]
        return super().forward(x.flatten(0, 1)).unflatten(0, scales)
