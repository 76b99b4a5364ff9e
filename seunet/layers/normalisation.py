"""Batch norm, with the ReLU that follows it, of a map or of all scales of a lifted map at once."""

from collections.abc import Sequence

from torch import Tensor

from seunet.layers.lifted import stack_scales, unstack_scales
from seunet.ops.atlas import Atlas
from seunet.ops.batchnorm import BatchNorm, batch_norm_atlas, batch_norm_evaluation, batch_norm_training


class ScaleBatchNorm(BatchNorm):
    """Batch norm and ReLU of a map (N, C, H, W), or of a lifted map with one mean and variance for all scales.

    A lifted map is a tensor (S, N, C, H, W), or a list of S batches of any sizes.

    Each scale has the same weight, whatever its number of pixels: a value of a scale with n values per channel counts
    1 / (S n). For S maps of one size that is torch's batch norm of all of them. Law: it commutes with R_k in evaluation
    mode, as every pointwise layer does. `positive`: negative values become 0 (ReLU).
    """

    def __init__(self, channels: int, eps: float = 1e-3, momentum: float = 0.01, positive: bool = True):
        super().__init__(channels, eps=eps, momentum=momentum)
        self.positive = positive

    def forward(  # type: ignore[override]  # torch's takes no list
        self, x: Tensor | list[Tensor] | Atlas
    ) -> Tensor | list[Tensor] | Atlas:
        """Normalise a map or a lifted map; the shape stays."""
        if isinstance(x, Atlas):
            return batch_norm_atlas(x, self, self.positive)
        if isinstance(x, list):
            return list(self.maps(x))
        return self.maps([x])[0] if x.dim() == 4 else stack_scales(self.maps(list(unstack_scales(x))))

    def maps(self, maps: list[Tensor]) -> Sequence[Tensor]:
        """S batches (N, C, H, W) → the same shapes."""
        if self.training:
            return batch_norm_training(maps, self, self.positive)
        return batch_norm_evaluation(maps, self, self.positive)

    def extra_repr(self) -> str:
        """Show the ReLU."""
        return f"{super().extra_repr()}, positive={self.positive}"
