"""Opening a network for a test: one that was trained here, or one that is given."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seunet.data.arrays import Prepared
from seunet.experiment.fingerprint import Fingerprint, fingerprint_of
from seunet.experiment.inference import Variant
from seunet.models.calling import size_multiple
from seunet.models.checkpoint import load_model
from seunet.models.external_loading import load_external
from seunet.runtime.errors import UserError

WAYS = {  # by the channels of images and network: the key of given weights, which is an option of the commands, too
    (1, 3): "channels: rgb repeats grey images (--channels rgb)",
    (3, 1): "channels: grey mixes colours (--channels grey)",
}


def open_variant(
    weights: Path,
    data: Prepared,
    variant: Variant,
    device: torch.device | str,
    precision: str = "float32",
    multiple: int = 1,
) -> tuple[nn.Module, dict[str, Any]]:
    """Return a network that predicts as `variant` says, and its description; `weights` is a folder, or a file in it.

    multiple: of the sides of the test images. A network that is shown other sizes than theirs, and whose class declares
    no size_multiple, is shown such sides alone.

    Raises UserError when it was trained on other channels or classes than the data set has.
    """
    if variant.given:
        given = replace(variant.given, options={**variant.given.options, **variant.options})
        model, description = load_external(weights, given, data.channels, len(data.classes), device)
        channels = variant.given.conventions.in_channels(data.channels)
    else:
        folder = weights if weights.is_dir() else weights.parent
        model, description = load_model(folder, device, variant.options)
        channels = data.channels
    check_fit(description, channels, len(data.classes), weights, variant.given is not None)
    reference = variant.reference
    if variant.magnification and size_multiple(model) == 1 and not hasattr(type(model), "size_multiple"):
        model.size_multiple = multiple  # type: ignore[assignment]
    if variant.magnification and reference is None:
        reference = known_fingerprint(model, description, data, device)
    return variant.wrap(model, (data.height, data.width), reference, precision), description


def known_fingerprint(
    model: nn.Module, description: dict[str, Any], data: Prepared, device: torch.device | str
) -> Fingerprint | None:
    """Return the fingerprint of a network: as model.json has it, else from the data set's images, else None.

    An older model.json has none.
    """
    if written := description.get("fingerprint"):
        return Fingerprint.read(written)
    if not len(data.val[0]):
        return None
    return fingerprint_of(model, data, device)


def check_fit(description: dict[str, Any], channels: int, classes: int, weights: Path, is_given: bool) -> None:
    """Raise UserError when a network takes other channels or classes than it is to be tested with.

    is_given: the network was not trained for this data set, so it can be asked in another way.
    """
    takes, knows = description["in_channels"], description["num_classes"]
    if takes != channels:
        way = WAYS.get((channels, takes), "give it images of as many") if is_given else "train again"
        raise UserError(f"{weights}: takes images of {takes} channel(s), the data set has {channels}; {way}")
    if knows != classes:
        way = "name all of them, in the network's order (--classes)" if is_given else "train again"
        raise UserError(f"{weights}: answers with {knows} classes, the data set has {classes}; {way}")
