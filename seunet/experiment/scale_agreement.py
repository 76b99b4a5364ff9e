"""Does a trained network survive a change of scale on images that have no mask? Its answers at several scales, compared
with its answer at ×1."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seunet.data.formats.picture import Picture
from seunet.experiment.application import InputScale, TrainedNetwork, classes_at, own_size
from seunet.experiment.metrics import confusion_counts
from seunet.models.windows import Windows
from seunet.runtime.wording import counted
from seunet.settings.metric import Metric

SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
MAX_PIXELS = 16_000_000  # of an image at one scale; larger ones are left out
SAME, OVERLAP = 0.9, 0.7  # an answer survives if so many pixels keep their class, and regions overlap so far (mean IoU)


@dataclass(frozen=True)
class ScaledPrediction:
    """What a network answers at one scale.

    size: height and width of the image as it was shown. classes: (H, W) on the pixels of the image at ×1. agreement:
    share of pixels with the class that they have at ×1. overlap: mean IoU of the classes with those at ×1. winners:
    {scale of the lifted map: share of pixels that it decided}; empty for networks without a maximum over scales.
    """

    scale: float
    size: tuple[int, int]
    classes: np.ndarray
    agreement: float
    overlap: float
    winners: dict[float, float]


def predict_at_scales(
    network: TrainedNetwork, picture: Picture, input_scale: InputScale, scales: Sequence[float] = SCALES
) -> list[ScaledPrediction]:
    """Return the answers at the scales whose images are not too large; ×1, which is `input_scale`, is among them."""
    own = own_size(picture)
    reference_size = input_scale.resized(own, picture.name)
    reference = classes_at(network.logits(picture, input_scale), reference_size)
    found = []
    for scale in scales:
        size = input_scale.times(scale).resized(own, picture.name)
        if scale > 1 and size[0] * size[1] > MAX_PIXELS:
            continue
        with winning_scales(network.predictor) as winners:
            classes = classes_at(network.logits(picture, input_scale.times(scale)), reference_size)
        agreement = (classes == reference).float().mean().item()
        counts = confusion_counts(reference[None].long(), classes[None].long(), len(network.classes))
        tp, fp, fn = counts.sum(1).cpu().numpy()
        overlap = Metric().of_counts(tp, fp, fn, network.classes)
        found.append(ScaledPrediction(scale, size, classes.cpu().numpy(), agreement, overlap, shares(winners)))
    return found


@contextmanager
def winning_scales(model: nn.Module) -> Iterator[dict[float, int]]:
    """Give a mapping that fills with {scale: pixels whose answer comes from it} while the network predicts."""
    counts: dict[float, int] = {}
    windows = next((module for module in model.modules() if isinstance(module, Windows)), None)
    reduction = getattr(getattr(getattr(model, "project", None), "projection", None), "reduction", None)
    if windows is None or reduction != "max":
        yield counts
        return

    def see(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        maps, classify = inputs
        winners = windows.winning_scales(maps, windows.window_logits(maps, classify))
        for scale, pixels in enumerate(torch.bincount(winners.flatten(), minlength=len(maps)).tolist()):
            counts[windows.base**scale] = counts.get(windows.base**scale, 0) + pixels

    handle = windows.register_forward_hook(see)
    try:
        yield counts
    finally:
        handle.remove()


def shares(counts: dict[float, int]) -> dict[float, float]:
    """Return counts as shares of their sum."""
    total = sum(counts.values())
    return {key: count / total for key, count in counts.items()} if total else {}


def describe_agreement(images: Sequence[Sequence[ScaledPrediction]]) -> str:
    """Say in one sentence at which scales the answers survive, over all images."""
    scales = sorted({answer.scale for image in images for answer in image} - {1.0})
    kept: list[str] = []
    lost: list[str] = []
    for scale in scales:
        at = [answer for image in images for answer in image if answer.scale == scale]
        agreement, overlap = (float(np.mean([getattr(a, key) for a in at])) for key in ("agreement", "overlap"))
        (kept if agreement >= SAME and overlap >= OVERLAP else lost).append(f"×{scale:g} ({agreement:.0%} of pixels)")
    count = counted(len(images), "image")
    if all(len(np.unique(answer.classes)) == 1 for image in images for answer in image if answer.scale == 1):
        return f"On {count} the network answers one class everywhere: that it agrees with itself says nothing."
    if not lost:
        return f"On {count} the answer survives every scale: {', '.join(kept)} keep their class."
    if not kept:
        return f"On {count} the answer survives no change of scale: at {', '.join(lost)} alone keep their class."
    return f"On {count} the answer survives at {', '.join(kept)}, and is lost at {', '.join(lost)}."
