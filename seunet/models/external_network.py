"""Networks that were not trained here: which images they expect, and how their output becomes logits.

`external_loading.py` reads them from files.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seunet.models.calling import ONE_VALUE, size_multiple
from seunet.models.declared import Declared
from seunet.models.input_form import BATCHES_TO_TRY, check_form, check_sides, find_form, run_in_form, say_form
from seunet.runtime.errors import UserError, is_out_of_memory

CHANNELS = {"rgb": 3, "bgr": 3, "grey": 1}
OUTPUTS = ("logits", "probabilities", "sigmoid")
GREY = (0.299, 0.587, 0.114)  # weights of red, green, blue, as Pillow's
TOLERANCE = 1e-3  # by which a probability may miss [0, 1], or a sum of them 1


@dataclass(frozen=True)
class Conventions:
    """What a foreign network expects and returns: keys of a model with `weights` in the configuration.

    mean, std: x → (x − mean) / std for images in [0, 1], one number or one per channel in the network's own order.
    channels: "rgb", "bgr" or "grey", the images that the network was trained on; None: as those of the data set. Grey
    images are repeated for networks of three channels, colour images are mixed for grey ones.
    output: "logits" or "probabilities", one channel per class; "sigmoid": one channel for two classes, the second one's
    probability, or its logit where values lie outside of [0, 1].
    multiple: the key size_multiple, of which the sides of its images must be multiples; None: as the network declares.
    """

    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    channels: str | None = None
    output: str = "logits"
    multiple: int | None = None

    def __post_init__(self):
        if self.channels not in (None, *CHANNELS):
            raise UserError(f"channels: {self.channels!r} is not known; choose one of {', '.join(CHANNELS)}")
        if self.output not in OUTPUTS:
            raise UserError(f"output: {self.output!r} is not known; choose one of {', '.join(OUTPUTS)}")
        for key, values in (("mean", numbers(self.mean)), ("std", numbers(self.std))):
            if not all(0 <= value <= 1 for value in values) or (key == "std" and 0 in values):
                raise UserError(
                    f"normalise.{key}: {getattr(self, key)} is not for images in [0, 1]; divide what is meant for "
                    "0 to 255 by 255"
                )

    def in_channels(self, channels: int) -> int:
        """Return how many channels the network takes; channels: of the images of the data set."""
        return CHANNELS[self.channels] if self.channels else channels

    def image_channels(self, channels: int) -> int:
        """Return how many channels its images have where no data set says it; channels: that the network takes."""
        return 3 if self.channels else channels

    def out_channels(self, classes: int | None) -> int | None:
        """Return how many channels the network returns for so many classes; None where that is not known."""
        return 1 if self.output == "sigmoid" else classes


class ExternalNetwork(nn.Module):
    """A foreign network with the interface of ours: images (N, C, H, W) in [0, 1] → logits (N, classes, H, W).

    Args:
        network: any module or callable on batches of images.
        conventions: which images it expects, and what it returns.
        channels: of the data set's images.
        title: its name in messages.
        declared: the form of its images, as far as its file says it.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        conventions: Conventions,
        channels: int,
        title: str,
        declared: Declared = Declared(),
    ):
        super().__init__()
        self.network, self.conventions, self.title, self.declared = network, conventions, title, declared
        check_form(declared, title, conventions.mean != 0 or conventions.std != 1)
        self.whole_images = getattr(network, "whole_images", False)  # a tile would be answered otherwise
        self.size_multiple = conventions.multiple or size_multiple(network)
        self.register_buffer("mean", per_channel("mean", conventions.mean, conventions.in_channels(channels)))
        self.register_buffer("std", per_channel("std", conventions.std, conventions.in_channels(channels)))
        self.is_proven = self.is_tried = False  # the form, by an answer; and others, after a failure
        self.is_probability: bool | None = None  # of a sigmoid; known after the first prediction

    def forward(self, images: Tensor) -> Any:
        """(N, C, H, W) → (N, classes, H, W); output that is no tensor is returned as it is: `calling` refuses it."""
        x = images
        if self.conventions.channels:
            x = in_order(x, self.conventions.channels)
        if self.conventions.mean != 0 or self.conventions.std != 1:
            x = (x - self.mean) / self.std
        output = self.ask(x)
        if not isinstance(output, Tensor) or self.conventions.output == "logits":
            return output
        if self.conventions.output == "probabilities":
            return self.log_probabilities(output.float())
        return self.two_classes(output.float())

    def ask(self, x: Tensor) -> Any:
        """(N, C, H, W) → the network's output, with channels first; the form that the network wants is found once."""
        check_sides(x, self.declared, self.title)
        try:
            output = run_in_form(self.network, x, self.declared)
        except Exception as error:  # the code of other people may raise anything
            if self.is_proven or is_out_of_memory(error) or ONE_VALUE in str(error):
                raise
            form = find_form(self.network, x, self.declared, () if self.is_tried else BATCHES_TO_TRY)
            self.is_tried = True
            if form is None:
                raise
            say_form(form, self.title)
            self.declared, output = form, run_in_form(self.network, x, form)
        self.is_proven = True
        return output

    def log_probabilities(self, p: Tensor) -> Tensor:
        """Return logits of probabilities (N, classes, H, W); raise UserError where they are none."""
        if p.dim() == 4 and not (is_probability(p) and ((p.sum(1) - 1).abs() <= TOLERANCE * p.shape[1]).all()):
            low, high = p.amin().item(), p.amax().item()
            raise UserError(
                f"output: probabilities lie in [0, 1] and sum to 1 over the classes, but {self.title} returned values "
                f"from {low:.3g} to {high:.3g}, with sums from {p.sum(1).amin().item():.3g} to "
                f"{p.sum(1).amax().item():.3g}; say output: logits, or sigmoid for one channel"
            )
        return p.clamp_min(torch.finfo(p.dtype).tiny).log()

    def two_classes(self, y: Tensor) -> Tensor:
        """Return logits (N, 2, H, W) of one channel, a probability or a logit of the second class."""
        if y.dim() != 4 or y.shape[1] != 1:
            raise UserError(
                f"output: sigmoid means one channel for two classes, but {self.title} returned {tuple(y.shape)}; say "
                "output: logits or probabilities"
            )
        within = is_probability(y)
        if self.is_probability is None:
            self.is_probability = within
            read = "in [0, 1]: they are read as probabilities" if within else "beyond [0, 1]: they are read as logits"
            print(f"{self.title}: the values of its one channel lie {read}", file=sys.stderr, flush=True)
        if self.is_probability and not within:
            raise UserError(
                f"output: sigmoid, but {self.title} returned values in [0, 1] first and now others, from "
                f"{y.amin().item():.3g} to {y.amax().item():.3g}; let it return probabilities, or logits, of all images"
            )
        if not self.is_probability:
            return torch.cat([torch.zeros_like(y), y], dim=1)
        return torch.cat([1 - y, y], dim=1).clamp_min(torch.finfo(y.dtype).tiny).log()


def is_probability(y: Tensor) -> bool:
    """Tell whether all values lie in [0, 1]; NaN do not."""
    return bool(((y >= -TOLERANCE) & (y <= 1 + TOLERANCE)).all())


def in_order(images: Tensor, channels: str) -> Tensor:
    """Return grey or RGB images (N, 1 or 3, H, W) as "rgb", "bgr" or "grey"."""
    if channels == "grey":
        weights = images.new_tensor(GREY)[:, None, None]
        return images if images.shape[1] == 1 else (images * weights).sum(1, keepdim=True)
    if images.shape[1] == 1:
        return images.expand(-1, 3, -1, -1).contiguous()
    return images.flip(1) if channels == "bgr" else images


def numbers(value: float | Sequence[float]) -> Sequence[float]:
    """Return one number, or several, as a sequence."""
    return (value,) if isinstance(value, int | float) else value


def per_channel(key: str, value: float | Sequence[float], channels: int) -> Tensor:
    """Return one number per channel, (C, 1, 1)."""
    given = numbers(value)
    if len(given) not in (1, channels):
        raise UserError(
            f"normalise.{key}: {len(given)} numbers for {channels} channel(s); give one, or one per channel"
        )
    return torch.tensor(given, dtype=torch.float32).expand(channels)[:, None, None].clone()
