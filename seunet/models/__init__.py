"""Networks, and the registry that builds them by name."""

import importlib
import inspect
from collections.abc import Callable

from torch import nn

from seunet.errors import UserError
from seunet.models.seunet import SEUNet
from seunet.models.sresnet import SResNet
from seunet.models.unet import UNet

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {"unet": UNet, "seunet": SEUNet, "sresnet": SResNet}

__all__ = ["ARCHITECTURES", "SEUNet", "SResNet", "UNet", "build_model", "find_architecture"]


def find_architecture(architecture: str) -> Callable[..., nn.Module]:
    """Return the factory of a registered name, or of `package.module:factory`."""
    if architecture in ARCHITECTURES:
        return ARCHITECTURES[architecture]
    module_name, colon, name = architecture.partition(":")
    if not colon:
        raise UserError(
            f"architecture: {architecture!r} is not one of {', '.join(ARCHITECTURES)}, nor of the form "
            "package.module:factory"
        )
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"architecture: {architecture!r} cannot be imported: {error}") from error


def build_model(architecture: str, in_channels: int, num_classes: int, **options) -> nn.Module:
    """Build a network that maps (N, in_channels, H, W) to logits (N, num_classes, H, W)."""
    factory = find_architecture(architecture)
    accepted = inspect.signature(factory).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    unknown = [name for name in options if name not in accepted]
    if unknown and not takes_any:
        own = [name for name in accepted if name not in ("in_channels", "num_classes")]
        raise UserError(f"{architecture} has no option {unknown[0]!r}; it takes {', '.join(own)}")
    return factory(in_channels=in_channels, num_classes=num_classes, **options)
