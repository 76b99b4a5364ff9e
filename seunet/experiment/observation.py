"""What a network sees and answers in images of one scale: moments of its layers' maps, features of its answers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seunet.models.calling import call_network
from seunet.models.seunet import SEUNet
from seunet.models.windows import information, logarithms, negative_entropy

NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
CONVOLUTIONS = (nn.modules.conv._ConvNd,)
Moments = tuple[Tensor, Tensor]  # mean and variance over the pixels, (N, channels) of N images or (channels) of all


@dataclass(frozen=True)
class Observation:
    """What a network saw and answered in N images of one scale.

    layers: mean and variance of each image (in a lifted map, of each scale) in each channel, (N, C) each, by the name
    of the layer. answers: features of the answer, (N, 2), see `answer_features`. information: in nats, (N,),
    see `models.windows`.
    """

    layers: dict[str, Moments]
    answers: Tensor
    information: Tensor

    @classmethod
    def join(cls, parts: "list[Observation]") -> "Observation":
        """Return the observation of all images of several."""
        layers = {name: joined([part.layers[name] for part in parts]) for name in parts[0].layers}
        return cls(layers, torch.cat([p.answers for p in parts]), torch.cat([p.information for p in parts]))


@torch.no_grad()
def observe(model: nn.Module, images: Tensor) -> tuple[Observation, Tensor]:
    """Show images (N, C, H, W) to a network in evaluation mode; return what it saw, and its logits."""
    with watched(model) as seen:
        logits = call_network(model, images).float()
    log_p = logarithms(logits)
    layers = {name: joined(calls) for name, calls in seen.items()}
    return Observation(layers, answer_features(log_p).cpu(), information(log_p).flatten().cpu()), logits


def finest_window_only(model: nn.Module) -> Any:
    """Return the context in which a SEU-Net with windows answers by the window of its training's scale alone.

    By the law of the windows, window j of an image answers as this one does of the image shown at γ^−j.
    """
    return model.finest_window() if isinstance(model, SEUNet) else nullcontext()


@contextmanager
def watched(model: nn.Module) -> Iterator[dict[str, list[Moments]]]:
    """Give the moments, by layer, of what enters each norm; where there is no norm, of what leaves each convolution."""
    seen: dict[str, list[Moments]] = {}
    modules = dict(model.named_modules())
    norms = {name: module for name, module in modules.items() if isinstance(module, NORMS)}
    others = {} if norms else {name: module for name, module in modules.items() if isinstance(module, CONVOLUTIONS)}

    def keep(name: str, module: nn.Module, maps: Any) -> None:
        if isinstance(maps, list) or (isinstance(maps, Tensor) and maps.dim() > 2):  # others have no pixels
            seen.setdefault(name, []).append(moments(maps, has_channels_last(module, maps)))

    handles = [
        module.register_forward_pre_hook(
            lambda module, inputs, name=name: keep(name, module, inputs[0] if inputs else None)
        )
        for name, module in norms.items()
    ]
    handles += [
        module.register_forward_hook(lambda module, inputs, output, name=name: keep(name, module, output))
        for name, module in others.items()
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def has_channels_last(module: nn.Module, maps: Tensor | list[Tensor]) -> bool:
    """Tell whether a layer's maps are (N, …, C): those of layer norm, unless a class of its own takes (N, C, H, W)."""
    if not isinstance(module, nn.LayerNorm) or isinstance(maps, list):
        return False
    return type(module) is nn.LayerNorm or maps.shape[1] != module.normalized_shape[-1]


def moments(maps: Tensor | list[Tensor], channels_last: bool = False) -> Moments:
    """Return mean and variance over the pixels of each image and channel, (N, C) each.

    maps: (N, C, …), or (N, …, C); or a lifted map of S scales, which gives (S · N, C): its scales count alike.
    """
    if isinstance(maps, list) or maps.dim() == 5:
        return joined([moments(scale) for scale in maps])
    values = (maps.flatten(1, -2) if channels_last else maps.flatten(2).transpose(1, 2)).float()  # (N, pixels, C)
    return values.mean(1).cpu(), values.var(1, correction=0).cpu()


def joined(parts: Sequence[Moments]) -> Moments:
    """Return the moments of the images of all parts."""
    means, variances = zip(*parts, strict=True)
    return torch.cat(means), torch.cat(variances)


def pooled(image_moments: Moments) -> Moments:
    """Return mean and variance over all images, (C,) each, from those of each, (N, C)."""
    means, variances = image_moments
    mean = means.mean(0)
    return mean, ((variances + means * means).mean(0) - mean * mean).clamp_min(0)


def answer_features(log_p: Tensor) -> Tensor:
    """Return features of answers (N, classes, H, W), log p, that depend on the scale: (N, 2).

    The logarithms of how often neighbouring pixels differ in class, and of the mean entropy, each against the variety
    of the image: how often any two of its pixels differ. So they are the same for few and for many objects of one size.
    """
    classes = log_p.argmax(1)
    rows = (classes[:, 1:] != classes[:, :-1]).float().mean((1, 2))
    columns = (classes[:, :, 1:] != classes[:, :, :-1]).float().mean((1, 2))
    entropy = -negative_entropy(log_p).mean((1, 2, 3))
    amounts = torch.stack([(rows + columns) / 2, entropy], 1)
    varieties = torch.stack([variety(class_shares(classes, log_p.shape[1])), variety(log_p.exp().mean((2, 3)))], 1)
    return ((amounts + 1e-3) / (varieties + 1e-2)).log()


def variety(shares: Tensor) -> Tensor:
    """Return how often two pixels differ in class, (N,), from the share of each class, (N, classes)."""
    return 1 - (shares**2).sum(1)


def class_shares(classes: Tensor, count: int) -> Tensor:
    """Return the share of each class in class maps (N, H, W): (N, count)."""
    first = torch.arange(len(classes), device=classes.device)[:, None, None] * count  # cell of an image's class 0
    pixels = torch.bincount((classes + first).flatten(), minlength=len(classes) * count)
    return pixels.view(-1, count) / classes[0].numel()
