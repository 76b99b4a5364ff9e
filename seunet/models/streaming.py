"""Prediction of large images by U-shapes in bands of rows: exact, in a fraction of the memory, at little more work.

Scales do not read each other before the projection (scale size 1), so they pass one after the other, and only the
largest values so far are kept of those before. Every stage makes its output band by band, from the rows of its input
that the band can see, so that nothing but its input and its output is ever whole. At full resolution not even that:
the first skip is computed again where the decoder needs it.
"""

import ctypes
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TypeGuard

import torch
from torch import Tensor, nn

from seunet.layers import ScaleCrossCorrelation
from seunet.layers.lifted import ScaleLayer
from seunet.layers.projection import DroppedProjection, ScaleProjection
from seunet.models.seunet import SEUNet
from seunet.models.ushape import UShape
from seunet.ops import native
from seunet.ops.interpolation import size_of, upsample

MEMORY = 9 * 2**28  # bytes that the maps of a prediction should take on a CPU; if at once they take more, in bands
BAND = 2**28  # bytes for the maps of one band, however little is left
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
    same = kind.forward is UShape.forward and kind.answer is UShape.answer
    return same and kind.read in (UShape.read, SEUNet.read)


def is_large(model: UShape, images: Tensor) -> bool:
    """Tell whether the maps of these images (N, C, H, W), all at once, would take more than they should."""
    pixels = len(images) * sum(height * width for height, width in model.sizes(*images.shape[-2:]))
    return 4 * MAPS * model.classifier.in_channels * pixels > memory_for(images)


def memory_for(images: Tensor) -> int:
    """Return the bytes that the maps of a prediction should take: MEMORY, or half a GPU's."""
    if images.device.type == "cuda":
        return torch.cuda.get_device_properties(images.device).total_memory // 2
    return MEMORY


def size(*maps: Tensor) -> int:
    """Return the bytes of maps."""
    return sum(x.numel() * x.element_size() for x in maps)


@torch.no_grad()
def stream(model: UShape, images: Tensor, rows: int | None = None) -> Tensor:
    """Return the logits (N, classes, H, W) of images (N, C, H, W), as the network itself does, up to rounding.

    rows: of a band of the image; by default as many as fit in memory, but no fewer than a band reads beyond itself.
    """
    lifted = model.lift(images)
    maps = lifted if isinstance(lifted, list) else [lifted]
    runs = [Run(model, scales) for scales in model.runs(len(maps))]
    answers: list[Tensor] = []
    for scale, x in enumerate(maps):
        reading = [run for run in runs if scale in run.scales]
        level = [run for run in reading if run.factor(scale) == 1]
        finer = [run for run in reading if run.factor(scale) > 1]
        if finer and not level:
            level = [Run(model, range(scale, scale + 1))]  # holds the coarse map until it is combined
        for run in level:
            run.begin(x, scale)
        held = size(*maps, *answers, *(run.total for run in {*level, *finer}))
        if level:
            for some, y in OneScale(model, scale, memory_for(images) - held, rows).features(x):
                for run in level:
                    run.add(y, scale, some)
        for run in finer:
            run.add_upsampled(level[0].total, scale)
        answers += [run.logits() for run in reading if scale == run.scales[-1]]
    return model.decide(answers, size_of(images))


class Run:
    """The maps before the classifier of scales that answer together: the largest values, or the sum, so far."""

    def __init__(self, model: UShape, scales: range):
        projection = model.project.projection if isinstance(model.project, DroppedProjection) else ScaleProjection()
        self.base, self.reduction = projection.base, projection.reduction
        self.classifier, self.scales = model.classifier, scales
        self.total = torch.empty(0)

    def factor(self, scale: int) -> int:
        """Return γ^k, the pixels of the run's maps per pixel, to either side, of the map of a scale."""
        return self.base ** (scale - self.scales.start)

    def begin(self, x: Tensor, scale: int) -> None:
        """Make room for the maps if this scale, of lifted images x, is the first."""
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
        """Classify, band by band, and let the maps go."""
        share = 1 if self.reduction == "max" else 1 / len(self.scales)
        parts = self.total.split(max(1, self.fitting()), dim=2)
        logits = torch.cat([self.classifier(part * share) for part in parts], dim=2)
        self.total = torch.empty(0)
        return logits

    def fitting(self) -> int:
        """Return how many rows of the total fit in BAND four times."""
        return BAND // (4 * size(self.total[:, :, 0]))


class OneScale:
    """A U-shape at one scale, stage by stage. memory: bytes for its maps; what whole maps leave, bands may take."""

    def __init__(self, model: UShape, scale: int, memory: int, rows: int | None):
        self.model, self.scale, self.memory, self.rows = model, scale, memory, rows

    def features(self, x: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Yield which rows, and the features (N, F, rows, W) there, of a lifted batch (N, C, H, W)."""
        width = self.model.classifier.in_channels
        (first, first_pool), *down = self.model.down()
        (level, fuse), *up = self.model.up()
        top = nn.Sequential(*first)
        skips: list[Tensor] = []
        lifted, x = x, self.whole(nn.Sequential(top, first_pool), x, width, [], stride=2)
        for layers, pool in down:
            skips.append(self.whole(nn.Sequential(*layers), x, 2 * x.shape[1], skips))
            x = self.whole(pool, skips[-1], skips[-1].shape[1], skips[:-1], stride=2)
        x = self.whole(level, x, 2 * x.shape[1], skips)
        for level, next_fuse in up:
            skip = skips[-1]
            bands = self.bands(level, skip.shape, fused(fuse, x, skip), skip.shape[1], size(x, *skips))
            x = fill(skips.pop(), bands)  # the output takes the place of the skip: it has as many channels
            release_freed_memory()
            fuse = next_fuse
        again = self.reach(top)

        def window(rows: slice) -> Tensor:
            """Return the input of the head on some rows, from the first skip made anew."""
            wider = slice(max(0, rows.start - again), rows.stop + again)
            skip = self.run(top, lifted[:, :, wider])[:, :, rows.start - wider.start :][:, :, : rows.stop - rows.start]
            return fused(fuse, x, skip, rows.start)(slice(rows.start, rows.start + skip.shape[2]))

        yield from self.bands(self.model.head, lifted.shape, window, width, size(x), again)

    def whole(self, layers: nn.Module, x: Tensor, channels: int, others: list[Tensor], stride: int = 1) -> Tensor:
        """Apply layers, to so many channels, to a map, in bands; together they subsample by `stride`.

        others: what else is in memory.
        """
        y = room_for(x, channels, stride)
        wide = max(x.shape[1], channels // 2)
        fill(y, self.bands(layers, x.shape, lambda rows: x[:, :, rows], wide, size(x, y, *others), 0, stride))
        release_freed_memory()
        return y

    def bands(
        self,
        layers: nn.Module,
        shape: torch.Size,
        window: Callable[[slice], Tensor],
        channels: int,
        held: int,
        beyond: int = 0,
        stride: int = 1,
    ) -> Iterator[tuple[slice, Tensor]]:
        """Yield output rows and their values, band by band.

        window(rows) gives the input of the layers on some rows of a map of `shape`; making it and applying the layers
        takes about four times `channels` numbers a pixel. held: the bytes of all whole maps. beyond: rows that making
        a window reads further.
        """
        batch, _, height, width = shape
        halo = even(self.reach(layers) + 2)  # and two rows, because interpolation ends otherwise at a cut
        room = max(BAND, self.memory - held)
        fitting = room // (4 * 4 * channels * width * batch) - 2 * (halo + beyond)
        step = even(max(self.rows or fitting, halo + beyond))  # so that a band reads of its neighbours alone
        for top in range(0, height, step):
            rows = slice(max(0, top - halo), min(top + step + halo, height))
            y = self.run(layers, window(rows))
            out = slice(top // stride, -(-min(top + step, height) // stride))
            yield out, y[:, :, out.start - rows.start // stride : out.stop - rows.start // stride]

    def run(self, layers: nn.Module, x: Tensor) -> Tensor:
        """Apply a layer, or several in turn, at this scale."""
        if isinstance(layers, nn.Sequential):
            for layer in layers:
                x = self.run(layer, x)
            return x
        return layers.at(x, self.scale) if isinstance(layers, ScaleLayer) else layers(x)

    def reach(self, layers: nn.Module) -> int:
        """Return how many rows of the input an output of the layers reads to either side."""
        if isinstance(layers, nn.Sequential):
            return sum(self.reach(layer) for layer in layers)
        if isinstance(layers, ScaleLayer):
            return layers.reach(self.scale)
        kernel, dilation = (
            value[0] if isinstance(value, tuple) else value  # of a convolution or pooling on ordinary maps
            for value in (getattr(layers, name, 1) for name in ("kernel_size", "dilation"))
        )
        return dilation * (kernel - 1) // 2 + (kernel + 1) % 2


def fused(fuse: nn.Module, x: Tensor, skip: Tensor, first: int = 0) -> Callable[[slice], Tensor]:
    """Return a function of rows, from an even one on, that fuses a coarse map with a skip; its row 0 is row `first`."""

    def on(rows: slice) -> Tensor:
        coarse = x[:, :, rows.start // 2 : -(-rows.stop // 2)]
        return fuse(coarse, skip[:, :, rows.start - first : rows.stop - first])

    return on


def room_for(x: Tensor, channels: int, stride: int = 1) -> Tensor:
    """Return memory for a map of so many channels, and of the size of x subsampled."""
    shape = (len(x), channels, *(-(-side // stride) for side in x.shape[-2:]))
    return native.empty(shape, x.dtype, x.device)


def fill(whole: Tensor, bands: Iterator[tuple[slice, Tensor]]) -> Tensor:
    """Write bands, rows and their values, into a map and return it.

    A band is written when the next one is there, which may read the same rows of the map from before.
    """
    before: tuple[slice, Tensor] | None = None
    for band in chain(bands, [None]):
        if before:
            rows, y = before
            whole[:, :, rows] = y
        before = band
    return whole


def release_freed_memory() -> None:
    """Let the C library give what was freed back to the system: it keeps it, in pieces too small for the next maps."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim:
        trim(0)


def even(rows: int) -> int:
    """Return the number, or the next, that is even."""
    return rows + rows % 2
