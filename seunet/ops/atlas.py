"""An atlas: all maps of a lifted map side by side in one image, so that one operator of torch acts on all scales.

A kernel with taps d pixels apart reads one lattice p + d Z² of a map for each output. So a map lies in the atlas as its
d² lattices, each in a cell with a border, and every kernel is an ordinary 3 × 3 convolution of the atlas.
What moves pixels (borders, pooling, upsampling, the way in and out) reads tables of places: index_tables.py.

On a GPU the time of a small network is that of starting operators: in an atlas a pyramid starts as many as a U-Net.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from seunet.ops.index_tables import Layout


class Atlas:
    """An image (N, C, H, W), channels-last, with its layout; as a sequence, the S maps (N, C, H_s, W_s).

    bordered: whether the border is there; convolutions read it, and leave something else.
    """

    def __init__(self, image: Tensor, layout: Layout, bordered: bool = True):
        self.image, self.layout, self.bordered = image, layout, bordered

    def __len__(self) -> int:
        return len(self.layout.sizes)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(unpack(self))

    def __getitem__(self, scale: int) -> Tensor:
        return unpack(self)[scale]


def pack(maps: Sequence[Tensor], steps: Sequence[int], border: str) -> Atlas:
    """Return the atlas of S maps (N, C, H_s, W_s)."""
    layout = Layout(tuple((x.shape[2], x.shape[3]) for x in maps), tuple(steps), border)
    (numbers,) = layout.table("numbers", maps[0])
    pixels = torch.cat([pixels_of(x) for x in maps], 1).index_select(1, numbers)
    return with_border(Atlas(image_of(pixels, layout), layout, border == "replicate"))


def unpack(atlas: Atlas) -> list[Tensor]:
    """Return the S maps (N, C, H_s, W_s), channels-last."""
    sizes = atlas.layout.sizes
    (places,) = atlas.layout.table("places", atlas.image)
    parts = pixels_of(atlas.image).index_select(1, places).split([height * width for height, width in sizes], 1)
    return [part.unflatten(1, size).permute(0, 3, 1, 2) for part, size in zip(parts, sizes, strict=True)]


def with_border(atlas: Atlas) -> Atlas:
    """Return the atlas with the border around each lattice."""
    if atlas.bordered:
        return atlas
    image, layout = atlas.image, atlas.layout
    if layout.border == "zeros":
        return Atlas(image * inside(layout, image), layout)
    (sources,) = layout.table("sources", image)
    return Atlas(image_of(pixels_of(image).index_select(1, sources), layout), layout)


def inside(layout: Layout, like: Tensor) -> Tensor:
    """Return 1 at the pixels of maps and 0 around them, (H, W), of the type of a tensor."""
    return layout.table("inside", like)[0].to(like.dtype)


def pixels_of(image: Tensor) -> Tensor:
    """(N, C, H, W) → (N, H · W, C): of a channels-last image a view."""
    return image.permute(0, 2, 3, 1).flatten(1, 2)


def image_of(pixels: Tensor, layout: Layout) -> Tensor:
    """(N, H · W, C) → the image (N, C, H, W) of a layout, a view."""
    return pixels.unflatten(1, layout.size).permute(0, 3, 1, 2)


def upsampled_atlas(x: Tensor, layout: Layout, mode: str) -> Tensor:
    """Return the image of a layout, x upsampled by 2, without border; x has the subsampled layout."""
    return image_of(Upsampled.apply(pixels_of(x), *layout.table("upsampling", x, mode)), layout)


class Upsampled(torch.autograd.Function):
    """Pixels (N, P, C) → (N, P', C): sums of weighted pixels; so is the gradient, which adds in a fixed order."""

    @staticmethod
    def forward(ctx, x, table, weights, back, back_weights):
        """Read four pixels for each."""
        ctx.save_for_backward(back, back_weights)
        return weighted_sums(x, table, weights)

    @staticmethod
    def backward(ctx, grad):
        """Read those that each pixel was read by."""
        return weighted_sums(grad, *ctx.saved_tensors), None, None, None, None


def weighted_sums(x: Tensor, table: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted sums (N, P', C) of the pixels of x that a table (P', entries) names."""
    read = x.index_select(1, table.flatten()).unflatten(1, table.shape)
    return read.mul_(weights.to(x.dtype)).sum(2)
