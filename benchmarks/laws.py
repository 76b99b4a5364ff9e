"""The law of every layer, measured: the tables of docs/method.md, section 9. `python -m benchmarks.laws` prints them.

Errors are relative L2 distances between layer(R_k x) and R_k layer(x) on smooth random fields, away from the borders
and from truncated scales: the largest over all shifts of the grid.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

from seunet.layers import (
    FlatDilation,
    GaussianLifting,
    QuadraticDilation,
    ScaleCrossCorrelation,
    ScaleProjection,
    ScaleUpsample,
    Subsampling,
    equivariance_error,
)
from seunet.layers.equivariance import interior
from seunet.layers.lifted import whole_step
from seunet.layers.lifting import blur

STEPS = (1, 2)
ZERO = 1e-5  # smaller errors are those of float32
ROOT2 = 2**0.5
GEOMETRIES = ("released", "exact")


def smooth_field(*shape: int, sigma: float = 3.0, seed: int = 0) -> Tensor:
    """Return Gaussian noise blurred by `sigma` pixels, of unit variance: (…, C, H, W)."""
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    radius = int(4 * sigma)
    kernel = torch.softmax(-(torch.arange(-radius, radius + 1) ** 2) / (2 * sigma**2), dim=0)
    field = blur(noise.flatten(0, -4) if noise.dim() == 5 else noise, kernel.expand(shape[-3], -1)).view(shape)
    return field / field.std()


def lifted_field() -> Tensor:
    """Return independent smooth fields at four scales, (4, 1, 2, 128, 160)."""
    return smooth_field(4, 1, 2, 128, 160)


def randomised(layer: nn.Module) -> nn.Module:
    """Draw every parameter anew, so that no law holds by the accident of the initial values."""
    torch.manual_seed(1)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, 0.3, 0.9)
    return layer


def largest_error(layer: Callable[[Tensor], Tensor], x: Tensor, k: int, base: float = 2, **options) -> float:
    """Return the largest `equivariance_error` over all shifts of the grid: (γ^k)² of them."""
    shifts = product(range(whole_step(base, k)), repeat=2)
    return max(equivariance_error(layer, x, k, base=base, shift=shift, **options) for shift in shifts)


def lifting_error(geometry: str, k: int) -> float:
    """Return the error of the lifting, on an image that a camera γ^k times further away takes: blurred, subsampled."""
    layer, image, errors = GaussianLifting(2, 4, geometry=geometry), smooth_field(1, 2, 256, 256, sigma=1), []
    for top, left in product(range(2**k), repeat=2):
        further_away = layer(image)[k][..., top :: 2**k, left :: 2**k]
        errors.append(equivariance_error(layer, image, k, shift=(top, left), rescaled=further_away))
    return max(errors)


def analytic_field(size: int, base: float, scales: int, zoomed: bool) -> Tensor:
    """Return f(s, y), or R_1 f(s, y) = f(s + 1, γ y), of random waves no shorter than 9 γ^s pixels: (S, 1, 2, H, W).

    Known at every point, so that a change of scale by a γ that is no integer needs no resampling.
    """
    zoom, first = (base, 1) if zoomed else (1.0, 0)
    place = torch.arange(size, dtype=torch.float64) * zoom
    maps = []
    for scale in range(first, first + scales):
        generator = torch.Generator().manual_seed(scale)
        wave = (2 * torch.rand(2, 40, 2, generator=generator, dtype=torch.float64) - 1) * 0.7 / base**scale
        phase = 2 * torch.pi * torch.rand(2, 40, 1, 1, generator=generator, dtype=torch.float64)
        angle = wave[..., :1, None] * place[:, None] + wave[..., 1:, None] * place + phase
        maps.append(torch.cos(angle).sum(1)[None] / 20**0.5)  # 40 waves: variance 1
    return torch.stack(maps).float()


@torch.no_grad()
def zoomed_error(layer: nn.Module, base: float, scales: int = 4) -> float:
    """Return the relative distance of layer(R_1 x) and R_1 layer(x), the latter interpolated by quintic splines."""
    before = layer(analytic_field(110, base, scales, zoomed=True))
    after = layer(analytic_field(round(115 * base), base, scales + 1, zoomed=False))[1:]
    size = int(before.shape[-1] * 0.9)
    place = np.stack(np.meshgrid(np.arange(size) * base, np.arange(size) * base, indexing="ij"))
    after = np.array([[map_coordinates(x.double().numpy(), place, order=5) for x in maps[0]] for maps in after])
    before, after = before[:, 0, :, :size, :size], torch.from_numpy(after)
    before, after = interior(before, 0.3), interior(after, 0.3)
    return float((before - after).norm() / after.norm())


@dataclass(frozen=True)
class Case:
    """A row of the table: a layer of either geometry, and the error that it makes for k scales."""

    name: str
    error: Callable[[str, int], float]


def layer_case(name: str, make: Callable[[str], nn.Module], **options) -> Case:
    """Return the row of a layer, with random parameters, on the lifted field."""
    return Case(name, lambda geometry, k: largest_error(randomised(make(geometry)), lifted_field(), k, **options))


def crosscorrelation_error(basis: str, k: int) -> float:
    """Return the largest error over strides and scale sizes."""
    errors = []
    for stride, scale_size in product((1, 2, 3), (1, 2)):
        layer = randomised(ScaleCrossCorrelation(2, 3, scale_size=scale_size, stride=stride, basis=basis))
        errors.append(largest_error(layer, lifted_field(), k, stride=stride, scale_size=scale_size, border=0.35))
    return max(errors)


def upsampling_error(geometry: str, k: int, upsampled: bool) -> float:
    """Return the error of upsampling by 2, of any map or of one that was itself upsampled by 2^k."""
    x = smooth_field(4, 1, 2, 64, 80)
    x = ScaleUpsample(2**k, geometry)(x) if upsampled else x
    return equivariance_error(ScaleUpsample(2, geometry), x, k)


def projection_error(reduction: str, k: int, kept: bool) -> float:
    """Return the error of the projection, of any map or of one whose maximum lies on a scale that R_k keeps."""
    x = lifted_field()
    x[:k] -= 100 * kept
    return largest_error(ScaleProjection(reduction), x, k)


CASES = (
    Case("lifting", lifting_error),
    Case("scale-cross-correlation (strides 1, 2, 3; K = 1, 2)", lambda _, k: crosscorrelation_error("taps", k)),
    Case("the same, Gaussian basis", lambda _, k: crosscorrelation_error("gaussian", k)),
    layer_case("quadratic pooling", lambda geometry: QuadraticDilation(2, geometry=geometry), stride=2, border=0.35),
    layer_case("flat pooling", lambda geometry: FlatDilation(geometry=geometry), stride=2, border=0.35),
    layer_case("subsampling", lambda _: Subsampling(), stride=2),
    Case("upsampling ×2, any map", lambda geometry, k: upsampling_error(geometry, k, upsampled=False)),
    Case("upsampling ×2 of a map upsampled by 2^k", lambda geometry, k: upsampling_error(geometry, k, upsampled=True)),
    Case("projection, maximum on a scale that is kept", lambda _, k: projection_error("max", k, kept=True)),
    Case("projection, maximum, independent scales", lambda _, k: projection_error("max", k, kept=False)),
    Case("projection, mean, independent scales", lambda _, k: projection_error("mean", k, kept=False)),
)

ROOT2_LAYERS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "scale-cross-correlation, Gaussian basis": (lambda: ScaleCrossCorrelation(2, 3, base=ROOT2), 1),
    "the same, stride 2": (lambda: ScaleCrossCorrelation(2, 3, stride=2, base=ROOT2), 2),
    "quadratic pooling, exact": (lambda: QuadraticDilation(2, ROOT2, "exact"), 2),
    "quadratic pooling, released": (lambda: QuadraticDilation(2, ROOT2, "released"), 2),
    "flat pooling, exact": (lambda: FlatDilation(ROOT2, "exact"), 2),
    "flat pooling, released": (lambda: FlatDilation(ROOT2, "released"), 2),
}


def root2_errors(make: Callable[[], nn.Module], stride: int) -> tuple[float, float]:
    """Return the errors of a layer of γ = √2 for one step, between pixels, and for two, on the grid."""
    torch.manual_seed(0)
    layer, x = make(), smooth_field(7, 1, 2, 192, 192)
    return zoomed_error(layer, ROOT2), largest_error(layer, x, 2, ROOT2, stride=stride, border=0.4)


def table() -> Iterator[str]:
    """Yield the lines of the two tables, in Markdown."""
    steps = [f"{geometry}, k = {k}" for geometry, k in product(GEOMETRIES, STEPS)]
    yield from header("γ = 2", *steps)
    for case in CASES:
        yield row(case.name, *(case.error(geometry, k) for geometry, k in product(GEOMETRIES, STEPS)))
    yield ""
    yield from header("γ = √2", "k = 1", "k = 2")
    for name, (make, stride) in ROOT2_LAYERS.items():
        yield row(name, *root2_errors(make, stride))


def header(*columns: str) -> Iterator[str]:
    """Yield the two lines above a table."""
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"


def row(name: str, *errors: float) -> str:
    """Return a line of a table: two digits, and 0 for what float32 leaves."""
    return f"| {name} | {' | '.join('0' if error < ZERO else f'{error:#.2g}' for error in errors)} |"


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in table():
        print(line, flush=True)
