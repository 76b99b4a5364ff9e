"""Scale-equivariant segmentation networks, and what it takes to test networks under a change of scale."""

from typing import Any

from seunet.runtime.errors import UserError

__version__ = "0.1.0"
__all__ = ["UserError", "build_model"]


def __getattr__(name: str) -> Any:
    """Import `build_model`, and with it torch, only when it is asked for: downloads and figures do without."""
    if name == "build_model":
        from seunet.models import build_model

        return build_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
