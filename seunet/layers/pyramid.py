"""Layers on pyramids: lifted maps that have, at scale γ^s, only the pixels of the lattice γ^s Z².

A pyramid is a list of S batches: `x[s]` is (N, C, ⌈H/γ^s⌉, ⌈W/γ^s⌉), and its pixel q is pixel γ^s q of the dense map.
These pixels are enough for the law of the layers, L(R_k x) = R_k L(x), because (R_k x)(0, p) = x(k, γ^k p). On them
every exact layer is the same as at scale 0: an ordinary convolution, or a pooling of 7 × 7 neighbours.

γ is an integer. Only the layers pad their input, as on dense maps, so maps of any size are possible, down to one pixel.
"""

from torch import Tensor

from seunet.layers.crosscorrelation import ScaleCrossCorrelation
from seunet.layers.lifted import ScaleLayer, whole_step
from seunet.layers.lifting import ScaleSpace
from seunet.layers.pooling import FlatDilation, QuadraticDilation
from seunet.ops.interpolation import size_of, upsample

Pyramid = list[Tensor]


class PyramidLifting(ScaleSpace):
    """Image (N, C, H, W) → pyramid: each blurred copy of the semigroup, decimated. Law: as ScaleSpace."""

    def forward(self, image: Tensor) -> Pyramid:
        """(N, C, H, W) → S batches (N, C, ⌈H/γ^s⌉, ⌈W/γ^s⌉)."""
        return self.maps(image, [whole_step(self.base, s) for s in range(self.num_scales)])


class OnLattice(ScaleLayer):
    """Mixin for a layer that mixes no scales: at every scale of a pyramid it acts as at scale 0."""

    def at(self, x: Tensor, scale: int) -> Tensor:
        """Apply the layer to the batch (N, C, H_s, W_s) of one scale."""
        return super().at(x, 0)

    def reach(self, scale: int) -> int:
        """Return how many pixels of the input, on its own lattice, an output reads to either side."""
        return super().reach(0)


class PyramidCrossCorrelation(OnLattice, ScaleCrossCorrelation):
    """Scale-cross-correlation on a pyramid. If K > 1, coarser scales are upsampled to the lattice of the finer one.

    For K = 1 it equals the dense layer on the lattice. For K > 1 it does not: it interpolates pixels of the coarser
    scales that the dense layer has.
    """

    def step(self, scale: int) -> int:
        """Return the pixels between two taps, on the lattice of any scale."""
        return 1

    def maps(self, x: Pyramid) -> Pyramid:
        """S batches (N, C_in, H_s, W_s) → S batches (N, C_out, ⌈H_s/r⌉, ⌈W_s/r⌉)."""
        return self.correlate(x, [0] * len(x))

    def neighbour(self, x: Pyramid, i: int, k: int) -> Tensor:
        """Return the batch of scale i + k (at most the last), upsampled to the lattice of scale i."""
        k = min(k, len(x) - 1 - i)
        return upsample(x[i + k], whole_step(self.base, k), "aligned", size_of(x[i]))


class PyramidQuadraticDilation(OnLattice, QuadraticDilation):
    """Exact quadratic dilation of every map, by the 7 × 7 taps of scale 0."""

    def window(self, scale: int) -> tuple[int, int, float]:
        """Return the taps of scale 0."""
        return super().window(0)


class PyramidFlatDilation(OnLattice, FlatDilation):
    """Exact flat dilation of every map, by the 3 × 3 taps of scale 0."""
