"""Whole training steps: forward, loss and backward of each network against the U-Net of the same width and depth."""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from benchmarks.measure import Row, medians
from seunet import build_model

SHAPE, CLASSES, SCALES = (8, 3, 112, 112), 3, 4
U_SHAPE = {"width": 16, "depth": 4}
EXACT = U_SHAPE | {"geometry": "exact"}
NETWORKS = {
    "unet": ("unet", U_SHAPE),
    "pyramid": ("seunet", EXACT | {"layout": "pyramid"}),
    "exact": ("seunet", EXACT),
    "released": ("seunet", U_SHAPE),
    "sresnet": ("sresnet", {"width": 16}),
}


def rows() -> list[Row]:
    """Compare the encoders of both layouts, then time the steps."""
    check_layouts()
    torch.manual_seed(0)
    x, y = torch.rand(SHAPE), torch.randint(CLASSES, (SHAPE[0], *SHAPE[2:]))
    networks = {name: build_model(kind, 3, CLASSES, **options).train() for name, (kind, options) in NETWORKS.items()}
    steps: dict[str, Callable[[], object]] = {
        f"{name} {precision}": (lambda model=model, precision=precision: step(model, x, y, precision == "bf16"))
        for name, model in networks.items()
        for precision in ("float32", "bf16")
    }
    time = medians(steps)
    unet = time["unet float32"]
    return [
        Row("SEU-Net, dense, exact: training step / (4 U-Net steps)", time["exact float32"] / (SCALES * unet), 1.1),
        Row(
            "SEU-Net, dense, released: training step / (4 U-Net steps)", time["released float32"] / (SCALES * unet), 1.1
        ),
        Row("SEU-Net, pyramid: training step / U-Net step", time["pyramid float32"] / unet, 1.6),
        Row("SResNet: training step / U-Net step", time["sresnet float32"] / unet, 1.17 / 0.285 / 2),
        *(
            Row(f"{label}: float32 step / bf16 step", time[f"{name} float32"] / time[f"{name} bf16"], 1.5, "×", True)
            for name, label in {"exact": "SEU-Net, dense, exact", "pyramid": "SEU-Net, pyramid"}.items()
        ),
    ]


def step(model: nn.Module, x: torch.Tensor, y: torch.Tensor, low_precision: bool) -> None:
    """Run one step but for the optimiser's, which is the same for all."""
    with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
        logits = model(x)
    F.cross_entropy(logits.float(), y).backward()


@torch.no_grad()
def check_layouts() -> None:
    """Stop unless the pyramid's encoder is the dense one's on the lattices."""
    dense, pyramid = (
        build_model("seunet", 3, CLASSES, **EXACT, layout=layout).eval() for layout in ("dense", "pyramid")
    )
    pyramid.load_state_dict(dense.state_dict())
    maps = {}
    for name, model in (("dense", dense), ("pyramid", pyramid)):
        model.encoder[-1].register_forward_hook(lambda module, inputs, out, name=name: maps.__setitem__(name, out))
        model(torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)))
    for s, x in enumerate(maps["pyramid"]):
        torch.testing.assert_close(x, maps["dense"][s][..., :: 2**s, :: 2**s], rtol=1e-4, atol=1e-5)
