"""What a training step costs where starting an operator costs more than its work: on a GPU, and in torch.compile.

Counted are the operators of torch that a step starts without compiled C++ code, and the kernels that inductor writes
for it; timed is how long torch.compile takes.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import torch
from torch import nn
from torch._inductor import config, metrics
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.measure import Row, uncompiled
from benchmarks.steps import CLASSES, NETWORKS
from seunet import build_model
from seunet.experiment.compiled_step import CompiledNetwork
from seunet.experiment.loss import Loss
from seunet.layers import lifting
from seunet.ops import correlation, interpolation, lattice, subsampling

SHAPE = (2, 3, 112, 112)
CASES = {
    "U-Net": NETWORKS["unet"],
    "SEU-Net, windows": NETWORKS["windows"],
    "SEU-Net, pyramid": NETWORKS["pyramid"],
    "SEU-Net, dense, exact": NETWORKS["exact"],
}
TARGETS = {"SEU-Net, windows": 3.0, "SEU-Net, pyramid": 3.5, "SEU-Net, dense, exact": 5.0}
COMPILED = ("U-Net", "SEU-Net, windows", "SEU-Net, pyramid")
NO_WORK = {  # views, and memory that nothing is written to
    *("view", "_unsafe_view", "expand", "slice", "select", "permute", "transpose", "t", "unsqueeze", "squeeze"),
    *("detach", "alias", "as_strided", "split", "chunk", "unbind", "unflatten", "reshape", "_reshape_alias"),
    *("split_with_sizes", "empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "lift_fresh"),
}


def rows() -> list[Row]:
    """Count the operators of every network, then compile three of them."""
    counts = {name: operators(name) for name in CASES}
    kernels = {name: compiled(name) for name in COMPILED}
    first, *others = COMPILED
    return [
        *(
            Row(f"{name}: operators of torch in a training step / U-Net's", counts[name] / counts["U-Net"], target)
            for name, target in TARGETS.items()
        ),
        *(
            Row(f"{name}: kernels that inductor writes for a step / U-Net's", kernels[name][0] / kernels[first][0], 1.8)
            for name in others
        ),
        *(Row(f"{name}: torch.compile of a training step", kernels[name][1], 60, "s") for name in others),
    ]


class Count(TorchDispatchMode):
    """Counts the operators that do work."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run an operator and count it."""
        self.number += function._schema.name.split("::")[1].rstrip("_") not in NO_WORK
        return function(*args, **(kwargs or {}))


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """Take the references, and those for eager torch, though counting them is a kind of tracing."""
    with ExitStack() as patches:
        patches.enter_context(uncompiled())
        for module in (correlation, interpolation, lattice, lifting, subsampling):
            patches.enter_context(patch.object(module, "is_traced", lambda: False))
        yield


def operators(name: str) -> int:
    """Return how many operators of torch a training step starts."""
    network, x, y = case(name)
    with as_on_a_gpu(), Count() as count:
        step(network, network, x, y)
    return count.number


def compiled(name: str) -> tuple[int, float]:
    """Return how many kernels inductor writes for a training step, and the seconds of the first step."""
    network, x, y = case(name)
    torch._dynamo.reset()
    metrics.reset()
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict("os.environ", TORCHINDUCTOR_CACHE_DIR=folder),
        config.patch(fx_graph_cache=False),
    ):
        started = time.perf_counter()
        step(network, CompiledNetwork(network), x, y)
    return metrics.generated_kernel_count, time.perf_counter() - started


def case(name: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return a network in training mode, images and masks."""
    architecture, options = CASES[name]
    torch.manual_seed(0)
    network = build_model(architecture, SHAPE[1], CLASSES, **options).train()
    return network, torch.rand(SHAPE), torch.randint(CLASSES, (SHAPE[0], *SHAPE[2:]))


def step(network: nn.Module, call, x: torch.Tensor, y: torch.Tensor) -> None:
    """Run one step but for the optimiser's."""
    logits = call(x)
    Loss()(logits, y.repeat(len(logits) // len(y), 1, 1)).backward()
    network.zero_grad()


if __name__ == "__main__":
    print(*(row.as_text() for row in rows()), sep="\n")
