"""Projection: from a lifted map back to an image, and the dropout of whole scales before it."""

import torch
from torch import Tensor, nn

from seunet.layers.lifted import ScaleLayer, check_choice, unstack_scales
from seunet.ops.interpolation import largest, size_of, upsample
from seunet.runtime.errors import UserError


class ScaleProjection(nn.Module):
    """Π: lifted map (S, N, C, H, W) → (N, C, H, W), the maximum or the mean over scales.

    Law: Π(R_k x) = R_k Π(x) as far as the scales cut off by the truncation do not carry the maximum. Where scales have
    the same maximum, the finest receives the gradient. The maps of a pyramid of the given base are brought to the
    pixels of its first map before, by aligned bilinear upsampling, as if it were dense.

    Example:
        >>> lifted = torch.arange(3.0)[:, None, None, None, None].expand(3, 1, 2, 4, 4)
        >>> ScaleProjection("max")(lifted).unique(), ScaleProjection("mean")(lifted).unique()
        (tensor([2.]), tensor([1.]))
    """

    def __init__(self, reduction: str = "max", base: int = 1):
        super().__init__()
        check_choice("projection", reduction, ("max", "mean"))
        self.reduction, self.base = reduction, base

    def forward(self, x: Tensor | list[Tensor], keep: Tensor | None = None) -> Tensor:
        """(S, N, C, H, W), or S batches → (N, C, H, W). Each map is multiplied by keep (S, N, C) first, if given."""
        maps = list(unstack_scales(x)) if isinstance(x, Tensor) else x
        factors = [self.base**s for s in range(len(maps))]
        if self.reduction == "max":
            return largest(maps, factors, keep if keep is None else keep.to(maps[0].device))
        size, maps = size_of(maps[0]), dropped(maps, keep)
        first, *others = (upsample(x_s, t, "aligned", size) for x_s, t in zip(maps, factors, strict=True))
        return sum(others, first) / len(maps)

    def extra_repr(self) -> str:
        """Show the reduction."""
        return self.reduction


class ScaleDropout(ScaleLayer):
    """Set each (scale, sample, channel) of (S, N, C, H, W) to zero with probability p, while training.

    The mask is constant in space, and survivors are *not* rescaled: a maximum over scales follows, whose size
    does not grow with the number of survivors.

    Example:
        >>> ScaleDropout(1.0).train()(torch.ones(3, 1, 2, 4, 4)).sum()
        tensor(0.)
    """

    def __init__(self, p: float = 0.25):
        super().__init__()
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
            raise UserError(f"scale_dropout: expected a probability from 0 to 1, got {p!r}")
        self.p = p

    def maps(self, x: list[Tensor]) -> list[Tensor]:
        """S batches (N, C, H, W) → the same shapes."""
        return dropped(x, self.draw(len(x), *x[0].shape[:2]))

    def draw(self, *shape: int) -> Tensor | None:
        """Return 1 for the maps of a lifted map (S, N, C) that survive, 0 for the others; None when all do.

        Drawn by the CPU's generator, so that one seed gives one training on every device.
        """
        return (torch.rand(shape) >= self.p).float() if self.training and self.p else None

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"


def dropped(maps: list[Tensor], keep: Tensor | None) -> list[Tensor]:
    """Return S batches (N, C, H, W) times keep (S, N, C); as they are where that is None."""
    return maps if keep is None else [x * k[..., None, None].to(x) for x, k in zip(maps, keep, strict=True)]


class DroppedProjection(nn.Module):
    """Scale-dropout and projection in one: no map is copied only to be multiplied by 0 or 1."""

    def __init__(self, dropout: ScaleDropout, projection: ScaleProjection):
        super().__init__()
        self.dropout, self.projection = dropout, projection

    def forward(self, maps: list[Tensor]) -> Tensor:
        """S batches (N, C, H, W) → (N, C, H, W)."""
        return self.projection(maps, self.dropout.draw(len(maps), *maps[0].shape[:2]))
