"""Weights alone, without their network: read from files, and loaded into the network that an architecture builds."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from seunet.runtime.errors import UserError

NESTED = ("state_dict", "model_state_dict", "model")  # under which checkpoints of trainers keep the weights


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, or of a file of torch.save, from which no code is run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: holds other things than tensors, which are not read since they could run any code; save the "
            "network's state_dict alone: torch.save(network.state_dict(), …), or as .safetensors"
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{path}: damaged, or no file of weights ({first_line(error)}); save it again") from error
    return tensors_of(content, path)


def tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state_dict in what torch.save wrote: itself, or what a trainer keeps under a usual name."""
    for name in NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        held = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise UserError(f"{path}: no state_dict in it, but {held[:200]}; save network.state_dict()")
    return dict(content)


def fit(network: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Load weights into a network, all of them; a prefix that all names share, such as `module.`, is left out."""
    wanted = network.state_dict().keys()
    while weights and not wanted & weights.keys():
        prefixes = {name.partition(".")[0] for name in weights}
        if len(prefixes) > 1 or not all("." in name for name in weights):
            break
        weights = {name.partition(".")[2]: value for name, value in weights.items()}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        problem = " ".join((str(error).partition("\n")[2] or str(error)).split())
        problem = problem if len(problem) <= 200 else problem[:199] + "…"
        raise UserError(f"{path}: the weights do not fit {type(network).__name__}: {problem}") from error


def first_line(error: Exception) -> str:
    """Return the message of an error in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:159] + "…"
