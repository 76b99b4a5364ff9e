"""Losses over the pixels that count: cross-entropy, Dice, or both, from sums that batches can add up."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.data.source import IGNORED


class Loss:
    """A loss from logits (N, C, H, W) and classes (N, H, W), where 255 is ignored.

    - "cross_entropy": the mean over the pixels, of a class each weighted by `weights` where there are any.
    - "dice": 1 − mean over the classes of 2 Σ p t / (Σ p + Σ t), with probabilities p and truth t, over all pixels of
      the batch (Milletari et al., V-Net, 3DV 2016). A class that is neither there nor predicted counts as right.
    - "both": their sum.

    Without a pixel that counts, the cross-entropy is 0, where torch's own mean would be NaN.
    """

    def __init__(self, kind: str = "cross_entropy", weights: Sequence[float] | None = None):
        self.kind = kind
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float32)

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar."""
        return self.value(*self.sums(logits, target))

    def sums(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what the loss is made of: Σ cross-entropy, Σ weights, and per class 2 Σ p t and Σ p + Σ t."""
        counted = target != IGNORED
        entropy = weight = overlap = size = logits.new_zeros(())
        if self.kind != "dice":
            weights = None if self.weights is None else self.weights.to(logits.device)
            entropy = F.cross_entropy(logits, target, weights, ignore_index=IGNORED, reduction="sum")
            weight = counted.sum() if weights is None else weights[target[counted]].sum()
        if self.kind != "cross_entropy":
            probabilities = logits.softmax(1) * counted[:, None]
            truth = F.one_hot(target.masked_fill(~counted, 0), logits.shape[1]).permute(0, 3, 1, 2) * counted[:, None]
            overlap = 2 * (probabilities * truth).sum((0, 2, 3))
            size = (probabilities + truth).sum((0, 2, 3))
        return entropy, weight, overlap, size

    def value(self, entropy: Tensor, weight: Tensor, overlap: Tensor, size: Tensor) -> Tensor:
        """Return the loss from its sums."""
        if self.kind == "dice":
            return dice_loss(overlap, size)
        least = 1 if self.weights is None else torch.finfo(torch.float32).tiny
        mean = entropy / weight.clamp(min=least)
        return mean if self.kind == "cross_entropy" else mean + dice_loss(overlap, size)


def dice_loss(overlap: Tensor, size: Tensor) -> Tensor:
    """Return 1 − mean Dice from the sums per class; half a pixel keeps 0 / 0 at 1."""
    return 1 - ((overlap + 0.5) / (size + 0.5)).mean()


def balanced_weights(masks: np.ndarray, classes: int) -> list[float]:
    """Return pixels / (classes · pixels of the class) from masks (N, H, W), 1 for a class that is not there.

    The mean weight of the pixels that count is 1.
    """
    counts = np.sum([np.bincount(mask.ravel(), minlength=256)[:classes] for mask in masks], axis=0).astype(float)
    there = counts > 0
    return np.where(there, counts.sum() / (max(1, there.sum()) * np.maximum(counts, 1)), 1.0).tolist()
