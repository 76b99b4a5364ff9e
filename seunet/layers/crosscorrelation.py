"""Scale-cross-correlation: one kernel for all scales, its taps spread by γ^s at scale s."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from seunet.layers.lifted import ScaleLayer, check_choice, lattice, whole_step
from seunet.ops.atlas import Atlas
from seunet.ops.correlation import BORDERS, atlas_correlation, dilated_correlation
from seunet.runtime.errors import UserError


class ScaleCrossCorrelation(ScaleLayer):
    """Lifted map (S, N, C_in, H, W) → (S, N, C_out, ⌈H/r⌉, ⌈W/r⌉) for stride r.

    y(s, p, o) = b_o + Σ_{k<K} Σ_c Σ_δ γ^(−3k) w(o, c, k, δ) x(min(s + k, S − 1), r p + γ^s δ, c).

    Law: y(R_k x) = R_k y(x), exactly, for any stride and scale size K, away from borders and from the scales
    whose neighbours s + k are cut off. Kernels (C_out, C_in, K, k, k), Glorot-uniform; zero bias.

    border: what x is beyond its map: 0 (`zeros`), or its nearest pixel (`replicate`; a constant map then gives a
    constant map, of any size).

    basis: what the weights are. `taps`: values of the kernel at γ^s δ, which must be pixels: γ is an integer.
    `gaussian`: coefficients of Gaussian derivatives of order 0 … k − 1 in y and x, a continuous kernel that is
    sampled once per scale; for any γ > 1 (the law then holds up to that sampling; for γ^k whole, exactly). By
    default `taps` where γ is an integer. Source of the idea: Sosnovik et al., Scale-Equivariant Steerable Networks
    (2020).

    Example:
        >>> ScaleCrossCorrelation(2, 4, stride=2)(torch.rand(3, 1, 2, 32, 32)).shape
        torch.Size([3, 1, 4, 16, 16])
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
        basis: str | None = None,
        border: str = "zeros",
    ):
        super().__init__()
        basis = basis or ("taps" if float(base).is_integer() else "gaussian")
        check_choice("basis", basis, ("taps", "gaussian"))
        check_choice("border", border, BORDERS)
        if basis == "taps":
            whole_step(base, 1)
        self.stride, self.base, self.basis, self.border = stride, base, basis, border
        weight = torch.empty(out_channels, in_channels, scale_size, kernel_size, kernel_size)
        nn.init.xavier_uniform_(weight)
        # each kernel lies channels-last, as convolutions of channels-last maps take it
        self.weight = nn.Parameter(weight.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ScaleCrossCorrelation":
        """Let torch see the kernels as (C_out, C_in, K k, k), which have a channels-last format, unlike 5-D weights."""

        def convert(x: Tensor) -> Tensor:
            return fn(x.flatten(2, 3)).unflatten(2, x.shape[2:4]) if x.dim() == 5 else fn(x)

        return super()._apply(convert, recurse)

    def maps(self, x: list[Tensor]) -> list[Tensor]:
        """S batches (N, C_in, H, W) → S batches (N, C_out, ⌈H/r⌉, ⌈W/r⌉)."""
        return self.correlate(x, range(len(x)))

    def atlas(self, x: Atlas) -> Atlas:
        """Correlate all scales at once, if nothing but 3 × 3 taps of their own scale is read."""
        (first, *others), layout = self.kernels(), x.layout
        fits = self.stride == 1 and self.basis == "taps" and first.shape[-1] == 3 and self.border == layout.border
        if others or not fits or layout.steps != tuple(self.step(scale) for scale in range(len(x))):
            return super().atlas(x)
        return atlas_correlation(x, first, self.bias)

    def step(self, scale: int) -> int:
        """Return the pixels between two taps at a scale."""
        return lattice(self.base, scale)[0]

    def at(self, x: Tensor, scale: int) -> Tensor:
        """(N, C_in, H, W) → (N, C_out, ⌈H/r⌉, ⌈W/r⌉), as if the scale were the coarsest."""
        return self.correlate([x], [scale])[0]

    def reach(self, scale: int) -> int:
        """Return how many pixels of the input an output reads to either side at a scale."""
        step, unit = lattice(self.base, scale)
        if self.basis == "gaussian":
            return step * math.ceil(3 * SIGMA * unit)
        return step * (self.weight.shape[-1] // 2)

    def kernels(self) -> list[Tensor]:
        """Return the K kernels, (C_out, C_in, k, k) each, with their weights γ^(−3k)."""
        if self.weight.shape[2] == 1:
            return [self.weight.squeeze(2)]  # whose gradient, unlike that of unbind, is a view
        first, *others = self.weight.unbind(2)
        return [first, *(kernel * self.base ** (-3 * k) for k, kernel in enumerate(others, start=1))]

    def correlate(self, x: list[Tensor], scales: Sequence[int]) -> list[Tensor]:
        """Return the outputs (N, C_out, ⌈H/r⌉, ⌈W/r⌉) at neighbouring scales, the i-th with the taps of scales[i]."""
        total: list[Tensor] = []
        for k, kernel in enumerate(self.kernels()):
            near = [self.neighbour(x, i, k) for i in range(len(x))]
            y = self.convolve(near, kernel, self.bias if k == 0 else None, scales)
            total = [a + b for a, b in zip(total, y, strict=True)] if total else y
        return total

    def neighbour(self, x: list[Tensor], i: int, k: int) -> Tensor:
        """Return the batch k scales above the i-th; the last stands for those that are cut off."""
        return x[min(i + k, len(x) - 1)]

    def convolve(self, x: list[Tensor], kernel: Tensor, bias: Tensor | None, scales: Sequence[int]) -> list[Tensor]:
        """Correlate each batch with one kernel (C_out, C_in, k, k), its taps spread as at its scale."""
        places = [lattice(self.base, scale) for scale in scales]
        if self.basis == "taps":
            return dilated_correlation(x, kernel, bias, self.stride, [step for step, _ in places], self.border)
        maps = []
        for x_s, (step, unit) in zip(x, places, strict=True):
            filters = gaussian_derivatives(kernel.shape[-1], unit, kernel)
            sampled = torch.einsum("ocij,iy,jx->ocyx", kernel, filters, filters)
            maps += dilated_correlation([x_s], sampled, bias, self.stride, [step], self.border)
        return maps

    def extra_repr(self) -> str:
        """Show shape and options as torch.nn does."""
        out_channels, in_channels, scale_size, kernel_size, _ = self.weight.shape
        return (
            f"{in_channels}, {out_channels}, kernel_size={kernel_size}, scale_size={scale_size}, "
            f"stride={self.stride}, base={self.base:.4g}, basis={self.basis}, border={self.border}"
        )


SIGMA = 0.7  # of the Gaussian basis, in units of γ^s: sampled well at γ^0 already, in 7 taps at every scale


def gaussian_derivatives(orders: int, unit: float, like: Tensor) -> Tensor:
    """Sample the derivatives of order 0, 1, 2 of a Gaussian of SIGMA · unit taps, (orders, 2r + 1), r = ⌈3 SIGMA unit⌉.

    As functions of x / unit they have norm 1, and the samples carry the weight 1 / unit of a quadrature: so the
    response to a pattern does not depend on the scale at which the pattern comes.
    """
    if orders > 3:
        raise UserError(f"kernel_size: {orders} derivatives; the Gaussian basis has those of order 0, 1 and 2 (3)")
    radius = math.ceil(3 * SIGMA * unit)
    x = torch.arange(-radius, radius + 1, device=like.device, dtype=torch.float64) / (SIGMA * unit)
    gauss = torch.exp(-(x**2) / 2) / math.sqrt(SIGMA * math.sqrt(math.pi))
    hermite = torch.stack([gauss, -math.sqrt(2) * x * gauss, (x**2 - 1) * gauss * 2 / math.sqrt(3)])
    return (hermite[:orders] / unit).to(like.dtype)
