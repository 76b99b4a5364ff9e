"""Counts of pixels, from which metrics follow (`seunet.settings.metric`): those of many images can be added."""

import torch
from torch import Tensor

from seunet.data.source import IGNORED
from seunet.runtime.errors import UserError

INTEGERS = (torch.uint8, torch.int16, torch.int32, torch.int64)


def confusion_counts(target: Tensor, prediction: Tensor, num_classes: int) -> Tensor:
    """Return tp, fp, fn per image and class, (3, N, C) int64, from class maps (N, H, W); target 255 is ignored.

    Raises UserError for a class outside of [0, num_classes): it would be counted elsewhere, or not at all.
    """
    check_classes("prediction", prediction, num_classes)
    check_classes("target", target.masked_fill(target == IGNORED, 0), num_classes)
    images, cells = len(target), (num_classes + 1) * num_classes
    # one bincount for all images, of the narrowest integers; ignored pixels go to a row of their own, which is cut off
    dtype = next(dtype for dtype in INTEGERS if images * cells <= torch.iinfo(dtype).max)
    cell = target.clamp(max=num_classes).to(dtype) * num_classes + prediction.to(dtype)
    cell += (torch.arange(images, dtype=dtype, device=target.device) * cells)[:, None, None]
    matrix = torch.bincount(cell.flatten(), minlength=images * cells)
    matrix = matrix.view(images, num_classes + 1, num_classes)[:, :num_classes]
    tp = matrix.diagonal(dim1=1, dim2=2)
    return torch.stack([tp, matrix.sum(1) - tp, matrix.sum(2) - tp])


def check_classes(name: str, found: Tensor, num_classes: int) -> None:
    """Raise UserError for a class outside of [0, num_classes)."""
    for extreme in map(int, torch.aminmax(found)) if found.numel() else ():
        if not 0 <= extreme < num_classes:
            raise UserError(f"{name}: class {extreme} where there are {num_classes}; expected 0 to {num_classes - 1}")


def consistency_counts(reference: Tensor, prediction: Tensor, num_classes: int) -> Tensor:
    """Return consistent pixels and all pixels per image and class of the reference, (2, N, C) int64.

    reference: classes predicted at scale 1, (N, H, W); prediction: classes of the logits of another scale,
    brought back to the same size. Consistency = consistent / all, each summed over classes and images.
    """
    tp, _, fn = confusion_counts(reference, prediction, num_classes)
    return torch.stack([tp, tp + fn])
