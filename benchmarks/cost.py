"""A cost model of training steps: work and bytes of every stage, and the time and memory that follow from them.

`python -m benchmarks.cost` prints, for Pet's networks, what each stage costs, then times steps of many networks, fits
three numbers of this machine, seconds per FLOP, byte and map, and draws what the model says against what was measured.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.optimize import nnls
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import medians, uncompiled
from benchmarks.memory import saved_bytes
from benchmarks.steps import CLASSES, step
from seunet import build_model
from seunet.layers import ScaleCrossCorrelation
from seunet.models.seunet import SEUNet
from seunet.runtime.processor import cpuinfo
from seunet.runtime.provenance import commit

FIGURE = Path("docs/figures/cost_model.png")
RECORD = Path("docs/scores/cost.json")
SEU = {"geometry": "exact"}
KINDS = {  # name: architecture, options
    "U-Net": ("unet", {}),
    "SEU-Net, dense": ("seunet", SEU),
    "SEU-Net, pyramid": ("seunet", SEU | {"layout": "pyramid"}),
}


@dataclass(frozen=True)
class Case:
    """A network and the images of a training step."""

    kind: str
    scales: int = 4
    width: int = 16
    depth: int = 4
    side: int = 112
    batch: int = 8

    def build(self) -> nn.Module:
        """Return the network."""
        architecture, options = KINDS[self.kind]
        options = options | ({} if architecture == "unet" else {"num_scales": self.scales})
        return build_model(architecture, 3, CLASSES, width=self.width, depth=self.depth, **options).train()

    def images(self) -> torch.Tensor:
        """Return random images."""
        return torch.rand(self.batch, 3, self.side, self.side)


# one factor at a time around Pet's network, small enough for a quarter of an hour
CASES = [
    *(
        Case("U-Net", **change)
        for change in ({}, {"width": 8}, {"width": 32}, {"side": 64}, {"side": 224}, {"batch": 2})
    ),
    *(Case("SEU-Net, dense", **change) for change in ({}, {"scales": 2}, {"width": 8}, {"side": 64}, {"batch": 2})),
    *(
        Case("SEU-Net, pyramid", **change)
        for change in ({}, {"scales": 2}, {"scales": 6}, {"width": 8}, {"width": 32}, {"side": 224}, {"batch": 2})
    ),
]


@dataclass(frozen=True)
class Cost:
    """What a step takes: FLOP of convolutions, bytes and number of the maps they make, bytes kept for backward."""

    flops: float
    bytes: float
    maps: int
    saved: float


def cost(case: Case) -> Cost:
    """Count a step, forward and backward."""
    model, x = case.build(), case.images()
    outputs = []
    hooks = [
        layer.register_forward_hook(lambda module, inputs, out: outputs.append(per_scale(out)))
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | ScaleCrossCorrelation)
    ]
    one_by_one = patch.object(SEUNet, "arranged", lambda self, maps: maps)  # an atlas has work at borders as well
    with uncompiled(), one_by_one, FlopCounterMode(display=False) as counter:  # which sees only what torch does
        step(model, x, torch.zeros(len(x), *x.shape[2:], dtype=torch.long))
    for hook in hooks:
        hook.remove()
    return Cost(counter.get_total_flops(), 4 * sum(map(sum, outputs)), sum(map(len, outputs)), saved_bytes(model, x))


def stage_table(case: Case) -> list[tuple[str, float, list[int]]]:
    """Return, per stage in forward order: its GFLOP, and the numbers that its output holds at each scale."""
    model, x = case.build(), case.images()
    sizes: dict[str, list[int]] = {}
    for name, stage in model.stages().items():
        stage.register_forward_hook(lambda module, inputs, out, name=name: sizes.__setitem__(name, per_scale(out)))
    with FlopCounterMode(display=False, depth=None) as counter, torch.no_grad():
        model(x)
    counts = {name.removeprefix(f"{type(model).__name__}."): sum(c.values()) for name, c in counter.flop_counts.items()}
    names = {id(module): name for name, module in model.named_modules()}
    flops = {stage: counts.get(names[id(module)], 0) for stage, module in model.stages().items() if module is not model}
    for i, level in enumerate(model.decoder, start=1):  # the pair before the fusion belongs to the decoder's stage
        flops[f"decoder {i}"] += counts.get(names[id(level)], 0)
    return [(stage, flops[stage] / 1e9, sizes[stage]) for stage in flops]


def per_scale(maps: torch.Tensor | list[torch.Tensor]) -> list[int]:
    """Return the numbers of a map at each scale."""
    return [x.numel() for x in maps] if isinstance(maps, list) else [maps.numel()]


def main() -> None:
    """Print the stages, measure the cases, fit and draw."""
    for kind in KINDS:
        print(
            f"\n{kind}: forward pass of 8 × 3 × 112 × 112, width 16\n\n| stage | GFLOP | MB per scale |\n|---|---|---|"
        )
        for stage, flops, sizes in stage_table(Case(kind)):
            print(f"| {stage} | {flops:.2f} | {', '.join(f'{4 * size / 1e6:.2f}' for size in sizes)} |")
    costs = [cost(case) for case in CASES]
    seconds = [time_of(case) for case in CASES]
    rates, predicted = fit(costs, seconds)
    gflops, gigabytes, _ = (1e-9 / rate if rate else float("inf") for rate in rates)
    print(f"\n{gflops:.0f} GFLOP/s, {gigabytes:.2f} GB/s of convolution outputs, {1e6 * rates[2]:.0f} µs per map\n")
    print(
        "| network | S | width | side | batch | GFLOP | MB out | maps | MB kept | predicted s | measured s |\n|"
        + "---|" * 11
    )
    for case, count, time, guess in zip(CASES, costs, seconds, predicted, strict=True):
        scales = 1 if case.kind == "U-Net" else case.scales
        print(
            f"| {case.kind} | {scales} | {case.width} | {case.side} | {case.batch} | "
            f"{count.flops / 1e9:.1f} | {count.bytes / 1e6:.0f} | {count.maps} | {count.saved / 1e6:.0f} | "
            f"{guess:.3f} | {time:.3f} |"
        )
    print(f"\nlargest error {np.abs(predicted / np.array(seconds) - 1).max():.0%}", file=sys.stderr)
    draw(seconds, predicted)
    facts = {"commit": commit(), "processor": cpuinfo("model name"), "threads": torch.get_num_threads()}
    cases = [{**vars(c), **vars(n), "seconds": t} for c, n, t in zip(CASES, costs, seconds, strict=True)]
    RECORD.write_text(json.dumps(facts | {"rates": list(rates), "cases": cases}, indent=1) + "\n", encoding="utf-8")


def time_of(case: Case) -> float:
    """Return the median time of a training step in seconds."""
    model, x = case.build(), case.images()
    y = torch.randint(CLASSES, (len(x), *x.shape[2:]))
    return medians({"step": lambda: step(model, x, y)})["step"]


def fit(costs: list[Cost], seconds: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return seconds per FLOP, byte and map, which fit the measured times best in ratio, and the times by them."""
    work = np.array([[count.flops, count.bytes, count.maps] for count in costs])
    rates, _ = nnls(work / np.array(seconds)[:, None], np.ones(len(seconds)))
    return rates, work @ rates


def draw(seconds: list[float], predicted: np.ndarray) -> None:
    """Draw predicted against measured times, a colour per network."""
    figure, axes = plt.subplots(figsize=(3.4, 3), layout="constrained")
    for kind in KINDS:
        chosen = [i for i, case in enumerate(CASES) if case.kind == kind]
        axes.plot(np.array(seconds)[chosen], predicted[chosen], "o", label=kind, markersize=4)
    ends = [min(seconds) * 0.8, max(seconds) * 1.25]
    axes.plot(ends, ends, color="0.7", linewidth=1, zorder=0)
    axes.set(xscale="log", yscale="log", xlabel="measured (s per step)", ylabel="predicted (s per step)")
    axes.legend(fontsize=8)
    figure.savefig(FIGURE, dpi=200)


if __name__ == "__main__":
    main()
