"""Opening a network for a test: one that was trained here, or one that is given."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seunet.data.arrays import Prepared
from seunet.experiment.inference import Variant
from seunet.models.checkpoint import load_model
from seunet.models.weights import load_given
from seunet.runtime.errors import UserError


def open_network(
    weights: Path, data: Prepared, variant: Variant, device: torch.device | str
) -> tuple[nn.Module, dict[str, Any]]:
    """Return a network that predicts as `variant` says, and its description; `weights` is a folder, or a file in it.

    Raises UserError when it was trained on other channels or classes than the data set has.
    """
    if variant.given:
        given = replace(variant.given, options={**variant.given.options, **variant.options})
        model, description = load_given(weights, given, data.channels, len(data.classes), device)
        channels = variant.given.conventions.in_channels(data.channels)
    else:
        folder = weights if weights.is_dir() else weights.parent
        model, description = load_model(folder, device, variant.options)
        channels = data.channels
    check_fit(description, channels, len(data.classes), weights)
    return variant.wrap(model, (data.height, data.width)), description


def check_fit(description: dict[str, Any], channels: int, classes: int, weights: Path) -> None:
    """Raise UserError when a network was trained on other channels or classes than it is to be tested with."""
    trained = description["in_channels"]
    if trained != channels:
        raise UserError(
            f"{weights}: trained on images of {trained} channel(s), the data set has {channels}; train again"
        )
    trained = description["num_classes"]
    if trained != classes:
        raise UserError(f"{weights}: trained on {trained} classes, the data set has {classes}; train again")
