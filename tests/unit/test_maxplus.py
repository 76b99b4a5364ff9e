"""The max-plus convolution: the compiled code does what the plain code does, and what the definition says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seunet.ops import maxplus, native

GEOMETRIES = [  # stride, step, radius: taps beyond the map, one pixel, more numbers than an int8 holds
    (2, 1, 3),
    (2, 1, 24),
    (1, 1, 2),
    (3, 4, 3),
    (2, 8, 3),
    (2, 1, 70),
]


@pytest.fixture
def compiled() -> None:
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler here")
    assert native.library() is not None


def ties(*shape: int) -> torch.Tensor:
    """Return a field of few different values, so that many maxima are ties."""
    return torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", [(2, 3, 17, 23), (1, 70, 8, 5), (3, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_compiled_is_plain_to_the_bit(geometry: tuple[int, ...], shape: tuple[int, ...], threads: int) -> None:
    stride, step, radius = geometry
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for x in (torch.randn(shape, generator=torch.Generator().manual_seed(1)), ties(*shape)):
            penalty = torch.linspace(0.01, 1, shape[1])
            found = maxplus.compiled_dilation(x, penalty, stride, step, radius)
            for ours, plain in zip(found, maxplus.dilation.reference(x, penalty, stride, step, radius), strict=True):
                assert torch.equal(ours, plain)
            assert torch.equal(maxplus.compiled_dilation(x, penalty, stride, step, radius, False)[0], found[0])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("switch", ["1", "0"])
def test_gradients(monkeypatch: pytest.MonkeyPatch, switch: str) -> None:
    """Against differences, in both ways of computing: the maximum is piecewise linear, and its kinks are rare."""
    monkeypatch.setenv("SEUNET_COMPILED", switch)
    torch.manual_seed(0)
    x = torch.randn(2, 3, 9, 11, requires_grad=True)
    c = torch.tensor([0.2, 0.5, 0.9], requires_grad=True)
    weights = torch.randn(2, 3, 5, 6)

    def loss(x, c):
        return (maxplus.quadratic_maximum(x, c, 2, 2, 3, 1.5) * weights).double().sum()

    grads = torch.autograd.grad(loss(x, c), (x, c))
    for grad, inputs in zip(grads, (x, c), strict=True):
        direction, h = torch.randn_like(inputs), 1e-3
        moved = [[inputs + sign * h * direction if entry is inputs else entry for entry in (x, c)] for sign in (1, -1)]
        slope = (loss(*moved[0]) - loss(*moved[1])) / (2 * h)
        assert slope.item() == pytest.approx((grad * direction).sum().item(), rel=0.02, abs=0.02)


@pytest.mark.usefixtures("compiled")
def test_a_step_half_in_torch_and_half_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward where code is traced, say to count FLOP, and backward after it: the taps lie in another order."""
    x = torch.randn(2, 3, 9, 11, generator=torch.Generator().manual_seed(0), requires_grad=True)
    grads = []
    for forward in ("1", "0"):
        monkeypatch.setenv("SEUNET_COMPILED", forward)
        y = maxplus.quadratic_maximum(x, torch.tensor([0.2, 0.5, 0.9]), 2, 2, 3, 1.5)
        monkeypatch.setenv("SEUNET_COMPILED", "1")
        grads += torch.autograd.grad((y * torch.linspace(0, 1, y.numel()).view(y.shape)).sum(), x)
    torch.testing.assert_close(*grads)


@pytest.mark.usefixtures("compiled")
def test_bfloat16_is_the_rounded_maximum() -> None:
    x = torch.randn(2, 5, 12, 12).bfloat16()
    penalty = torch.full((5,), 0.25)
    best = maxplus.compiled_dilation(x, penalty, 2, 1, 3)[0]
    assert torch.equal(best, maxplus.dilation.reference(x.float(), penalty, 2, 1, 3)[0].bfloat16())


def test_without_a_compiler_it_says_so_once_and_runs(tmp_path: Path) -> None:
    code = (
        "import torch; from seunet.layers import QuadraticDilation as Q; x = torch.rand(2, 1, 3, 8, 8)\n"
        "print(Q(3)(x).shape, Q(3)(x).shape)"
    )
    environment = {"CXX": "no-such-compiler", "XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert run.stderr.count("layers run uncompiled") == 1 and len(run.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("*.so"))
