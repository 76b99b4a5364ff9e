"""What compiled code gains in a whole training step: all of it, and each kernel alone. One that gains little goes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import torch
from torch import nn

from benchmarks.measure import Row, medians, uncompiled
from benchmarks.steps import CLASSES, NETWORKS, SHAPE, step
from seunet import build_model
from seunet.ops import acceleration

LABELS = {"unet": "U-Net", "exact": "SEU-Net, dense, exact", "released": "SEU-Net, dense, released"}
LABELS |= {"pyramid": "SEU-Net, pyramid"}
TARGETS = {"unet": 1.1, "exact": 1.6, "released": 1.5, "pyramid": 1.6}
ROUNDS = 7
LEAST = 1.1  # of the step of the network that gains most


def rows() -> list[Row]:
    """Time the steps with all compiled code, with none, and without one kernel."""
    torch.manual_seed(0)
    x, y = torch.rand(SHAPE), torch.randint(CLASSES, (SHAPE[0], *SHAPE[2:]))
    gains: dict[str, dict[str, float]] = {}
    for name in LABELS:
        kind, options = NETWORKS[name]
        model = build_model(kind, 3, CLASSES, **options).train()
        time = medians({key: stepping(model, x, y, key) for key in ("all", "none", *kernels())}, ROUNDS)
        gains[name] = {key: seconds / time["none"] for key, seconds in time.items()}
    whole = [
        Row(f"{LABELS[name]}: plain step / compiled step", gains[name]["all"], TARGETS[name], "×", True)
        for name in LABELS
    ]
    best = {key: max(LABELS, key=lambda name, key=key: gains[name][key]) for key in kernels()}
    return whole + [
        Row(f"{LABELS[name]}: step without compiled {key} / step", gains[name][key], LEAST, "×", True)
        for key, name in best.items()
    ]


def kernels() -> list[str]:
    """Return the names of what is compiled."""
    return list(acceleration.OPERATORS)


def stepping(model: nn.Module, x: torch.Tensor, y: torch.Tensor, key: str) -> Callable[[], float]:
    """Return a step without the compiled code of that name."""

    def run() -> float:
        with uncompiled() if key == "all" else nullcontext() if key == "none" else disabled(key):
            return step(model, x, y)

    return run


@contextmanager
def disabled(key: str) -> Iterator[None]:
    """Let one kernel's work be done by torch."""
    with patch.object(acceleration.OPERATORS[key], "twin", None):
        yield


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(*(row.as_text() for row in rows()), sep="\n")
