"""Training steps through torch.compile: forward and backward as few kernels, written by inductor at the first step."""

import sys
import time
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from seunet.runtime.errors import UserError, is_out_of_memory
from seunet.settings.training import Training


def resolve_compile(training: Training, device: torch.device) -> Training:
    """Return the settings with `compile` decided: where they say nothing, it is for CUDA with triton alone."""
    if training.compile is not None:
        return training
    chosen = device.type == "cuda" and find_spec("triton") is not None
    return training.model_copy(update={"compile": chosen})


class CompiledNetwork:
    """A network called through torch.compile: whole, and anew for each size of the images; else it is the network.

    Random numbers are those of torch. Raises UserError where torch cannot compile the network.
    """

    def __init__(self, network: nn.Module, backend: str = "inductor"):
        options: dict[str, Any] | None = {"fallback_random": True} if backend == "inductor" else None
        self.network, self.sizes = network, set[torch.Size]()
        # isolated, since torch compiles eight networks of a class in a process else; its overloads lack the argument
        self.compiled = torch.compile(  # type: ignore[call-overload]
            network, fullgraph=True, dynamic=False, backend=backend, options=options, isolate_recompiles=True
        )

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the network, such as size_multiple."""
        return getattr(self.network, name)

    def __call__(self, images: Tensor) -> Tensor:
        """(N, C, H, W) → logits (N, classes, H, W)."""
        if images.shape in self.sizes:
            return self.compiled(images)
        started = time.monotonic()
        try:
            logits = self.compiled(images)
        except Exception as error:  # of many kinds
            if is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"training.compile: torch cannot compile the network: {type(error).__name__}: {reason}; give false"
            ) from error
        self.sizes.add(images.shape)
        seconds = time.monotonic() - started
        print(f"compiled for images {tuple(images.shape)} in {seconds:.0f} s", file=sys.stderr, flush=True)
        return logits
