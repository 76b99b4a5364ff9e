"""A network as predictions take it: without batch norms where it is ours, and in the precision that is asked for."""

import sys
from typing import Any

import torch
from torch import Tensor, nn

from seunet.models.calling import size_multiple, title
from seunet.models.external_network import ExternalNetwork
from seunet.models.folding import can_be_folded, folded
from seunet.models.programs import Program
from seunet.ops.fused import has_bfloat16
from seunet.runtime.errors import UserError

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def for_prediction(model: nn.Module, precision: str = "float32") -> nn.Module:
    """Return a network that answers as `model` does, faster, in evaluation mode; `model` stays as it is.

    precision: `float32`: the same logits up to rounding. `bfloat16`: the maps between lifting and classifier are
    bfloat16, of other people's modules what torch.autocast chooses; the logits are float32. Raises UserError for
    bfloat16 of a network that its file holds as a program (ONNX, TorchScript, .pt2).
    """
    if can_be_folded(model):
        warn_where_slow(model, precision)
        return folded(model, PRECISIONS[precision])
    if precision == "float32":
        return model
    if isinstance(model, ExternalNetwork) and isinstance(model.network, Program):
        raise UserError(
            f"precision: {precision} is for networks of torch, and {title(model)} holds a program whose precision is "
            "fixed; leave it at float32"
        )
    warn_where_slow(model, precision)
    return Autocast(model)


class Autocast(nn.Module):
    """A network under torch.autocast: images (N, C, H, W) → its logits in float32."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.title, self.size_multiple = model, title(model), size_multiple(model)

    def forward(self, images: Tensor) -> Any:
        """(N, C, H, W) → (N, classes, H, W); output that is no tensor is returned as it is."""
        with torch.autocast(images.device.type, torch.bfloat16):
            output = self.model(images)
        return output.float() if isinstance(output, Tensor) and output.is_floating_point() else output


def warn_where_slow(model: nn.Module, precision: str) -> None:
    """Print a line where bfloat16 is asked for on a processor that does not compute in it."""
    on_cpu = all(value.is_cpu for value in model.state_dict().values())
    if precision == "bfloat16" and on_cpu and not has_bfloat16():
        print(
            "warning: precision: this processor does not compute in bfloat16; float32 is faster here",
            file=sys.stderr,
            flush=True,
        )
