"""Networks that were not trained here: where their weights are, and how they are asked."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from seunet.settings.base import BY_KIND, Maybe, OneLine, Positive, Settings

Value = Annotated[float, Field(ge=0, le=1)]
PerChannel = Annotated[
    Annotated[Value, Tag("value")] | Annotated[list[Value], Field(min_length=1), Tag("list")], BY_KIND
]


class Normalise(Settings):
    """Images in [0, 1] become (image − mean) / std. One number, or one per channel in the network's own order."""

    mean: PerChannel = 0.0
    """For images in [0, 1]; divide what is meant for 0 to 255 by 255."""
    std: PerChannel = 1.0
    """The same."""


class ExternalWeights(Settings):
    """A network that is tested, and not trained."""

    weights: Maybe[OneLine] = None
    """A file, or a folder of a network that was trained here: this network is tested and not trained. `.safetensors`,
    or a state_dict of `torch.save` (read with `weights_only`), belong to `architecture` and `options`; TorchScript,
    `.pt2` (torch.export), `.onnx` and `.zip` (bioimage.io) hold their network. `{dataset}` and `{seed}` stand for those
    of the run."""
    key: Maybe[OneLine] = None
    """With `weights`: where in a checkpoint they are, such as `state_dict`; by default where only one group of tensors
    has exactly the names of the network."""
    prefix: Maybe[OneLine] = None
    """With `weights`: what their names begin with there, such as `model`; the same default."""
    normalise: Maybe[Normalise] = None
    """With `weights`: `{mean, std}`, what the network wants of its images, such as `{mean: [0.485, 0.456, 0.406], std:
    [0.229, 0.224, 0.225]}`; by default images in [0, 1] as they are."""
    channels: Maybe[Literal["rgb", "bgr", "grey"]] = None
    """With `weights`: which channels the network takes, by default those of the data set. Grey images are repeated for
    `rgb` and `bgr`, colour images are mixed for `grey`."""
    output: Maybe[Literal["logits", "probabilities", "sigmoid"]] = None
    """With `weights`: what the network returns. `logits` (the default) and `probabilities` have one channel per class;
    `sigmoid` is one channel for two classes: the second one's probability, or its logit where values leave [0, 1]."""
    size_multiple: Maybe[Positive] = None
    """With `weights`: what the sides of the network's images must be multiples of, where it does not say so itself;
    other images are continued by their border pixels, and the answer is cut."""
