"""Crop consistency: does the answer at a pixel depend on what is far away? Where it does, tiles have seams."""

import torch
from torch import Tensor, nn

from seunet.experiment.inference import predict
from seunet.models.calling import SizeError
from seunet.settings.dataset import Tile

CROPPED_IMAGES = 4  # of the test images, evenly spaced
MARGIN = 16  # pixels from the cut that do not count: what lies beyond the cut is near to them
PERIOD = 64  # pixels after which sizes repeat for a network that does not say so itself

Size = tuple[int, int]


def crop_sizes(height: int, width: int, model: nn.Module) -> list[Size]:
    """Return the sizes to which an image is cut, largest first: one for every residue that the network takes.

    Rows and columns lose the same number of pixels r, from 1 to the network's period (2^depth γ^(S−1) for a U-shape:
    with the sizes of all its maps the rounding of none repeats earlier), and to no less than half of the image.
    """
    multiple = getattr(model, "size_multiple", 1)
    least = max(min(height, width) // 2, 2 * MARGIN)
    cuts = range(1, min(getattr(model, "period", PERIOD), min(height, width) - least) + 1)
    return [(height - r, width - r) for r in cuts if (height - r) % multiple == 0 == (width - r) % multiple]


@torch.no_grad()
def crop_counts(model: nn.Module, images: Tensor, tiling: Tile | None = None) -> list[tuple[int, int, int, int]]:
    """Return (height, width, kept pixels, pixels) for every size to which images (N, C, H, W) are cut.

    Kept are the pixels, further than MARGIN from the cut, that have the class that they have in the whole image.
    """
    whole = predict(model, images, tiling).argmax(1)
    rows, multiple = [], 1
    for height, width in crop_sizes(images.shape[-2], images.shape[-1], model):
        if height % multiple or width % multiple:
            continue
        try:
            part = predict(model, images[..., :height, :width].contiguous(), tiling).argmax(1)
        except SizeError as error:  # of a network that declares no size_multiple
            multiple = error.multiple
            continue
        inner = (..., slice(height - MARGIN), slice(width - MARGIN))
        same = part[inner] == whole[inner]
        rows.append((height, width, int(same.sum()), same.numel()))
    return rows
