"""Prediction of images of any size: whole, in bands or tiles where memory is short, or as a multi-scale ensemble."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seunet.data.rescaling import rescale_image, rescale_logits
from seunet.experiment.factor_search import Magnification
from seunet.experiment.fingerprint import Fingerprint
from seunet.experiment.magnification import find_magnification
from seunet.experiment.observation import finest_window_only
from seunet.experiment.tiling import predict_tiles
from seunet.models.calling import call_network, check_finite, run_padded, sides_at, size_multiple
from seunet.models.external_loading import ExternalSpec
from seunet.models.prediction import for_prediction
from seunet.models.streaming import is_large, is_streamable, stream
from seunet.models.windows import CHOICES
from seunet.ops.interpolation import size_of
from seunet.settings.configuration import FactorSearch
from seunet.settings.dataset import Tile


@dataclass(frozen=True)
class Variant:
    """How a network predicts in a test, if not as in its training.

    ensemble, fusion: see `MultiScale`. rescale: "training", see `KnownScale`. magnification: see `AutoFactorNetwork`.
    reference: what the network sees at the scale of its training, where model.json does not say it. options: of the
    network, those that do not change its weights, such as `windows` of a SEU-Net. given: a network that was not trained
    here.
    """

    ensemble: Sequence[float] = ()
    fusion: str = "mean"
    rescale: str | None = None
    magnification: FactorSearch | None = None
    reference: Fingerprint | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    given: ExternalSpec | None = None

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> "Variant":
        """Return the variant that a mapping describes: its keys are the fields, some of them mappings, too."""
        fields = dict(settings)
        if given := fields.get("given"):
            fields["given"] = ExternalSpec.read(given)
        if magnification := fields.get("magnification"):
            fields["magnification"] = FactorSearch.model_validate(magnification)
        return cls(**fields)

    def wrap(
        self,
        model: nn.Module,
        training_size: tuple[int, int],
        reference: Fingerprint | None = None,
        precision: str = "float32",
    ) -> nn.Module:
        """Return a network that predicts with `model` as this variant says.

        training_size: height and width. reference: what the model sees at the scale of its training. precision: see
        `for_prediction`.
        """
        predictor = for_prediction(model, precision)
        if self.magnification:
            return AutoFactorNetwork(model, self.magnification, reference, predictor)
        model = predictor
        if self.ensemble:
            model = MultiScale(model, self.ensemble, self.fusion)
        return KnownScale(model, training_size) if self.rescale else model


class MultiScale(nn.Module):
    """A trained network applied to several scales of the same image: test-time augmentation.

    Each image is resampled by every factor, to sides rounded to the network's size_multiple. The logits are resampled
    bilinearly to the size of the image. fusion: `mean` averages the probabilities; `entropy` and `information` choose
    one scale for each image, as `models.windows` does. The result is the logarithm of probabilities, so it can be used
    as logits. With a tiling, each resampled image is tiled on its own grid, so the memory is that of one tile.
    """

    def __init__(self, model: nn.Module, factors: Sequence[float], fusion: str = "mean"):
        super().__init__()
        self.model, self.factors, self.fusion = model, tuple(factors), fusion
        self.size_multiple = size_multiple(model)

    def forward(self, images: Tensor, tiling: Tile | None = None, classes: int | None = None) -> Tensor:
        """(N, C, H, W) → (N, classes, H, W)."""
        logits = torch.stack([predict_at(self.model, images, factor, tiling, classes) for factor in self.factors])
        if self.fusion == "mean":
            mean = logits.softmax(2).mean(0)
            return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
        log_p = logits.log_softmax(2)
        chosen = torch.stack([CHOICES[self.fusion](one_scale) for one_scale in log_p]).argmax(0)[None]
        return log_p.take_along_dim(chosen, 0)[0]


class AutoFactorNetwork(nn.Module):
    """A network that is shown images at the factor that `magnification` finds: one for all images, or one for each.

    One factor for all is found by `find_common_factor`, from images of the set; without it, by the images of each call.
    A SEU-Net with windows answers by the window of the scale of its training. The factor is found with `model`, whose
    norms it needs; `predictor` answers as that does.
    """

    def __init__(
        self,
        model: nn.Module,
        search: FactorSearch,
        reference: Fingerprint | None,
        predictor: nn.Module | None = None,
    ):
        super().__init__()
        self.predictor = model if predictor is None else predictor
        self.model, self.search, self.reference = model, search, reference
        self.size_multiple = size_multiple(model)
        self.factor: float | None = None

    def find_common_factor(self, images: Tensor) -> None:
        """Find the one factor of all images from these (N, C, H, W), where there is one for all."""
        if self.search.per == "dataset":
            self.factor = self.find(images).factor

    def find(self, images: Tensor) -> Magnification:
        """Return the factor of these images (N, C, H, W)."""
        return find_magnification(self.model, list(images), self.reference, self.search.factors)

    def forward(self, images: Tensor, tiling: Tile | None = None, classes: int | None = None) -> Tensor:
        """(N, C, H, W) → (N, classes, H, W)."""
        with finest_window_only(self.model), finest_window_only(self.predictor):
            if self.search.per == "image":
                return torch.cat([self.alone(image, tiling, classes) for image in images.split(1)])
            factor = self.find(images).factor if self.factor is None else self.factor
            return predict_at(self.predictor, images, factor, tiling, classes)

    def alone(self, image: Tensor, tiling: Tile | None, classes: int | None) -> Tensor:
        """Return the logits of one image (1, C, H, W) at its own factor."""
        found = self.find(image)
        if (logits := found.known_logits) is not None:
            return logits
        return predict_at(self.predictor, image, found.factor, tiling, classes)


class KnownScale(nn.Module):
    """A network that knows the scale: each image is resampled to the size of training before the prediction.

    It is an upper bound: another network scores less because it does not know the scale.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int]):
        super().__init__()
        self.model, self.own_size = model, size

    def forward(self, images: Tensor, tiling: Tile | None = None, classes: int | None = None) -> Tensor:
        """(N, C, H, W) → (N, classes, H, W)."""
        logits = predict(self.model, rescale_image(images, self.own_size), tiling, classes)
        return rescale_logits(logits, size_of(images))


def underlying_network(model: nn.Module) -> nn.Module:
    """Return the network that is asked at another scale or at several: rounding may change what those choose."""
    while isinstance(model, MultiScale | KnownScale | AutoFactorNetwork):
        model = model.model
    return model


def predict_at(
    model: nn.Module, images: Tensor, factor: float, tiling: Tile | None, classes: int | None = None
) -> Tensor:
    """Return the logits of images (N, C, H, W) resampled by a factor, (N, classes, H, W) float32, at their own size.

    The sides are rounded to the network's size_multiple; at factor 1 the images are shown as they are.
    """
    if factor == 1:
        return predict(model, images, tiling, classes)
    sides = sides_at(size_of(images), factor, size_multiple(model))
    step = max(1, int(len(images) / max(1, factor) ** 2))  # as many pixels at once as the images themselves have
    logits = [predict(model, rescale_image(part, sides), tiling, classes) for part in images.split(step)]
    return rescale_logits(torch.cat(logits).float(), size_of(images))


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, tiling: Tile | None = None, classes: int | None = None) -> Tensor:
    """Return logits (N, classes, H, W) of images (N, C, H, W), float32 in [0, 1].

    U-shapes predict large images in bands, exactly (see `streaming`). For other networks a tiling bounds the memory;
    the result is that of the whole image wherever the margin covers the receptive field. Sides that the network does
    not take are padded (see `calling`). Raises UserError when the answer is no finite logits of so many `classes`.

    Example:
        >>> from seunet import UNet
        >>> predict(UNet(1, 2, width=2, depth=2).eval(), torch.rand(1, 1, 30, 41)).shape
        torch.Size([1, 2, 30, 41])
    """
    if isinstance(model, MultiScale | KnownScale | AutoFactorNetwork):
        return model(images, tiling, classes)
    if is_streamable(model) and is_large(model, images):
        logits = run_padded(partial(stream, model), images, size_multiple(model), classes)
    elif is_streamable(model) or tiling is None or max(images.shape[-2:]) <= tiling.size + 2 * tiling.margin:
        logits = call_network(model, images, classes)
    else:
        logits = predict_tiles(model, images, tiling, classes)
    check_finite(logits, model)
    return logits


def with_tiling(tiling: Tile | None) -> Callable[[nn.Module, Tensor], Tensor]:
    """Return `predict` with a tiling, a function of the network and the images alone."""
    return lambda model, images: predict(model, images, tiling)
