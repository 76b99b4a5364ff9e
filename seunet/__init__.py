"""Scale-equivariant segmentation networks, and what it takes to test networks under a change of scale."""

from seunet.errors import UserError
from seunet.models import build_model

__version__ = "0.1.0"
__all__ = ["UserError", "build_model"]
