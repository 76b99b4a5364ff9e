"""Memory of whole training steps: what SEU-Net needs against what S U-Nets keep for their backward passes.

Each network runs in a fresh process, `python -m benchmarks.memory NAME`, and says how far its resident memory rises
above that before the step. Tensors have mappings of their own there (glibc's malloc is told so), so freed memory
goes back at once, and the number is the same to a percent in every run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from benchmarks.measure import Row
from benchmarks.steps import CLASSES, NETWORKS, SCALES, SHAPE
from seunet import build_model

MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_ARENA_MAX": "1"}
STATUS, CLEAR_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def rows() -> list[Row]:
    """Compare peaks with the activations of S U-Nets; a system without /proc has no such rows."""
    if not CLEAR_PEAK.exists():
        return []
    limit = SCALES * measured("unet")["saved"]
    return [
        Row(
            f"SEU-Net, dense, {name}: peak memory of a step / (4 × U-Net's activations)",
            measured(name)["peak"] / limit,
            1.15,
        )
        for name in ("exact", "released")
    ] + [
        Row(
            f"SEU-Net, {name}: peak memory of a step without compiled code / with",
            measured(name, SEUNET_COMPILED="0")["peak"] / measured(name)["peak"],
            1.3,
        )
        for name in ("windows", "pyramid")
    ]


def measured(name: str, **variables: str) -> dict[str, int]:
    """Return what a fresh process says of a network, with these variables of its environment."""
    command = [sys.executable, "-m", "benchmarks.memory", name]
    environment = os.environ | MALLOC | {"OMP_NUM_THREADS": str(torch.get_num_threads())} | variables
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def report(name: str) -> None:
    """Print the bytes by which the peak of a step lies above the memory before it, and those saved for backward."""
    torch.manual_seed(0)
    architecture, options = NETWORKS[name]
    model = build_model(architecture, SHAPE[1], CLASSES, **options).train()
    x, y = torch.rand(SHAPE), torch.randint(CLASSES, (SHAPE[0], *SHAPE[2:]))
    saved = saved_bytes(model, x)
    step(model, x, y)  # to warm up
    before = resident("VmRSS")
    CLEAR_PEAK.write_text("5", encoding="utf-8")
    step(model, x, y)
    print(json.dumps({"peak": resident("VmHWM") - before, "saved": saved}))


def step(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """Run one step; its gradients are gone when it ends, as after `zero_grad`."""
    logits = model(x)
    F.cross_entropy(logits, y.repeat(len(logits) // len(y), 1, 1)).backward()
    model.zero_grad()


def saved_bytes(model: nn.Module, x: torch.Tensor) -> int:
    """Return the bytes of all activations kept for the backward pass: each storage once, without the weights."""
    weights = {value.untyped_storage().data_ptr() for value in model.state_dict().values()}
    storages = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage  # kept alive, so that no other takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(x)
    return sum(storage.nbytes() for storage in storages.values())


def resident(field: str) -> int:
    """Return a field of /proc/self/status in bytes."""
    line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    report(sys.argv[1])
