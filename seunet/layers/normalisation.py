"""Batch norm, with the ReLU that follows it, of a map or of all scales of a lifted map at once."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.layers.lifted import stack_scales, unstack_scales
from seunet.ops.acceleration import is_compiled
from seunet.ops.batchnorm import CompiledNormalisation, Normalisation, normalise, scale_and_shift


class ScaleBatchNorm(nn.BatchNorm2d):
    """Batch norm and ReLU of a map (N, C, H, W), or of a lifted map with one mean and variance for all scales.

    A lifted map is a tensor (S, N, C, H, W), or a list of S batches of any sizes.

    Each scale has the same weight, whatever its number of pixels: a value of a scale with n values per channel counts
    1 / (S n). For S maps of one size that is torch's batch norm of all of them. Law: it commutes with R_k in evaluation
    mode, as every pointwise layer does. `positive`: negative values become 0 (ReLU). `inplace`: without gradients, the
    given maps may be overwritten, as by torch.nn.ReLU(inplace=True).
    """

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor  # type: ignore[assignment]  # torch has None for a batch norm without statistics
    running_var: Tensor  # type: ignore[assignment]
    num_batches_tracked: Tensor  # type: ignore[assignment]

    def __init__(
        self, channels: int, eps: float = 1e-3, momentum: float = 0.01, positive: bool = True, inplace: bool = False
    ):
        super().__init__(channels, eps=eps, momentum=momentum)
        self.positive, self.inplace = positive, inplace

    def forward(  # type: ignore[override]  # torch's takes no list
        self, x: Tensor | list[Tensor]
    ) -> Tensor | list[Tensor]:
        """Normalise a map or a lifted map; the shape stays."""
        if isinstance(x, list):
            return list(self.maps(x))
        return self.maps([x])[0] if x.dim() == 4 else stack_scales(self.maps(list(unstack_scales(x))))

    def maps(self, maps: list[Tensor]) -> Sequence[Tensor]:
        """S batches (N, C, H, W) → the same shapes."""
        compiled = is_compiled(*maps)
        if self.training:
            return self.with_statistics_of(maps, compiled)
        if compiled and not torch.is_grad_enabled():
            a = self.weight * torch.rsqrt(self.running_var + self.eps)
            return scale_and_shift(
                maps, a.float(), (self.bias - self.running_mean * a).float(), self.positive, self.inplace
            )
        return [self.positive_part(normalise(x, self, self.running_mean, self.running_var)) for x in maps]

    def with_statistics_of(self, maps: list[Tensor], compiled: bool) -> Sequence[Tensor]:
        """Normalise by the mean and variance of these maps, and remember them."""
        count = sum(x.numel() for x in maps) // self.num_features
        if compiled:
            mean, variance, *y = CompiledNormalisation.apply(self.weight, self.bias, self.eps, self.positive, *maps)
        elif len({x.shape for x in maps}) == 1:
            return self.positive_part(super().forward(torch.cat(maps))).chunk(len(maps))
        else:
            mean, variance, *y = Normalisation.apply(self.weight, self.bias, self.eps, *maps)
            y = [self.positive_part(x) for x in y]
        self.remember(mean, variance, count)
        return y

    def positive_part(self, x: Tensor) -> Tensor:
        """Apply the ReLU in place, if there is one."""
        return F.relu_(x) if self.positive else x

    @torch.no_grad()
    def remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as torch does: the variance is that of a sample of `count` values."""
        self.num_batches_tracked += 1
        share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), share)

    def extra_repr(self) -> str:
        """Show the ReLU."""
        return f"{super().extra_repr()}, positive={self.positive}"
