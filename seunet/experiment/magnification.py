"""At which factor of their own pixels a network should be shown images: found from the network itself, without a mask.

The images are shown at several factors. The score of a factor is half the information of the answers (`models.windows`)
less the distance from the fingerprint of the network: information tells a sharp answer from a dull one, and the
distance keeps out answers that are sure of nonsense, as those to enlarged images are. Images of one instrument share
one magnification, so they decide together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from seunet.data.rescaling import rescale_image
from seunet.data.sampling import evenly_spaced
from seunet.experiment.fingerprint import Fingerprint, Observation, finest_window_only, observe
from seunet.ops.interpolation import size_of
from seunet.runtime.errors import UserError

OCTAVES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
PROBES = 12  # images that decide together; of more, so many, evenly spaced
INFORMATION = 0.5  # weight of the information against the distance, chosen on validation images
MARGIN = 0.005  # nats by which a factor must beat ×1: less is no reason to show images otherwise than they are
DOUBT = 0.1  # the same for one that enlarges, where reduced reference images were answered no better enlarged
AWAY = 0.05  # nats below the score of the reference's own images: there is a better factor yet
MOST_PIXELS = 2**20  # that are shown of an image; of one with more, the middle
LEAST_PIXELS = 2**14  # that are shown of an image alone, which is not shown with more pixels than it has itself
LEAST_CONTRAST = 1e-3  # standard deviation of an image's values; below there is nothing to see
LEAST_SIDE = 16  # pixels; smaller images are not shown
BATCH_PIXELS = 2**18
ROUNDING = 1e-4  # by which resampling may leave [0, 1]
HALF_OCTAVE = math.sqrt(2)
FINER = (HALF_OCTAVE, 2**0.25)  # steps that are halved, towards the better neighbour of the best factor


@dataclass(frozen=True)
class Trial:
    """A factor, its score, and what that is made of: information and distance, in nats."""

    factor: float
    score: float
    information: float
    distance: float


@dataclass(frozen=True)
class Magnification:
    """The factor at which images should be shown, and every factor that was tried, in increasing order.

    as_it_is: of an image alone that was shown whole, the logits (1, classes, H, W) at its own pixels.
    """

    factor: float
    trials: tuple[Trial, ...]
    as_it_is: Tensor | None = field(default=None, repr=False, compare=False)

    @property
    def known_logits(self) -> Tensor | None:
        """The logits (1, classes, H, W) at the chosen factor, if they are known: those at ×1 of an image alone."""
        return self.as_it_is if self.factor == 1 else None

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
    reference: Fingerprint | Mapping[str, Any] | None = None,
    factors: Sequence[float] = OCTAVES,
) -> Magnification:
    """Return the factor of their own pixels at which a network should be shown images: one for all of them.

    Args: model, in evaluation mode, from (N, C, H, W) in [0, 1] to logits; images, (C, H, W) each, of any sizes, 12 are
    enough; reference, what the network sees at the scale of its training: `load_model(…)[1]["fingerprint"]` of one
    that was trained here, `fingerprint(model, batches)` from images of the right scale, or None: the running statistics
    of its batch norm. factors: octaves; half octaves are tried between them.
    Raises UserError without images, and for a network without fingerprint and without batch norm.

    Example:
        >>> import torch
        >>> from seunet import UNet
        >>> model = UNet(1, 2, width=2, depth=2).eval()
        >>> find_magnification(model, [torch.zeros(1, 64, 64)]).factor
        1.0
    """
    images = checked(model, images)
    if not factors or not all(0 < factor < math.inf for factor in factors):
        raise UserError(f"factors: {factors!r}; give positive numbers, such as {OCTAVES}")
    if isinstance(reference, Mapping):
        reference = Fingerprint.read(reference)
    known = reference or Fingerprint.of_running_statistics(model)
    if known is None:
        raise UserError(
            "the network has no batch norm that remembers the scale of its training; give images of the right scale "
            "to compare with (reference, --reference)"
        )
    probes, alone = [images[i] for i in evenly_spaced(len(images), PROBES)], len(images) == 1
    probes = [image for image in probes if min(image.shape[-2:]) >= LEAST_SIDE]
    if not probes:
        raise UserError(f"the images are smaller than {LEAST_SIDE} pixels; there is no scale to find")
    if all(float(image.std()) < LEAST_CONTRAST for image in probes):
        factors = ()  # nothing is to be seen at any scale
    answers: dict[float, Tensor] = {}

    def try_factor(factor: float) -> Trial | None:
        shown = [resized(image, factor, alone) for image in probes]
        if any(min(image.shape[-2:]) < LEAST_SIDE for image in shown):
            return None
        seen, logits = show(model, shown)
        if factor == 1 and alone and shown[0].shape == probes[0].shape:
            answers[factor] = logits
        gained, distance = float(seen.information.mean()), known.distance(seen)
        return Trial(factor, INFORMATION * gained - distance, gained, distance)

    largest = max(factors, default=1.0) if known.layers or known.enlarges else 1.0
    with finest_window_only(model):
        possible = sorted(factor for factor in {*factors, 1.0} if factor <= largest)
        found = search(try_factor, possible, least_gain(known), enough(known), alone)
    return replace(found, as_it_is=answers.get(1.0))


def least_gain(known: Fingerprint) -> float:
    """Return the nats that an enlargement must gain, by what enlargements did to the reference's own images."""
    return MARGIN if known.enlarges else DOUBT if known.enlarges_quarters else math.inf


def enough(known: Fingerprint) -> float:
    """Return the score that says that a factor is good: that of the reference's own images, but for a little.

    −∞ where it is not known.
    """
    if known.information is None:
        return -math.inf
    return INFORMATION * known.information - AWAY  # at a distance of 0


def checked(model: nn.Module, images: Sequence[Tensor]) -> list[Tensor]:
    """Return images as a list; UserError unless each is (C, H, W) in [0, 1], and the network in evaluation mode."""
    images = list(images)
    if not images:
        raise UserError("find_magnification: no images; give at least one")
    if model.training:
        raise UserError("find_magnification: the network is in training mode; call its eval() first")
    for i, image in enumerate(images):
        if not isinstance(image, Tensor) or image.dim() != 3 or not image.is_floating_point():
            got = f"{image.dtype} {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
            raise UserError(f"images[{i}]: {got}; expected a tensor of floats (channels, height, width)")
        low, high = float(image.min()), float(image.max())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):
            raise UserError(f"images[{i}]: values from {low:g} to {high:g}; expected [0, 1]: divide bytes by 255")
    return images


def search(
    try_factor: Callable[[float], Trial | None],
    factors: Sequence[float],
    to_enlarge: float = MARGIN,
    good: float = -math.inf,
    alone: bool = False,
) -> Magnification:
    """Return the best factor: octaves that reduce, half octaves that enlarge while the score rises, those beside the
    best, and finer steps beside it.

    try_factor: None where a factor cannot be shown. factors: in increasing order; 1 is added. to_enlarge: nats that a
    factor above 1 must gain. good: while the best score is less, all half octaves that reduce are tried, and, where
    enlargements are not doubted, a score that falls does not end them. alone: finer steps cost an image alone too much
    at its own pixels, which are kept then.
    """
    trials: dict[float, Trial] = {}

    def attempt(factor: float) -> Trial | None:
        factor = on_grid(factor)
        trial = trials.get(factor) or try_factor(factor)
        if trial:
            trials[factor] = trial
        return trial

    def best() -> Trial:
        return max(trials.values(), key=lambda trial: trial.score)

    def beside(trial: Trial) -> None:
        for factor in (trial.factor * HALF_OCTAVE, trial.factor / HALF_OCTAVE):
            if factors[0] <= factor <= factors[-1] + 1e-6:
                attempt(factor)

    if attempt(1.0) is None:
        raise UserError("factors: images cannot be shown at their own pixels")
    for factor in (f for f in factors if f < 1):
        attempt(factor)
    beside(best())
    for factor in (f for f in factors if f < 1 and best().score < good):
        attempt(factor * HALF_OCTAVE)
    enlarged = 1.0
    while (enlarged := enlarged * HALF_OCTAVE) <= factors[-1] + 1e-6:
        trial = attempt(enlarged)
        if trial is None or (trial is not best() and (to_enlarge > MARGIN or best().score >= good)):
            break
    beside(best())
    top = best()
    # where the best enlarges and is not believed, images are small already: nothing is reduced in its place
    chosen = top if gains(top, trials[1.0], to_enlarge) else trials[1.0]
    for step in FINER:
        if chosen.factor == 1 and (alone or step != FINER[0]):
            break
        around = [trials[f] for f in map(on_grid, (chosen.factor * step, chosen.factor / step)) if f in trials]
        if around:
            better = max(around, key=lambda trial: trial.score)
            finer = attempt(math.sqrt(chosen.factor * better.factor))
            if finer and gains(finer, chosen, to_enlarge):
                chosen = finer
    return Magnification(chosen.factor, tuple(trials[factor] for factor in sorted(trials)))


def gains(trial: Trial, other: Trial, to_enlarge: float) -> bool:
    """Return whether a trial is to be taken in place of another.

    Between two that enlarge, as small a lead as that of ×1 decides nothing: blurred images look smaller than they are.
    """
    if other.factor == 1:
        least = to_enlarge if trial.factor > 1 else MARGIN
    else:
        least = MARGIN if trial.factor > 1 else 0.0
    return trial.score - other.score > least


def on_grid(factor: float) -> float:
    """Return the eighth of an octave that a factor is but for rounding: the same by whichever way it is reached."""
    nearest = 2 ** (round(8 * math.log2(factor)) / 8)
    return nearest if math.isclose(factor, nearest, rel_tol=1e-6) else factor


def show(model: nn.Module, shown: Sequence[Tensor]) -> tuple[Observation, Tensor]:
    """Return what a network sees in images (C, H, W), and the logits of the last batch: images of one size in a row."""
    parts, logits = [], torch.empty(0)
    for size, same in groupby(shown, key=size_of):
        batches = torch.stack(list(same)).split(max(1, BATCH_PIXELS // (size[0] * size[1])))
        for images in batches:
            seen, logits = observe(model, images)
            parts.append(seen)
    return Observation.join(parts), logits


def resized(image: Tensor, factor: float, alone: bool = False) -> Tensor:
    """Return an image (C, H, W) at a factor of its own pixels: of one with too many pixels, the middle.

    alone: it is not shown with more pixels than it has, since no other images share the cost.
    """
    height, width = image.shape[-2:]
    most = min(MOST_PIXELS, max(height * width, LEAST_PIXELS)) if alone else MOST_PIXELS
    share = min(1.0, math.sqrt(most / (height * width * factor**2)))
    rows, columns = math.ceil(height * share), math.ceil(width * share)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = image[:, top : top + rows, left : left + columns]
    return rescale_image(part[None], (max(1, round(rows * factor)), max(1, round(columns * factor))))[0]
