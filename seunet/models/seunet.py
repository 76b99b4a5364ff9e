"""SEU-Net: the U-shape on lifted maps, with operators that commute with a change of scale.

Between its layers a lifted map is a list of S batches (N, C, H, W): of one size in the dense layout, of sizes that
shrink by γ in the pyramid.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from seunet.layers.lifted import check_choice, whole_step
from seunet.layers.lifting import ScaleSpace
from seunet.models.checks import (
    check_base,
    check_exact,
    check_positive,
    check_probability,
    check_windows,
    default_border,
)
from seunet.models.lifted_operators import LAYOUTS, POOLINGS, LiftedOperators
from seunet.models.ushape import UShape
from seunet.models.windows import Windows
from seunet.ops.acceleration import is_compiled
from seunet.ops.atlas import Atlas, pack, unpack
from seunet.ops.tracing import Recorder, recorder


class SEUNet(UShape):
    """Scale-Equivariant U-Net: image (N, C, H, W) → logits (N, classes, H, W), sides multiples of 2^depth.

    num_scales: S, the copies of the image, at scales γ^0 … γ^(S−1). base: γ > 1, which need not be an integer.
    scale_size: K, how many neighbouring scales the second convolution of each pair reads. geometry: `released` (the
    published code) or `exact` (the law of every layer holds); lifting, pooling_geometry and upsampling set it for one
    operator alone. pooling: quadratic, quadratic2 (twice as wide), flat, none or strided. projection: max or mean.
    basis: that of ScaleCrossCorrelation. layout: `dense` (every scale has all pixels) or `pyramid` (scale γ^s has the
    pixels of γ^s Z²; a third more work than one scale; images of any size; geometry exact and an integer base). The
    weights of one layout are those of the other. border: what correlations read beyond a map, `zeros` or its nearest
    pixel, `replicate`; by default zeros where geometry is released, as published, else replicate.

    The network may read more scales than num_scales, since all share their weights. scales_at_test: how many in
    evaluation mode; windows: which of them answer, see `Windows`. scales_in_training: how many in training mode, where
    every window of num_scales of them answers for itself: logits (W · N, classes, H, W), window by window, each with a
    loss of its own. So each is calibrated, and learns objects of γ^j times the size. Both are num_scales by default.

    Example:
        >>> import torch
        >>> network = SEUNet(3, 2, width=4, depth=2, geometry="exact", layout="pyramid").eval()
        >>> network(torch.rand(1, 3, 50, 64)).shape
        torch.Size([1, 2, 50, 64])
    """

    lift: ScaleSpace

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        width: int = 16,
        depth: int = 4,
        num_scales: int = 4,
        scale_size: int = 1,
        scale_dropout: float = 0.25,
        geometry: str = "released",
        pooling: str = "quadratic",
        lifting: str | None = None,
        pooling_geometry: str | None = None,
        upsampling: str | None = None,
        projection: str = "max",
        base: float = 2,
        basis: str | None = None,
        layout: str = "dense",
        scales_in_training: int | None = None,
        scales_at_test: int | None = None,
        windows: str | int = "max",
        border: str | None = None,
    ):
        scales_in_training = num_scales if scales_in_training is None else scales_in_training
        scales_at_test = num_scales if scales_at_test is None else scales_at_test
        check_positive(num_scales=num_scales, scale_size=scale_size)
        check_windows(windows, num_scales, scales_in_training=scales_in_training, scales_at_test=scales_at_test)
        check_choice("pooling", pooling, POOLINGS)
        check_choice("layout", layout, tuple(LAYOUTS))
        geometries = {
            "lifting": lifting or geometry,
            "pooling_geometry": pooling_geometry or geometry,
            "upsampling": upsampling or geometry,
        }
        if layout == "pyramid":
            check_exact(geometries)
            whole_step(check_base(base), 1)
        border = border or default_border(geometry)
        ops = LiftedOperators(
            num_scales=num_scales,
            scale_size=scale_size,
            base=check_base(base),
            basis=basis,
            scale_dropout=check_probability("scale_dropout", scale_dropout),
            layout=layout,
            lifting_geometry=geometries["lifting"],
            pooling_kind=pooling,
            pooling_geometry=geometries["pooling_geometry"],
            upsampling_geometry=geometries["upsampling"],
            projection=projection,
            border=border,
        )
        super().__init__(ops, in_channels, num_classes, width, depth)
        self.layout, self.num_scales, self.base, self.scales_at_test = layout, num_scales, base, scales_at_test
        self.border, self.scales_in_training = border, scales_in_training
        self.windows = Windows(windows, num_scales, base, layout == "pyramid")

    def train(self, mode: bool = True) -> "SEUNet":
        """Set training or evaluation mode, and with it the number of scales."""
        self.lift.num_scales = self.scales_in_training if mode else self.scales_at_test
        return super().train(mode)

    @contextmanager
    def finest_window(self) -> Iterator[None]:
        """In evaluation mode, read as many scales as in one window, and answer by that window alone."""
        scales, rule = self.lift.num_scales, self.windows.rule
        self.lift.num_scales, self.windows.rule = self.num_scales, "max"
        try:
            yield
        finally:
            self.lift.num_scales, self.windows.rule = scales, rule

    def arranged(self, maps: list[Tensor]) -> list[Tensor] | Atlas:
        """Return the lifted maps, in training as one atlas, unless compiled code takes them one by one."""
        if not self.training or len(maps) == 1 or is_compiled(*maps) or recorder() >= Recorder.TRANSFORM:
            return maps
        whole = float(self.base).is_integer() and self.layout == "dense"
        steps = [whole_step(self.base, s) if whole else 1 for s in range(len(maps))]
        return pack(maps, steps, self.border)

    def logits_of_maps(self, maps: list[Tensor] | Atlas) -> Tensor:
        """Batches (N, F, H_s, W_s), one per scale → logits (N, classes, H, W), in training those of every window."""
        maps = unpack(maps) if isinstance(maps, Atlas) else maps
        if self.training:
            return self.windows.concatenate_windows(maps, self.logits_of_window)
        return self.windows(maps, self.logits_of_window)

    def window_groups(self, scales: int) -> list[range]:
        """Return the scales that answer together: a window each."""
        return self.windows.window_groups(scales)

    def combine_windows(self, answers: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Logits of every window → those of an image of this size."""
        return self.windows.combine_windows(answers, size)

    @property
    def logits_per_image(self) -> int:
        """How many logits the network gives for an image: in training as many as it has windows."""
        return self.scales_in_training - self.num_scales + 1 if self.training else 1

    @staticmethod
    def multiple_of(depth: int = 4, layout: str = "dense", **_: Any) -> int:
        """Return what the sides of an image must be multiples of, given the network's options."""
        return 1 if layout == "pyramid" else 2**depth

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Return the sizes of the maps of an image, one per scale."""
        steps = [whole_step(self.base, s) if self.layout == "pyramid" else 1 for s in range(self.lift.num_scales)]
        return [(-(-height // step), -(-width // step)) for step in steps]

    @property
    def period(self) -> int:
        """Pixels by which a size may grow so that the sizes of all maps, and their taps, grow in proportion."""
        return 2**self.depth * math.ceil(self.base ** (self.scales_at_test - 1))

    @property
    def size_multiple(self) -> int:
        """Sides of an image must be multiples of this."""
        return self.multiple_of(self.depth, self.layout)
