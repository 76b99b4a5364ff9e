"""The fingerprint of a network: what it sees and answers when images have the scale of its training.

Shown at another scale, the same images give other statistics: textures and borders come to other layers, and classes
meet more or less often. So the distance from the fingerprint tells how far a scale is from that of the training.
Nothing needs a mask, and nothing is trained.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seunet.data.arrays import Prepared
from seunet.data.rescaling import rescale_image, rescale_logits
from seunet.data.sampling import evenly_spaced
from seunet.experiment.observation import Moments, Observation, finest_window_only, observe, pooled
from seunet.models.calling import call_network
from seunet.ops.interpolation import size_of
from seunet.runtime.errors import UserError

ANSWERS = 0.1  # nats that answers unlike those of the training add to the distance at most; chosen on validation images
EPSILON = 1e-3  # added to variances, so that a channel without any counts little
LEAST_SPREAD = 0.1  # of a feature between images; a smaller one would decide alone
DIGITS = 5  # of the numbers in model.json
FEATURES = 2  # of the answers
LEARNT = 32  # images of the training that are looked at beside those of the validation
BATCH = 4


@dataclass(frozen=True)
class Fingerprint:
    """What a network sees and answers at the scale of its training.

    layers: mean and variance of each channel, (C,) each, by the name of the layer; empty for a network whose layers
    cannot be watched, such as an ONNX file. answers: mean and standard deviation between images of the features of the
    answers, (2,) each; None where only running statistics of batch norm are known. enlarges: whether images
    that were reduced to half are answered better at their old size, blurred as they are, than as they are;
    enlarges_quarters: whether images that were reduced to a quarter are so half an octave larger. information: mean of
    the answers, in nats, see `models.windows`; None where it is not known.
    """

    layers: dict[str, Moments]
    answers: Moments | None = None
    enlarges: bool = True
    enlarges_quarters: bool = True
    information: float | None = None

    @classmethod
    def of_running_statistics(cls, model: nn.Module) -> "Fingerprint | None":
        """Return what batch norm remembers of the training, None where the network has none that does.

        It is a poorer guide than validation images: training crops have other borders.
        """
        norms = {name: module for name, module in model.named_modules() if is_batch_norm(module)}
        layers = {name: (norm.running_mean.clone(), norm.running_var.clone()) for name, norm in norms.items()}
        return cls(layers) if layers else None

    def distance(self, seen: Observation) -> float:
        """Return the distance of what a network saw in all images of an observation, in nats.

        That is the divergence d = KL(N(mean, variance here) ‖ N(mean, variance in training)) of each channel, as
        d / (1 + d), averaged over the channels of each layer, then over layers; 0 without layers. The answers add a
        little, in the same way. The bound keeps a few channels, which few images stir, from deciding alone.
        """
        of_answers = self.distance_of_answers(seen)
        of_layers = self.distance_of_layers(seen) if self.layers else 0.0
        return of_layers + ANSWERS * bounded(of_answers)

    def distance_of_layers(self, seen: Observation) -> float:
        """Return the mean bounded divergence of what entered the layers, below 1."""
        if any(
            name not in seen.layers or seen.layers[name][0].shape[1] != len(own[0]) for name, own in self.layers.items()
        ):
            raise UserError("the fingerprint is that of another network: its layers differ; make it anew")
        terms = [bounded(divergence(pooled(seen.layers[name]), own)).mean() for name, own in self.layers.items()]
        return float(torch.stack(terms).mean())

    def distance_of_answers(self, seen: Observation) -> float:
        """Return the divergence of the features of the answers, in nats; 0 where they are not known.

        Their spread between images stands for the variance.
        """
        if self.answers is None:
            return 0.0
        mean, spread = self.answers
        return float((((seen.answers.mean(0) - mean) / (spread + LEAST_SPREAD)) ** 2).mean()) / 2

    def written(self) -> dict[str, Any]:
        """Return the fingerprint as model.json holds it."""
        layers = {name: [rounded(values) for values in moments] for name, moments in self.layers.items()}
        answers = None if self.answers is None else [rounded(values) for values in self.answers]
        enlarges = {"enlarges": self.enlarges, "enlarges_quarters": self.enlarges_quarters}
        return {"layers": layers, "answers": answers, **enlarges, "information": self.information}

    @classmethod
    def read(cls, written: Mapping[str, Any]) -> "Fingerprint":
        """Return the fingerprint that `written` returned."""
        try:
            layers = {name: (torch.tensor(mean), torch.tensor(var)) for name, (mean, var) in written["layers"].items()}
            answers = written["answers"]
            # an older model.json has other features of the answers, and lacks the last two
            known = answers is not None and len(answers[0]) == FEATURES
            moments = (torch.tensor(answers[0]), torch.tensor(answers[1])) if known else None
            enlarges = bool(written["enlarges"]), bool(written.get("enlarges_quarters", True))
            sure = None if written.get("information") is None else float(written["information"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                "the fingerprint of the network is damaged, or is none (model.json has it under the key fingerprint); "
                "give images of the right scale in its place (--reference)"
            ) from error
        if not layers and moments is None:
            raise UserError(
                "the fingerprint of the network is of an earlier version; export the network again, or give images of "
                "the right scale in its place (--reference)"
            )
        return cls(layers, moments, *enlarges, sure)


def fingerprint(model: nn.Module, batches: Iterable[Tensor], learnt: Iterable[Tensor] = ()) -> Fingerprint:
    """Return the fingerprint of a network from batches of images (N, C, H, W) of the scale of its training.

    learnt: batches of images that it was trained on, of the same scale. What it sees in them counts alike; how sure it
    is of them, and whether it likes them enlarged, does not. Raises UserError without images.

    Example:
        >>> from seunet import UNet
        >>> made = fingerprint(UNet(1, 2, width=2, depth=2).eval(), [torch.rand(4, 1, 32, 32)])
        >>> len(made.layers)
        15
    """
    seen, half, quarter = [], 0.0, 0.0
    with finest_window_only(model), torch.no_grad():
        for images in batches:
            observation, logits = observe(model, images)
            seen.append(observation)
            half += enlargement_gain(model, images, logits, 0.5, 1)
            quarter += enlargement_gain(model, images, logits, 0.25, 0.25 * 2**0.5)
        if not seen:
            raise UserError("fingerprint: no images; give at least one batch of the scale of the training")
        (information,) = rounded(Observation.join(seen).information.mean()[None])
        whole = Observation.join(seen + [observe(model, images)[0] for images in learnt])
    layers = {name: pooled(moments) for name, moments in whole.layers.items()}
    answers = whole.answers.mean(0), whole.answers.std(0, correction=0)
    return Fingerprint(layers, answers, half > 0, quarter > 0, information)


def fingerprint_of(
    model: nn.Module, data: Prepared, device: torch.device | str = "cpu", part: slice = slice(None)
) -> Fingerprint:
    """Return the fingerprint of a network from a data set: its validation images, and some of its training images.

    part: which validation images; all of them, unless some are kept apart to judge the fingerprint by.
    The validation images alone may have less variety than the instrument gives: those of HeLa are the last ten frames
    of a film, where cells lie closest together.
    """
    learnt = data.train[0][evenly_spaced(len(data.train[0]), LEARNT)]
    return fingerprint(model, batches_of(data.val[0][part], device), batches_of(learnt, device))


def batches_of(images: np.ndarray, device: torch.device | str) -> Iterator[Tensor]:
    """Yield images (N, H, W, C), uint8, as batches (n, C, H, W) in [0, 1]."""
    for start in range(0, len(images), BATCH):
        batch = torch.from_numpy(images[start : start + BATCH].copy()).to(device)
        yield batch.permute(0, 3, 1, 2).float() / 255


def enlargement_gain(model: nn.Module, images: Tensor, logits: Tensor, share: float, enlarged: float) -> float:
    """Return by how much better images reduced to a share of their size are answered when they are enlarged again.

    enlarged: to this share of their own size. The answers are compared with `logits`, those of the images themselves:
    mean IoU of the classes, summed over the images. A network that does not take such sizes gains nothing.
    """
    own, classes = logits.argmax(1), logits.shape[1]
    small = rescale_image(images, shared(images, share))
    agreement = []
    for shown in (small, rescale_image(small, shared(images, enlarged))):
        try:
            answer = rescale_logits(call_network(model, shown), size_of(images))
        except UserError:
            return 0.0
        agreement.append(overlap(answer.argmax(1), own, classes))
    return agreement[1] - agreement[0]


def shared(images: Tensor, share: float) -> tuple[int, int]:
    """Return a share of the images' size, rounded."""
    height, width = size_of(images)
    return max(1, round(height * share)), max(1, round(width * share))


def overlap(first: Tensor, second: Tensor, classes: int) -> float:
    """Return the mean IoU of classes (N, H, W), summed over the images; a class that neither has does not count."""
    both = torch.stack([((first == c) & (second == c)).sum((1, 2)) for c in range(classes)])
    either = torch.stack([((first == c) | (second == c)).sum((1, 2)) for c in range(classes)])
    return float((both / either).nanmean(0).sum())


def divergence(here: Moments, there: Moments) -> Tensor:
    """Return KL(N(here) ‖ N(there)) of each channel, in nats."""
    variance, reference = here[1] + EPSILON, there[1] + EPSILON
    return 0.5 * (variance / reference + (here[0] - there[0]) ** 2 / reference - 1 - (variance / reference).log())


def bounded(divergence: Any) -> Any:
    """Return d / (1 + d) of a divergence: as it is where it is small, at most 1 where it is not, or infinite."""
    return 1 - 1 / (1 + divergence)


def is_batch_norm(module: nn.Module) -> bool:
    """Tell whether a layer is batch norm with running statistics."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None


def rounded(values: Tensor) -> list[float]:
    """Return numbers with so many digits as tell scales apart."""
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]
