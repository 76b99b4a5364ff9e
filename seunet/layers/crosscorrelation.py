"""Scale-cross-correlation: one kernel for all scales, its taps spread by γ^s at scale s."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.layers.lifted import dilation, stack_scales, unstack_scales


class ScaleCrossCorrelation(nn.Module):
    """Lifted map (S, N, C_in, H, W) → (S, N, C_out, ⌈H/r⌉, ⌈W/r⌉) for stride r.

    y(s, p, o) = b_o + Σ_{k<K} Σ_c Σ_δ γ^(−3k) w(o, c, k, δ) x(min(s + k, S − 1), r p + γ^s δ, c), zero padding.

    Law: y(R_k x) = R_k y(x), exactly, for any stride and scale size K, away from borders and from the scales
    whose neighbours s + k are cut off. Kernels (C_out, C_in, K, k, k), Glorot-uniform; zero bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        scale_size: int = 1,
        stride: int = 1,
        base: float = 2,
        bias: bool = True,
    ):
        super().__init__()
        self.stride, self.base = stride, base
        shape = (out_channels, in_channels, scale_size, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(S, N, C_in, H, W) → (S, N, C_out, ⌈H/r⌉, ⌈W/r⌉)."""
        maps = unstack_scales(x)
        scale_size = self.weight.shape[2]
        kernels = [self.weight[:, :, k] * self.base ** (-3 * k) for k in range(scale_size)]
        return stack_scales([self.correlate(maps, kernels, s) for s in range(len(maps))])

    def correlate(self, maps: tuple[Tensor, ...], kernels: list[Tensor], scale: int) -> Tensor:
        """Return the output at one scale, (N, C_out, ⌈H/r⌉, ⌈W/r⌉): the sum over the scales that it reads."""
        step = dilation(self.base, scale)
        padding = step * (self.weight.shape[-1] // 2)
        total = None
        for k, kernel in enumerate(kernels):
            x = maps[min(scale + k, len(maps) - 1)]
            bias = self.bias if k == 0 else None
            y = F.conv2d(x, kernel, bias, stride=self.stride, padding=padding, dilation=step)
            total = y if total is None else total + y
        return total

    def extra_repr(self) -> str:
        """Show shape and options as torch.nn does."""
        out_channels, in_channels, scale_size, kernel_size, _ = self.weight.shape
        return (
            f"{in_channels}, {out_channels}, kernel_size={kernel_size}, scale_size={scale_size}, "
            f"stride={self.stride}, base={self.base}"
        )
