"""Pooling on lifted maps: dilation by a structuring function that grows with the scale, then subsampling by 2."""

import math

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.layers.coefficients import BoundedCoefficient
from seunet.layers.lifted import GEOMETRIES, ScaleLayer, check_choice, lattice
from seunet.ops.atlas import Atlas
from seunet.ops.maxplus import quadratic_maximum, quadratic_maximum_atlas
from seunet.ops.subsampling import subsample


class QuadraticDilation(ScaleLayer):
    """Lifted map (S, N, C, H, W) → (S, N, C, ⌈H/2⌉, ⌈W/2⌉): max over k of x(s, 2p + …) − c abs(k)²/t_s².

    Law: pool(R_k x) = R_k pool(x), exactly for `exact`; with an error that shrinks with t for `released`.

    - `exact`: 7 × 7 taps at 2p + γ^s k, abs(k) ≤ 3, t_s = 2z at every scale (1 for z = 0.5). For a γ that is no
      integer, the taps of `lattice` within the same reach: the law then holds up to their spacing, and exactly for
      a whole γ^k.
    - `released`: all taps abs(k) ≤ 3γ^s at 2p + k, t_s = 2z(γ^(s+1) − 1): 1, 3, 7, 15 for z = `zero_scale` = 0.5.

    One trainable c per channel, initially 1, in [4z²/9, 4z²]. Taps outside the map never win.

    Example:
        >>> QuadraticDilation(2, geometry="exact")(torch.rand(3, 1, 2, 32, 32)).shape
        torch.Size([3, 1, 2, 16, 16])
    """

    def __init__(self, channels: int, base: float = 2, geometry: str = "released", zero_scale: float = 0.5):
        super().__init__()
        check_choice("pooling geometry", geometry, GEOMETRIES)
        self.base, self.geometry, self.zero_scale = base, geometry, zero_scale
        bound = 4 * zero_scale**2
        self.coefficient = BoundedCoefficient(channels, bound / 9, bound)

    def at(self, x: Tensor, scale: int) -> Tensor:
        """(N, C, H, W) → (N, C, ⌈H/2⌉, ⌈W/2⌉)."""
        return quadratic_maximum(x, self.coefficient(), 2, *self.window(scale))

    def atlas(self, x: Atlas) -> Atlas:
        """Pool all scales at once if they have the same taps, at the steps of the atlas."""
        first, *others = (self.window(scale) for scale in range(len(x)))
        steps = [self.window(scale)[0] for scale in range(len(x))]
        if x.layout.steps != tuple(steps) or any(other[1:] != first[1:] for other in others):
            return super().atlas(x)
        return quadratic_maximum_atlas(x, self.coefficient(), *first[1:])

    def window(self, scale: int) -> tuple[int, int, float]:
        """Return the step between taps, how many there are to either side, and t_s in taps."""
        if self.geometry == "exact":
            step, unit = lattice(self.base, scale)
            return step, math.floor(3 * unit), 2 * self.zero_scale * unit
        return 1, math.floor(3 * self.base**scale), 2 * self.zero_scale * (self.base ** (scale + 1) - 1)

    def reach(self, scale: int) -> int:
        """Return how many pixels of the input an output reads to either side at a scale."""
        return math.ceil(3 * self.base**scale)

    def extra_repr(self) -> str:
        """Show the options that matter."""
        return f"base={self.base}, geometry={self.geometry}, zero_scale={self.zero_scale}"


class FlatDilation(ScaleLayer):
    """Lifted map (S, N, C, H, W) → (S, N, C, ⌈H/2⌉, ⌈W/2⌉): maximum over a window that grows with the scale.

    - `exact`: 3 × 3 taps at 2p + γ^s δ, so that pool(R_k x) = R_k pool(x) exactly for a whole γ^k. (For a γ that is no
      integer, at the taps of `lattice`: a window cannot grow by √2 pixels.)
    - `released`: all pixels of a window of γ^s (one pixel at scale 0), padded as TensorFlow's "SAME" does.

    Example:
        >>> FlatDilation(geometry="exact")(torch.rand(3, 1, 2, 32, 32)).shape
        torch.Size([3, 1, 2, 16, 16])
    """

    def __init__(self, base: float = 2, geometry: str = "released"):
        super().__init__()
        check_choice("pooling geometry", geometry, GEOMETRIES)
        self.base, self.geometry = base, geometry

    def at(self, x: Tensor, scale: int) -> Tensor:
        """(N, C, H, W) → (N, C, ⌈H/2⌉, ⌈W/2⌉)."""
        if self.geometry == "exact":
            step, _ = lattice(self.base, scale)
            x = F.pad(x, (step, step, step, step), value=float("-inf"))
            return F.max_pool2d(x, 3, stride=2, dilation=step)
        window = math.floor(self.base**scale + 1e-9)
        return F.max_pool2d(same_padding(x, window, stride=2), window, stride=2)

    def reach(self, scale: int) -> int:
        """Return how many pixels of the input an output reads to either side at a scale."""
        return math.ceil(self.base**scale)


def same_padding(x: Tensor, window: int, stride: int) -> Tensor:
    """Pad (N, C, H, W) with −∞ as TensorFlow's "SAME": ⌈size/stride⌉ outputs, the odd pixel at the end."""
    pads = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=float("-inf"))


class Subsampling(ScaleLayer):
    """Lifted map (S, N, C, H, W) → (S, N, C, ⌈H/2⌉, ⌈W/2⌉): every second pixel. Law: R_k commutes exactly.

    Example:
        >>> Subsampling()(torch.rand(3, 1, 2, 32, 31)).shape
        torch.Size([3, 1, 2, 16, 16])
    """

    def at(self, x: Tensor, scale: int) -> Tensor:
        """(N, C, H, W) → (N, C, ⌈H/2⌉, ⌈W/2⌉)."""
        return subsample(x, 2)
