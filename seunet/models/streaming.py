"""Prediction of large images by U-shapes in bands of rows: exact, in a fraction of the memory, at little more work.

Scales do not read each other before the projection (scale size 1), so they are computed one after the other; of earlier
scales only the running projection is in memory. Every stage computes its output band by band, from the rows of its
input that the band reads, so only its input and its output are whole. At full resolution the first skip is never whole:
it is computed again where the decoder needs it.
"""

from typing import TypeGuard

import torch
from torch import Tensor, nn

from seunet.layers import ScaleCrossCorrelation
from seunet.layers.projection import DroppedProjection, ScaleProjection
from seunet.models.bands import MIN_BAND_BYTES, OneScale, room_for, size
from seunet.models.seunet import SEUNet
from seunet.models.ushape import UShape
from seunet.ops.interpolation import size_of, upsample

MEMORY = 9 * 2**28  # bytes that the maps of a prediction should take on a CPU; if at once they take more, in bands
MAPS = 7  # maps of `width` channels at full resolution that a U-shape holds at its peak


def is_streamable(model: nn.Module) -> TypeGuard[UShape]:
    """Tell whether a network can be predicted in bands: a U-shape whose scales do not read each other.

    Not a subclass with a forward of its own, which bands would not follow.
    """
    if not isinstance(model, UShape) or not computes_as_ushape(type(model)):
        return False
    layers = (layer for layer in model.modules() if isinstance(layer, ScaleCrossCorrelation))
    return all(layer.weight.shape[2] == 1 for layer in layers)


def computes_as_ushape(kind: type[UShape]) -> bool:
    """Tell whether a class computes its logits as UShape or SEUNet, not in a way of its own."""
    same = kind.forward is UShape.forward and kind.logits_of_window is UShape.logits_of_window
    return same and kind.logits_of_maps in (UShape.logits_of_maps, SEUNet.logits_of_maps)


def is_large(model: UShape, images: Tensor) -> bool:
    """Tell whether the maps of these images (N, C, H, W), all at once, would take more than they should."""
    pixels = len(images) * sum(height * width for height, width in model.sizes(*images.shape[-2:]))
    return 4 * MAPS * model.classifier.in_channels * pixels > memory_for(images)


def memory_for(images: Tensor) -> int:
    """Return the bytes that the maps of a prediction should take: MEMORY, or half a GPU's."""
    if images.device.type == "cuda":
        return torch.cuda.get_device_properties(images.device).total_memory // 2
    return MEMORY


@torch.no_grad()
def stream(model: UShape, images: Tensor, rows: int | None = None) -> Tensor:
    """Return the logits (N, classes, H, W) of images (N, C, H, W), as the network itself does, up to rounding.

    rows: of a band of the image; by default as many as fit in memory, but no fewer than a band reads beyond itself.
    """
    lifted = model.lift(images)
    maps = lifted if isinstance(lifted, list) else [lifted]
    projections = [RunningProjection(model, scales) for scales in model.window_groups(len(maps))]
    answers: list[Tensor] = []
    for scale, x in enumerate(maps):
        reading = [projection for projection in projections if scale in projection.scales]
        level = [projection for projection in reading if projection.factor(scale) == 1]
        finer = [projection for projection in reading if projection.factor(scale) > 1]
        if finer and not level:
            level = [RunningProjection(model, range(scale, scale + 1))]  # holds the coarse map until it is combined
        for projection in level:
            projection.begin(x, scale)
        held = size(*maps, *answers, *(projection.total for projection in {*level, *finer}))
        if level:
            for some, y in OneScale(model, scale, memory_for(images) - held, rows).features(x):
                for projection in level:
                    projection.add(y, scale, some)
        for projection in finer:
            projection.add_upsampled(level[0].total, scale)
        answers += [projection.logits() for projection in reading if scale == projection.scales[-1]]
    return model.combine_windows(answers, size_of(images))


class RunningProjection:
    """Projection of scales that answer together, scale by scale: maximum (or sum) of the features added so far."""

    def __init__(self, model: UShape, scales: range):
        projection = model.project.projection if isinstance(model.project, DroppedProjection) else ScaleProjection()
        self.base, self.reduction = projection.base, projection.reduction
        self.classifier, self.scales = model.classifier, scales
        self.total = torch.empty(0)

    def factor(self, scale: int) -> int:
        """Return γ^k, the pixels of the projection per pixel of the map of a scale, along an axis."""
        return self.base ** (scale - self.scales.start)

    def begin(self, x: Tensor, scale: int) -> None:
        """Reserve memory for the total if this scale, of lifted images x, is the first."""
        if scale == self.scales.start:
            self.total = room_for(x, self.classifier.in_channels)

    def add(self, y: Tensor, scale: int, rows: slice) -> None:
        """Combine with the features (N, F, rows, W) of a scale on some rows."""
        first = scale == self.scales.start
        self.total[:, :, rows] = y if first else self.combine(self.total[:, :, rows], y)

    def add_upsampled(self, y: Tensor, scale: int) -> None:
        """Combine with a coarse map of a pyramid, in bands that begin on its lattice."""
        height, width = self.total.shape[-2:]
        factor = self.factor(scale)
        step = factor * max(1, self.fitting() // factor)
        for top in range(0, height, step):
            band = self.total[:, :, top : top + step]
            window = y[:, :, top // factor : (top + step) // factor + 1]
            upsampled = upsample(window, factor, "aligned", (band.shape[-2], width))
            self.total[:, :, top : top + step] = self.combine(band, upsampled)

    def combine(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the larger values, or the sum."""
        return torch.maximum(a, b) if self.reduction == "max" else a + b

    def logits(self) -> Tensor:
        """Classify, band by band, and free the memory of the total."""
        share = 1 if self.reduction == "max" else 1 / len(self.scales)
        parts = self.total.split(max(1, self.fitting()), dim=2)
        logits = torch.cat([self.classifier(part * share) for part in parts], dim=2)
        self.total = torch.empty(0)
        return logits

    def fitting(self) -> int:
        """Return how many rows of the total fit in MIN_BAND_BYTES four times."""
        return MIN_BAND_BYTES // (4 * size(self.total[:, :, 0]))
