"""At which factor of their own pixels a network should be shown images: found from the network itself, without a mask.

The images are shown at several factors. The score of a factor is half the information of the answers (`models.windows`)
less the distance from the fingerprint of the network: information tells a sharp answer from a dull one, and the
distance keeps out answers that are sure of nonsense, as those to enlarged images are. Images of one instrument share
one magnification, so they decide together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from seunet.data.rescaling import rescale_image
from seunet.experiment.fingerprint import Fingerprint, Observation, observe, own_scale
from seunet.runtime.errors import UserError

OCTAVES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125)
PROBES = 12  # images that decide together; of more, so many, evenly spaced
INFORMATION = 0.5  # weight of the information against the distance, chosen on validation images
MARGIN = 0.005  # nats by which a factor must beat ×1: less is no reason to show images otherwise than they are
PART = 1 / 3  # of an image's pixels: of what is shown larger, the middle is shown
LEAST_PIXELS = 2**14  # but no fewer than so many
LEAST_SIDE = 16  # pixels; smaller images are not shown
BATCH_PIXELS = 2**18


@dataclass(frozen=True)
class Trial:
    """A factor, its score, and what that is made of: information and distance, in nats."""

    factor: float
    score: float
    information: float
    distance: float


@dataclass(frozen=True)
class Magnification:
    """The factor at which images should be shown, and every factor that was tried, in increasing order."""

    factor: float
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial of the chosen factor."""
        return next(trial for trial in self.trials if trial.factor == self.factor)

    @property
    def second(self) -> Trial | None:
        """The best trial at least half an octave away from the chosen one."""
        others = [t for t in self.trials if abs(math.log2(t.factor / self.factor)) > 0.49]
        return max(others, key=lambda trial: trial.score, default=None)

    @property
    def margin(self) -> float:
        """By how many nats the chosen factor beats the second best."""
        return self.best.score - self.second.score if self.second else math.inf

    def __str__(self) -> str:
        """Return a sentence for users."""
        if self.factor == 1 and self.margin < MARGIN:
            return "shown at their own pixels: no factor stands out"
        shown = "at their own pixels" if self.factor == 1 else f"at ×{self.factor:.2g} of their own pixels"
        return f"shown {shown}" + (f"; second best ×{self.second.factor:.2g}" if self.second else "")


def find_magnification(
    model: nn.Module,
    images: Sequence[Tensor],
    reference: Fingerprint | None = None,
    factors: Sequence[float] = OCTAVES,
) -> Magnification:
    """Return the factor of their own pixels at which a network should be shown images: one for all of them.

    Args: model, in evaluation mode, from (N, C, H, W) in [0, 1] to logits; images, (C, H, W) each, of any sizes, 12 are
    enough; reference, the `Fingerprint` of the network: `load_model(…)[1]["fingerprint"]` of one that was trained
    here; None: the running statistics of its batch norm. factors: from the largest to the smallest, in octaves; around
    the best of them, half octaves are tried, and with several images quarter octaves.
    Raises UserError without images, and for a network without fingerprint and without batch norm.

    Example:
        >>> import torch
        >>> from seunet import UNet
        >>> model = UNet(1, 2, width=2, depth=2).eval()
        >>> find_magnification(model, [torch.zeros(1, 64, 64)]).factor
        1.0
    """
    if not images:
        raise UserError("find_magnification: no images; give at least one")
    reference = reference or Fingerprint.of_running_statistics(model)
    if reference is None:
        raise UserError(
            "the network has no batch norm that remembers the scale of its training; give images of the right scale "
            "to compare with (--reference)"
        )
    probes = [images[i] for i in spaced(len(images), PROBES)]

    def try_factor(factor: float) -> Trial | None:
        seen = show(model, probes, factor)
        if seen is None:
            return None
        gained, distance = float(seen.information.mean()), reference.distance(seen)
        return Trial(factor, INFORMATION * gained - distance, gained, distance)

    steps = (0.5, 0.25) if len(images) > 1 else (0.5,)
    with own_scale(model):
        return search(try_factor, sorted(factors), steps)


def search(
    try_factor: Callable[[float], Trial | None], factors: Sequence[float], steps: Sequence[float]
) -> Magnification:
    """Return the best factor: all that reduce are tried, those that enlarge while the score rises, then steps between.

    try_factor: None where a factor cannot be shown. factors: in increasing order; 1 is added. steps: octaves.
    """
    trials: dict[float, Trial] = {}

    def attempt(factor: float) -> Trial | None:
        trial = trials.get(factor) or try_factor(factor)
        if trial:
            trials[factor] = trial
        return trial

    last = attempt(1.0)
    if last is None:
        raise UserError(f"the images are smaller than {LEAST_SIDE} pixels; there is no scale to find")
    for factor in (f for f in factors if f < 1):
        attempt(factor)
    for factor in (f for f in factors if f > 1):
        trial = attempt(factor)
        if trial is None or trial.score <= last.score:
            break
        last = trial
    for step in steps:
        centre = max(trials.values(), key=lambda trial: trial.score).factor
        for factor in (centre * 2**step, centre / 2**step):
            if factors[0] <= factor <= factors[-1]:
                attempt(factor)
    best = max(trials.values(), key=lambda trial: trial.score)
    chosen = best.factor if best.score > trials[1.0].score + MARGIN else 1.0
    return Magnification(chosen, tuple(trials[factor] for factor in sorted(trials)))


def show(model: nn.Module, images: Sequence[Tensor], factor: float) -> Observation | None:
    """Return what a network sees in images at a factor of their own pixels; None where one would be too small."""
    shown = [resized(image, factor) for image in images]
    if any(min(image.shape[-2:]) < LEAST_SIDE for image in shown):
        return None
    parts = []
    while shown:
        size = shown[0].shape[-2:]
        count = max(1, BATCH_PIXELS // (size[0] * size[1]))
        batch = [image for image in shown[:count] if image.shape[-2:] == size]
        parts.append(observe(model, torch.stack(batch)))
        shown = shown[len(batch) :]
    return Observation.join(parts)


def resized(image: Tensor, factor: float) -> Tensor:
    """Return an image (C, H, W) at a factor of its own pixels; of what would be larger than PART of it, the middle."""
    height, width = image.shape[-2:]
    most = max(height * width * PART, LEAST_PIXELS)
    share = min(1.0, math.sqrt(most / (height * width * factor**2)))
    rows, columns = math.ceil(height * share), math.ceil(width * share)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = image[:, top : top + rows, left : left + columns]
    return rescale_image(part[None], (max(1, round(rows * factor)), max(1, round(columns * factor))))[0]


def spaced(count: int, most: int) -> list[int]:
    """Return at most so many of the indices 0 … count − 1, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)).tolist()
