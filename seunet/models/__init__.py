"""Networks, and the registry that builds them by name."""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from seunet.models.seunet import SEUNet
from seunet.models.sresnet import SResNet
from seunet.models.unet import UNet
from seunet.runtime.errors import UserError

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {"unet": UNet, "seunet": SEUNet, "sresnet": SResNet}

# What factories call the channels of the image and of the answer: the first that a signature has is used.
IN_CHANNELS = ("in_channels", "in_chans", "n_channels")
NUM_CLASSES = ("num_classes", "classes", "n_classes", "out_channels")

__all__ = [
    "ARCHITECTURES",
    "SEUNet",
    "SResNet",
    "UNet",
    "accepted_options",
    "build_model",
    "channel_arguments",
    "find_architecture",
]


def find_architecture(architecture: str) -> Callable[..., nn.Module]:
    """Return the factory of a registered name, or of `package.module:factory`, found in the working folder too."""
    if architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture]
    module_name, colon, name = architecture.partition(":")
    if not colon:
        raise UserError(
            f"architecture: {architecture!r} is not one of {', '.join(ARCHITECTURES)}, nor of the form "
            "package.module:factory"
        )
    if str(Path.cwd()) not in sys.path:  # last: a file there must not stand in for a module that others import
        sys.path.append(str(Path.cwd()))
    try:
        factory = getattr(importlib.import_module(module_name), name)
        inspect.signature(factory)
    except (Exception, SystemExit) as error:  # whatever the user's module raises; a script without a guard may exit
        raise UserError(f"architecture: {architecture!r} cannot be imported: {error!r}") from error
    return factory


def channel_arguments(factory: Callable[..., nn.Module], in_channels: int, num_classes: int) -> dict[str, int]:
    """Return the two arguments that a factory is called with, by the names that it has for them.

    Raises UserError when it has none.
    """
    parameters = inspect.signature(factory).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    arguments = {}
    for names, value in ((IN_CHANNELS, in_channels), (NUM_CLASSES, num_classes)):
        known = [name for name in names if name in parameters] or [names[0]] * takes_any
        if not known:
            raise UserError(
                f"{getattr(factory, '__name__', factory)} has no argument {names[0]} (nor {', '.join(names[1:])}); "
                "write a function that has, and name that"
            )
        arguments[known[0]] = value
    return arguments


def accepted_options(factory: Callable[..., nn.Module], options: dict[str, Any], strict: bool = True) -> dict[str, Any]:
    """Return the options that a factory takes; with `strict`, raise UserError for the first that it does not."""
    parameters = inspect.signature(factory).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return dict(options)
    channels = channel_arguments(factory, 1, 1)
    own = [name for name in parameters if name not in channels]
    unknown = [name for name in options if name not in own]
    if unknown and strict:
        raise UserError(
            f"{getattr(factory, '__name__', factory)} has no option {unknown[0]!r}; it takes {', '.join(own) or 'none'}"
        )
    return {name: value for name, value in options.items() if name in own}


def build_model(architecture: str, in_channels: int, num_classes: int, **options) -> nn.Module:
    """Build a network that maps (N, in_channels, H, W) to logits (N, num_classes, H, W).

    Example:
        >>> build_model("seunet", in_channels=1, num_classes=2, width=4, depth=2).size_multiple
        4
    """
    factory = find_architecture(architecture)
    arguments = channel_arguments(factory, in_channels, num_classes) | accepted_options(factory, options)
    if factory in ARCHITECTURES.values():
        return factory(**arguments)
    try:
        network = factory(**arguments)
    except (Exception, SystemExit) as error:  # as above
        reason = " ".join(str(error).split())
        raise UserError(f"architecture: {architecture!r} cannot be built: {type(error).__name__}: {reason}") from error
    if not isinstance(network, nn.Module):
        raise UserError(
            f"architecture: {architecture!r} returns a {type(network).__name__}; a torch.nn.Module is asked"
        )
    return network
