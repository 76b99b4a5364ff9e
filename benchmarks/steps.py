"""Whole training steps: forward, loss and backward of each network against the U-Net of the same width and depth."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from benchmarks.measure import REPETITIONS, Row, medians, uncompiled
from benchmarks.plain import plain_copy
from seunet import build_model

SHAPE, CLASSES, SCALES = (8, 3, 112, 112), 3, 4
# Where the processor has no bfloat16, torch emulates it, slower than float32.
PRECISIONS = ("float32", "bf16") if torch.cpu._is_avx512_bf16_supported() else ("float32",)
U_SHAPE = {"width": 16, "depth": 4}
EXACT = U_SHAPE | {"geometry": "exact"}
WINDOWS = {"num_scales": 2, "scales_in_training": 3, "scales_at_test": 5, "windows": "information", "border": "zeros"}
NETWORKS = {
    "unet": ("unet", U_SHAPE),
    "windows": ("seunet", EXACT | {"layout": "pyramid"} | WINDOWS),
    "pyramid": ("seunet", EXACT | {"layout": "pyramid"}),
    "exact": ("seunet", EXACT),
    "released": ("seunet", U_SHAPE),
    "sresnet": ("sresnet", {"width": 16}),
}


def rows() -> list[Row]:
    """Compare what is fast with what is plain, then time the steps."""
    torch.manual_seed(0)
    networks = {name: build_model(kind, 3, CLASSES, **options).train() for name, (kind, options) in NETWORKS.items()}
    networks["plain"] = plain_copy(networks["unet"], in_channels=3, num_classes=CLASSES, **U_SHAPE)
    x, y = torch.rand(SHAPE), torch.randint(CLASSES, (SHAPE[0], *SHAPE[2:]))
    check_plain(networks["unet"], networks["plain"], x, y)
    for model in networks.values():
        check_compiled(model, x[:2, :, :64, :64], y[:2, :64, :64])
    check_layouts()
    steps: dict[str, Callable[[], object]] = {
        f"{name} {precision}": (lambda model=model, precision=precision: step(model, x, y, precision == "bf16"))
        for name, model in networks.items()
        for precision in PRECISIONS
    }
    time = medians(steps, 3 * REPETITIONS)  # ratios near their targets, on machines whose speed wavers
    unet, plain = time["unet float32"], time["plain float32"]
    exact, released = "SEU-Net, dense, exact", "SEU-Net, dense, released"
    return [
        Row("U-Net: training step / step of a plain channels-last U-Net", unet / plain, 1.0),
        Row(f"{exact}: training step / (4 U-Net steps)", time["exact float32"] / (SCALES * unet), 1.1),
        Row(f"{exact}: training step / (4 plain U-Net steps)", time["exact float32"] / (SCALES * plain), 1.1),
        Row(f"{released}: training step / (4 U-Net steps)", time["released float32"] / (SCALES * unet), 1.1),
        Row(f"{released}: training step / (4 plain U-Net steps)", time["released float32"] / (SCALES * plain), 1.1),
        Row("SEU-Net, pyramid: training step / U-Net step", time["pyramid float32"] / unet, 1.6),
        Row("SEU-Net, windows: training step / U-Net step", time["windows float32"] / unet, 1.3),
        Row("SResNet: training step / U-Net step", time["sresnet float32"] / unet, 1.17 / 0.285 / 2),
        Row("SResNet: training step / plain U-Net step", time["sresnet float32"] / plain, 1.17 / 0.285 / 2),
        *(
            Row(f"{label}: float32 step / bf16 step", time[f"{name} float32"] / time[f"{name} bf16"], 1.5, "×", True)
            for name, label in {"exact": exact, "released": released, "pyramid": "SEU-Net, pyramid"}.items()
            if "bf16" in PRECISIONS
        ),
    ]


def step(model: nn.Module, x: torch.Tensor, y: torch.Tensor, low_precision: bool = False) -> float:
    """Run one step but for the optimiser's, which is the same for all; return the loss."""
    with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
        logits = model(x)
    model.zero_grad()
    loss = F.cross_entropy(logits.float(), y.repeat(len(logits) // len(y), 1, 1))  # every window has a loss
    loss.backward()
    return loss.item()


def gradients(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the loss and all gradients of a step as one vector, with the same dropout every time."""
    torch.manual_seed(1)
    loss = step(model, x, y)
    return torch.cat([torch.tensor([loss]), *(parameter.grad.double().flatten() for parameter in model.parameters())])


def check_plain(ours: nn.Module, plain: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """Stop unless both U-Nets compute the same function: in float64, where rounding does not hide differences."""
    found, expected = (gradients(copy.deepcopy(model).double(), x.double(), y) for model in (ours, plain))
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def check_compiled(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """Stop unless the compiled layers are about as near to a step in float64 as torch's own in float32 are.

    About, because both distances are those of a few maxima and ReLUs that rounding turned over.
    """
    exact = gradients(copy.deepcopy(model).double(), x.double(), y)
    error = {"compiled": float((gradients(model, x, y) - exact).norm())}
    with uncompiled():
        error["plain"] = float((gradients(model, x, y) - exact).norm())
    norm = float(exact.norm())
    assert error["compiled"] <= max(3 * error["plain"], 0.01 * norm) and max(error.values()) < 0.1 * norm, (error, norm)


@torch.no_grad()
def check_layouts() -> None:
    """Stop unless the pyramid's encoder is the dense one's on the lattices."""
    dense, pyramid = (
        build_model("seunet", 3, CLASSES, **EXACT, layout=layout).eval() for layout in ("dense", "pyramid")
    )
    pyramid.load_state_dict(dense.state_dict())
    maps: dict[str, list[torch.Tensor]] = {}
    for name, model in (("dense", dense), ("pyramid", pyramid)):
        model.encoder[-1].register_forward_hook(lambda module, inputs, out, name=name: maps.__setitem__(name, out))
        model(torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)))
    for s, x in enumerate(maps["pyramid"]):
        torch.testing.assert_close(x, maps["dense"][s][..., :: 2**s, :: 2**s], rtol=1e-4, atol=1e-5)
