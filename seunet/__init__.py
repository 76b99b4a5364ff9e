"""Scale-equivariant segmentation networks, and what it takes to test networks under a change of scale.

| name | what |
|---|---|
| `UNet`, `SEUNet`, `SResNet` | the networks: image (N, C, H, W) in [0, 1] → logits (N, classes, H, W) |
| `build_model` | the same by name: `build_model("seunet", in_channels=3, num_classes=2, width=16)` |
| `load_model` | a trained network of a folder with model.safetensors and model.json, and its description |
| `predict` | logits of images of any size, in bands where memory is short |
| `find_magnification` | the factor at which a network should be shown images of another magnification |
| `equivariance_error` | how far a layer or network is from commuting with a change of scale |
| `UserError` | bad input, said in one line |
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seunet.runtime.errors import UserError
from seunet.runtime.version import VERSION

if TYPE_CHECKING:
    from seunet.experiment.inference import predict
    from seunet.experiment.magnification import find_magnification
    from seunet.layers.equivariance import equivariance_error
    from seunet.models import SEUNet, SResNet, UNet, build_model
    from seunet.models.checkpoint import load_model

__version__ = VERSION
__all__ = [
    "SEUNet",
    "SResNet",
    "UNet",
    "UserError",
    "build_model",
    "equivariance_error",
    "find_magnification",
    "load_model",
    "predict",
]

PLACES = {  # of the names that need torch
    "SEUNet": "seunet.models",
    "SResNet": "seunet.models",
    "UNet": "seunet.models",
    "build_model": "seunet.models",
    "find_magnification": "seunet.experiment.magnification",
    "equivariance_error": "seunet.layers.equivariance",
    "load_model": "seunet.models.checkpoint",
    "predict": "seunet.experiment.inference",
}


def __getattr__(name: str) -> Any:
    """Import a name, and with it torch, only when it is asked for: downloads and figures do without."""
    if name in PLACES:
        return getattr(import_module(PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return what is offered, whether it was imported or not."""
    return sorted({*globals(), *__all__})
