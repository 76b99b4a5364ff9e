"""A U-shape at one scale, in bands of rows: each stage from the rows of its input that a band can see."""

import ctypes
from collections.abc import Callable, Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from seunet.layers.lifted import ScaleLayer
from seunet.models.ushape import UShape
from seunet.ops import native

MIN_BAND_BYTES = 2**28  # for the maps of one band, even if whole maps leave less


class OneScale:
    """A U-shape at one scale, stage by stage.

    memory: bytes for all maps; bands get what whole maps leave free. rows: of a band of the image, None for as many as
    fit.
    """

    def __init__(self, model: UShape, scale: int, memory: int, rows: int | None):
        self.model, self.scale, self.memory, self.rows = model, scale, memory, rows
        self.dtype = next(model.decoder.parameters()).dtype

    def features(self, x: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Yield rows of a lifted batch (N, C, H, W), and its features (N, F, rows, W) before the classifier."""
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
            """Return the input of the head on some rows; the first skip is computed again for it."""
            wider = slice(max(0, rows.start - again), rows.stop + again)
            skip = self.run(top, lifted[:, :, wider])[:, :, rows.start - wider.start :][:, :, : rows.stop - rows.start]
            return fused(fuse, x, skip, rows.start)(slice(rows.start, rows.start + skip.shape[2]))

        yield from self.bands(self.model.head, lifted.shape, window, width, size(x), again)

    def whole(self, layers: nn.Module, x: Tensor, channels: int, others: list[Tensor], stride: int = 1) -> Tensor:
        """Apply layers to a map in bands, and return the whole output.

        channels: of the output. stride: by which the layers subsample. others: maps that are in memory as well.
        """
        y = room_for(x, channels, stride, self.dtype)
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

        window(rows): the input of the layers on some rows of a map of `shape`. channels: of the widest map inside, of
        which four are in memory at once. held: bytes of all whole maps. beyond: rows to either side that `window`
        itself reads.
        """
        batch, _, height, width = shape
        halo = even(self.reach(layers) + 2)  # two more rows, because interpolation is different at a cut
        room = max(MIN_BAND_BYTES, self.memory - held)
        fitting = room // (4 * 4 * channels * width * batch) - 2 * (halo + beyond)
        step = even(max(self.rows or fitting, halo + beyond))  # a band reads rows of its two neighbours only
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
    """Return a function that fuses a coarse map with a skip on some rows, the first of which is even.

    first: the row of the image that row 0 of the skip is.
    """

    def on(rows: slice) -> Tensor:
        coarse = x[:, :, rows.start // 2 : -(-rows.stop // 2)]
        return fuse(coarse, skip[:, :, rows.start - first : rows.stop - first])

    return on


def room_for(x: Tensor, channels: int, stride: int = 1, dtype: torch.dtype | None = None) -> Tensor:
    """Return uninitialised memory for a map with `channels` channels and the size of x, subsampled; dtype: as x."""
    shape = (len(x), channels, *(-(-side // stride) for side in x.shape[-2:]))
    return native.empty(shape, dtype or x.dtype, x.device)


def fill(whole: Tensor, bands: Iterator[tuple[slice, Tensor]]) -> Tensor:
    """Write bands, rows and their values, into a map and return it.

    A band is written after the next one is computed, because that may still read the old values of the same rows.
    """
    before: tuple[slice, Tensor] | None = None
    for band in chain(bands, [None]):
        if before:
            rows, y = before
            whole[:, :, rows] = y
        before = band
    return whole


def release_freed_memory() -> None:
    """Return freed memory to the system; the C library keeps it, in pieces that are too small for the next maps."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim:
        trim(0)


def even(rows: int) -> int:
    """Return the smallest even number that is at least this one."""
    return rows + rows % 2


def size(*maps: Tensor) -> int:
    """Return the bytes of maps."""
    return sum(x.numel() * x.element_size() for x in maps)
