"""Equivariance of trained networks: how far each stage's map of a rescaled image is from the rescaled map of the image.

Real images are rescaled here, by the resampling of the evaluation or by drawing them anew. So the errors contain that
of the resampled image itself: detail that is gone, blur that is left, and a grid that lies between the pixels. Not even
a network that obeys the law in every layer reaches 0. What layers do alone is tested in seunet.layers.equivariance.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from seunet.data.arrays import Prepared
from seunet.data.rescaling import rescale_image
from seunet.experiment.evaluation import BATCH_PIXELS
from seunet.experiment.inference import Variant
from seunet.experiment.opening import open_variant
from seunet.layers.equivariance import interior
from seunet.models.calling import call_network
from seunet.ops.interpolation import size_of
from seunet.runtime.tables import write_table
from seunet.settings.dataset import Testing

IMAGES = 32  # of the test images, evenly spaced
BORDER = 1 / 8  # of the side of every map, at each edge, does not count: zeros beyond the edge break any law


def measure(
    weights: Path,
    dataset: Path,
    testing: Testing,
    run: dict[str, str | int],
    path: Path,
    device: torch.device | str = "cpu",
    variant: Variant = Variant(),
    threads: int = 1,
) -> None:
    """Write the relative error of every stage of a trained network at the scales of `testing`, one row each.

    `run` names the run: dataset, model and seed, the first columns. The error is empty where there is none: at a scale
    for which `crop_side` finds no size, and at stages that hold no pair of scales so far apart.
    """
    torch.set_num_threads(threads)
    data = Prepared(dataset)
    model, description = open_variant(weights, data, variant, device)
    base = description["options"].get("base", 2)
    rows = []
    for scale in testing.test_scales:
        pairs = image_pairs(data, scale, testing, torch.device(device))
        errors = stage_errors(model, pairs, scale_steps(scale, base))
        rows += [run | {"scale": scale, "stage": stage, "error": error} for stage, error in errors.items()]
    write_table(pd.DataFrame(rows), path)


def image_pairs(
    data: Prepared, scale: float, testing: Testing, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield test images (n, C, h, w) and the same, rescaled: (n, C, scale · h, scale · w), exactly.

    The rescaled ones are the data set's own drawing where it has one at this scale, else resampled. Both are the middle
    of the image, cut by `crop_side`. Nothing is yielded where that finds no size.
    """
    factor = Fraction(scale).limit_denominator(1000)
    full = np.array([data.height, data.width])
    sides = np.array([crop_side(side, factor, testing) for side in full.tolist()])
    if not sides.all():
        return
    corner = (full - sides) // 2 // factor.denominator * factor.denominator  # a whole pixel after rescaling, too
    drawn = None if any(full % factor.denominator) else data.rendered(*times(full, factor))
    chosen = np.unique(np.linspace(0, len(data.test[0]) - 1, IMAGES).round().astype(int))
    step = max(1, int(BATCH_PIXELS / (sides.prod() * max(1, factor**2))))
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        x = cut(data.test[0][part], corner, sides).to(device)
        if drawn:
            yield x, cut(drawn[0][part], times(corner, factor), times(sides, factor)).to(device)
        else:
            height, width = times(sides, factor)
            yield x, rescale_image(x, (height, width))


def crop_side(side: int, factor: Fraction, testing: Testing) -> int:
    """Return the largest side, in pixels, that has with its multiple by `factor` a size that networks take; 0: none.

    Both are multiples of size_multiple, and no larger than the image, or than what is predicted in one piece.
    """
    tile = testing.tile
    largest = Fraction(side)
    if tile:
        largest = min(largest, (tile.size + 2 * tile.margin) / max(Fraction(1), factor))
    unit = testing.size_multiple * factor.denominator
    return int(largest // unit) * unit


def times(place: np.ndarray, factor: Fraction) -> list[int]:
    """Return whole multiples of the factor's denominator, times the factor."""
    return (place * factor.numerator // factor.denominator).tolist()


def cut(images: np.ndarray, corner: Iterable[int], sides: Iterable[int]) -> Tensor:
    """Return a window of uint8 images (n, H, W, C) as (n, C, h, w) float32 in [0, 1]."""
    (top, left), (height, width) = corner, sides
    window = np.ascontiguousarray(images[:, top : top + height, left : left + width])
    return torch.from_numpy(window).permute(0, 3, 1, 2).float() / 255


def scale_steps(scale: float, base: float) -> int | None:
    """Return by how many scales of a lifted map a rescaling shifts it, or None if that is no whole number."""
    steps = abs(math.log(scale, base))
    return round(steps) if math.isclose(steps, round(steps), abs_tol=1e-6) else None


def stages_of(model: nn.Module) -> dict[str, nn.Module]:
    """Return the stages that a network names, in forward order; of a network that names none, the logits alone."""
    stages = getattr(model, "stages", None)
    return stages() if inspect.ismethod(stages) else {"logits": model}  # elsewhere it may well be a list of modules


@torch.no_grad()
def stage_errors(model: nn.Module, pairs: Iterable[tuple[Tensor, Tensor]], steps: int | None) -> dict[str, float]:
    """Return ‖a − b‖ / ‖b‖ per stage over all pairs (x, x'): a is the map of x', b that of x, at the smaller's size.

    x' is x rescaled by γ^±steps. The larger image's map is what is resampled (see `squares`). NaN where nothing can be
    compared.
    """
    stages = stages_of(model)
    totals = {name: torch.zeros(2, dtype=torch.float64) for name in stages}
    for x, rescaled in pairs:
        shrunk = rescaled.shape[-1] < x.shape[-1]
        small, large = (rescaled, x) if shrunk else (x, rescaled)
        maps: dict[str, Maps] = {}

        def compare(name: str, large_map: Maps, maps=maps, shrunk=shrunk) -> None:
            totals[name] += squares(maps.pop(name), large_map, steps, shrunk).cpu()

        watch(model, stages, small, maps.__setitem__)
        watch(model, stages, large, compare)  # as it runs: the maps of large images are not kept
    return {name: float((error / norm).sqrt()) for name, (error, norm) in totals.items()}


Maps = list[Tensor]  # (N, C, H, W) each: one, or one per scale


def watch(model: nn.Module, stages: dict[str, nn.Module], x: Tensor, see: Callable[[str, Maps], None]) -> None:
    """Run a network on images, and call `see(stage, maps)` for every stage."""
    hooks = [
        stage.register_forward_hook(lambda module, inputs, output, name=name: see(name, canonical(name, output)))
        for name, stage in stages.items()
        if stage is not model
    ]
    try:
        logits = call_network(model, x)
        for name in (name for name, stage in stages.items() if stage is model):
            see(name, canonical(name, logits))
    finally:
        for hook in hooks:
            hook.remove()


def canonical(stage: str, x: Tensor | list[Tensor]) -> Maps:
    """Return a stage's maps, as they are compared: a lifted map or a pyramid has one per scale.

    Of logits, the mean over the classes is subtracted. A constant added to the logits of all classes changes no
    probability, and it differs between networks and ensembles.
    """
    if stage == "logits" and isinstance(x, Tensor):
        return [x - x.mean(1, keepdim=True)]
    return [x] if isinstance(x, Tensor) and x.dim() == 4 else list(x)


def squares(small: Maps, large: Maps, steps: int | None, shrunk: bool) -> Tensor:
    """Return (‖a − b‖², ‖b‖²) of the maps of two images, one of them larger by γ^steps; see `stage_errors`.

    shrunk: whether the small image is the rescaled one. The larger map is resampled to the size of the smaller one
    (bilinear, antialiased). Scale s of the small image is compared with scale s + steps of the large one, where objects
    are γ^steps times as large. Scales without a partner do not count. The others have the same weight, whatever their
    number of pixels.
    """
    if len(small) > 1:
        if steps is None or steps >= len(small):
            return small[0].new_full((2,), math.nan, dtype=torch.float64)
        small, large = small[: len(small) - steps], large[steps:]
    return torch.stack([scale_squares(*pair, shrunk) for pair in zip(small, large, strict=True)]).sum(0)


def scale_squares(small: Tensor, large: Tensor, shrunk: bool) -> Tensor:
    """Return (‖a − b‖², ‖b‖²) of the maps at one scale, per pixel."""
    large = rescale_image(large, size_of(small))
    small, large = interior(small, BORDER).double(), interior(large, BORDER).double()
    reference = large if shrunk else small
    return torch.stack([(small - large).square(), reference.square()]).mean((-2, -1)).flatten(1).sum(1)
