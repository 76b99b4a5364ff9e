"""At which factor of their own pixels a network should be shown images: found from the network itself, without a mask.

The images are shown at several factors. The score of a factor is half the information of the answers (`models.windows`)
less the distance from the fingerprint of the network: information tells a sharp answer from a dull one, and the
distance keeps out answers that are sure of nonsense, as those to enlarged images are. Images of one instrument share
one magnification, so they decide together.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from seunet.data.rescaling import rescale_image
from seunet.data.sampling import evenly_spaced
from seunet.experiment.factor_search import MARGIN, Magnification, Trial, search
from seunet.experiment.fingerprint import Fingerprint
from seunet.experiment.observation import Observation, finest_window_only, observe
from seunet.models.calling import sides_at, size_multiple
from seunet.ops.interpolation import size_of
from seunet.runtime.errors import UserError

OCTAVES = (4.0, 2.0, 1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125)
PROBES = 10  # images that decide together; of more, so many, evenly spaced
INFORMATION = 0.5  # weight of the information against the distance, chosen on validation images
DOUBT = 0.1  # as MARGIN, of a factor that enlarges, where reduced reference images were answered no better enlarged
AWAY = 0.05  # nats below the score of the reference's own images: there is a better factor yet
MOST_PIXELS = 2**20  # that are shown of an image; of one with more, the middle
LEAST_CONTRAST = 1e-3  # standard deviation of a channel of an image; below there is nothing to see
LEAST_PIXELS = 2**14  # that are shown of an image alone, which is not shown with more pixels than it has itself
LEAST_SIDE = 16  # pixels; smaller images are not shown
BATCH_PIXELS = 2**18
ROUNDING = 1e-4  # by which resampling may leave [0, 1]


def find_magnification(
    model: nn.Module,
    images: Sequence[Tensor],
    reference: Fingerprint | Mapping[str, Any] | None = None,
    factors: Sequence[float] = OCTAVES,
) -> Magnification:
    """Return the factor of their own pixels at which a network should be shown images: one for all of them.

    Args: model, in evaluation mode, from (N, C, H, W) in [0, 1] to logits; images, (C, H, W) each, of any sizes, 10 are
    enough, and those less than half as large as most do not decide; reference, what the network sees at the scale of
    its training: `load_model(…)[1]["fingerprint"]` of one that was trained here, of others
    `seunet.experiment.fingerprint.fingerprint(model, batches)` of images of the right scale, or None: the running
    statistics of its batch norm. factors: octaves; half octaves are tried between them.
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
    probes, alone = of_like_size([images[i] for i in evenly_spaced(len(images), PROBES)]), len(images) == 1
    if not probes:
        raise UserError(f"the images are smaller than {LEAST_SIDE} pixels; there is no scale to find")
    if not any(map(has_contrast, probes)):
        factors = ()  # nothing is to be seen at any scale
    answers: dict[float, Tensor] = {}

    def try_factor(factor: float) -> Trial | None:
        shown = [resized(image, factor, size_multiple(model), alone) for image in probes]
        if any(min(image.shape[-2:]) < LEAST_SIDE for image in shown):
            return None
        seen, logits = show(model, shown)
        if factor == 1 and alone and shown[0].shape == probes[0].shape:
            answers[factor] = logits
        return trial_of(factor, seen, known)

    with finest_window_only(model):
        found = search_by_fingerprint(try_factor, factors, known, alone)
    return replace(found, as_it_is=answers.get(1.0))


def has_contrast(image: Tensor) -> bool:
    """Tell whether there is anything to see in an image (C, H, W): a colour alone is nothing."""
    return float(image.flatten(1).std(1).max()) >= LEAST_CONTRAST


def of_like_size(images: Sequence[Tensor]) -> list[Tensor]:
    """Return the images but for those much smaller than most, which cannot be shown at factors at which others can."""
    shorter = [min(size_of(image)) for image in images]
    least = max(LEAST_SIDE, 0.5 * median(shorter))
    return [image for image, side in zip(images, shorter, strict=True) if side >= least]


def trial_of(factor: float, seen: Observation, known: Fingerprint) -> Trial:
    """Return a factor with its score, by what a network sees in images shown at it."""
    gained, distance = float(seen.information.mean()), known.distance(seen)
    return Trial(factor, INFORMATION * gained - distance, gained, distance)


def search_by_fingerprint(
    try_factor: Callable[[float], Trial | None], factors: Sequence[float], known: Fingerprint, alone: bool
) -> Magnification:
    """Return the best factor, searched as the fingerprint of the network says; see `search`."""
    largest = max(factors, default=1.0) if known.layers or known.enlarges else 1.0
    possible = sorted(factor for factor in {*factors, 1.0} if factor <= largest)
    return search(try_factor, possible, least_gain(known), not known.enlarges, enough(known), alone)


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


def show(model: nn.Module, shown: Sequence[Tensor]) -> tuple[Observation, Tensor]:
    """Return what a network sees in images (C, H, W), and the logits of the last batch: images of one size in a row."""
    parts, logits = [], torch.empty(0)
    for size, same in groupby(shown, key=size_of):
        batches = torch.stack(list(same)).split(max(1, BATCH_PIXELS // (size[0] * size[1])))
        for images in batches:
            seen, logits = observe(model, images)
            parts.append(seen)
    return Observation.join(parts), logits


def resized(image: Tensor, factor: float, multiple: int = 1, alone: bool = False) -> Tensor:
    """Return an image (C, H, W) at a factor of its own pixels: of one with too many pixels, the middle.

    multiple: of the sides, see `sides_at`, as `predict_at` has them: a network may take the border pixels with which
    other images are padded for another scale.
    alone: it is not shown with more pixels than it has, since no other images share the cost.
    """
    height, width = image.shape[-2:]
    most = min(MOST_PIXELS, max(height * width, LEAST_PIXELS)) if alone else MOST_PIXELS
    share = min(1.0, math.sqrt(most / (height * width * factor**2)))
    rows, columns = math.ceil(height * share), math.ceil(width * share)
    top, left = (height - rows) // 2, (width - columns) // 2
    part = image[:, top : top + rows, left : left + columns]
    return rescale_image(part[None], sides_at((rows, columns), factor, multiple))[0]
