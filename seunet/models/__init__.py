"""Networks, and the registry that builds them by name."""

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from torch import nn

from seunet.models.checks import check_positive
from seunet.models.seunet import SEUNet
from seunet.models.sresnet import SResNet
from seunet.models.unet import UNet
from seunet.runtime.errors import UserError

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {"unet": UNet, "seunet": SEUNet, "sresnet": SResNet}

# What factories call the channels of the image and of the answer: the first that a signature has is used.
IN_CHANNELS = ("in_channels", "in_chans", "n_channels", "input_channels", "num_input_channels", "in_ch", "img_ch")
NUM_CLASSES = (
    *("num_classes", "classes", "n_classes", "out_channels"),
    *("output_channels", "num_output_channels", "out_chans", "out_ch", "output_ch"),
)
SIZE_MULTIPLE = "size_multiple"  # an option of every network of other people: what its class does not declare
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # *args, **kwargs
# An option of this form is what it names, such as torch.nn:Conv2d: architectures take classes as arguments
IMPORTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+:[A-Za-z_]\w*")

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


def channel_arguments(
    factory: Callable[..., nn.Module], in_channels: int, num_classes: int, options: Collection[str] = ()
) -> dict[str, int]:
    """Return the two arguments that a factory is called with, by the names that it has for them.

    options: names of its other arguments. Where they are all that it requires, they say the channels, too. Raises
    UserError when it has no known name.
    """
    parameters = inspect.signature(factory).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    required = {
        name for name, entry in parameters.items() if entry.default is entry.empty and entry.kind not in VARIABLE
    }
    arguments = {}
    for names, value in ((IN_CHANNELS, in_channels), (NUM_CLASSES, num_classes)):
        known = [name for name in names if name in parameters] or [names[0]] * takes_any
        if known:
            arguments[known[0]] = value
        elif not options or required - {*options, *IN_CHANNELS, *NUM_CLASSES}:
            raise UserError(
                f"{getattr(factory, '__name__', factory)} has no argument {names[0]} (nor {', '.join(names[1:])}); "
                "give it as an option by the name that it has, or write a function that has, and name that"
            )
    return arguments


def accepted_options(factory: Callable[..., nn.Module], options: dict[str, Any], strict: bool = True) -> dict[str, Any]:
    """Return the options that a factory takes; with `strict`, raise UserError for the first that it does not.

    A factory with `**options` takes all; not `strict`, those that it names, if it names any: of options that are not
    meant for it alone, it must not get what it hands to others.
    """
    parameters = inspect.signature(factory).parameters
    channels = channel_arguments(factory, 1, 1, options)
    own = [name for name, entry in parameters.items() if name not in channels and entry.kind not in VARIABLE]
    takes_any = any(entry.kind is entry.VAR_KEYWORD for entry in parameters.values())
    if takes_any and (strict or not own):
        return dict(options)
    if factory not in ARCHITECTURES.values():
        own.append(SIZE_MULTIPLE)
    unknown = [name for name in options if name not in own]
    if unknown and strict:
        raise UserError(
            f"{getattr(factory, '__name__', factory)} has no option {unknown[0]!r}; it takes {', '.join(own) or 'none'}"
        )
    return {name: value for name, value in options.items() if name in own}


def imported(name: str, value: Any) -> Any:
    """Return the class or function that an option names as package.module:name; any other value as it is."""
    if isinstance(value, list):
        return [imported(name, part) for part in value]
    if isinstance(value, dict):
        return {key: imported(name, part) for key, part in value.items()}
    if not isinstance(value, str) or not IMPORTED.fullmatch(value):
        return value
    module, _, attribute = value.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # whatever the module raises
        raise UserError(f"options.{name}: {value!r} cannot be imported: {error!r}") from error


def build_model(architecture: str, in_channels: int, num_classes: int, **options) -> nn.Module:
    """Build a network that maps (N, in_channels, H, W) to logits (N, num_classes, H, W).

    Example:
        >>> build_model("seunet", in_channels=1, num_classes=2, width=4, depth=2).size_multiple
        4

    The option size_multiple of a network of other people is what its images' sides must be multiples of. It becomes an
    attribute of the network, unless the factory has an argument of that name.
    """
    factory = find_architecture(architecture)
    options = {name: imported(name, value) for name, value in options.items()}
    arguments = channel_arguments(factory, in_channels, num_classes, options) | accepted_options(factory, options)
    if factory in ARCHITECTURES.values():
        return factory(**arguments)
    takes_multiple = SIZE_MULTIPLE in inspect.signature(factory).parameters
    multiple = 1 if takes_multiple else arguments.pop(SIZE_MULTIPLE, 1)
    check_positive(**{SIZE_MULTIPLE: multiple})
    try:
        network = factory(**arguments)
        if multiple > 1:
            network.size_multiple = multiple  # type: ignore[assignment]  # torch knows tensors and modules alone
    except (Exception, SystemExit) as error:  # as above
        reason = " ".join(str(error).split())
        raise UserError(f"architecture: {architecture!r} cannot be built: {type(error).__name__}: {reason}") from error
    if not isinstance(network, nn.Module):
        raise UserError(
            f"architecture: {architecture!r} returns a {type(network).__name__}; a torch.nn.Module is asked"
        )
    return network
