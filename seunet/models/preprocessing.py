"""What packages of bioimage.io do to an image before the network, and to its answer after it.

Steps and their formulas: https://bioimage.io, model descriptions 0.4 and 0.5. A step maps values (N, C, H, W) to such.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seunet.runtime.errors import UserError

Step = Callable[[Tensor], Tensor]
Entry = Mapping[str, Any]  # id (0.5) or name (0.4), and kwargs
PLACES = {"c": 1, "y": 2, "x": 3}  # of the axes in (N, C, H, W)
EPSILON = 1e-6


def steps_before(entries: Sequence[Entry], roles: Mapping[str, str]) -> list[Step]:
    """Return the preprocessing of a tensor; roles: b, c, y or x by the name of its axis.

    Raises UserError for a step that is not known here.
    """
    return [step for place, entry in enumerate(entries) if (step := step_before(entry, roles, place == 0))]


def step_before(entry: Entry, roles: Mapping[str, str], is_first: bool) -> Step | None:
    """Return a step of the preprocessing; None for one that changes nothing."""
    name, options = name_of(entry), entry.get("kwargs") or {}
    if name == "ensure_dtype":
        if "float" in str(options.get("dtype")):
            return None
        if is_first:
            return torch.round  # the values of images as they are
    if name == "scale_linear":
        return partial(linear, factor=numbers(options.get("gain", 1)), summand=numbers(options.get("offset", 0)))
    if name == "clip" and not {"min_percentile", "max_percentile"} & options.keys():
        return partial(torch.clamp, min=maybe(options.get("min")), max=maybe(options.get("max")))
    if name == "fixed_zero_mean_unit_variance" or (name, options.get("mode")) == ("zero_mean_unit_variance", "fixed"):
        std = numbers(options["std"]) + EPSILON
        return partial(linear, factor=1 / std, summand=-numbers(options["mean"]) / std)
    if is_of_image(entry):
        axes = [roles[axis] for axis in options.get("axes") or roles if axis in roles]
        dims = [PLACES[role] for role in axes if role != "b"]  # one image at a time, as it is asked about
        eps = float(options.get("eps", EPSILON))
        if name == "zero_mean_unit_variance":
            return partial(standardised, dims=dims, eps=eps)
        low, high = (float(options.get(f"{end}_percentile", value)) for end, value in (("min", 0), ("max", 100)))
        return partial(stretched, dims=dims, low=low / 100, high=high / 100, eps=eps)
    raise unknown("preprocessing", entry)


def steps_after(entries: Sequence[Entry]) -> list[Step]:
    """Return the postprocessing; UserError for what may change which class is the largest."""
    known: dict[str, Step] = {"softmax": partial(torch.softmax, dim=1), "sigmoid": torch.sigmoid}
    for entry in entries:
        if name_of(entry) not in (*known, "ensure_dtype"):
            raise unknown("postprocessing", entry)
    return [known[name_of(entry)] for entry in entries if name_of(entry) in known]


def is_of_image(entry: Entry) -> bool:
    """Tell whether a step depends on the whole image: by its own mean and deviation, or its own percentiles."""
    options = entry.get("kwargs") or {}
    known = name_of(entry) in ("zero_mean_unit_variance", "scale_range")
    return known and options.get("mode", "per_sample") == "per_sample" and not options.get("reference_tensor")


def name_of(entry: Entry) -> str:
    """Return the name of a step."""
    return str(entry.get("id") or entry.get("name"))


def unknown(kind: str, entry: Entry) -> UserError:
    """Return the error for a step that cannot be done."""
    options = ", ".join(f"{key}: {value}" for key, value in (entry.get("kwargs") or {}).items())
    return UserError(
        f"its {kind} {name_of(entry)}{f' ({options})' if options else ''} is not known here; predict with the tool "
        "that the package was made for"
    )


def numbers(value: Any) -> Tensor:
    """Return one number, or one for each channel, as (1 or C, 1, 1)."""
    return torch.tensor([float(entry) for entry in (value if isinstance(value, list) else [value])])[:, None, None]


def maybe(value: Any) -> float | None:
    """Return a number, or None."""
    return None if value is None else float(value)


def linear(x: Tensor, factor: Tensor, summand: Tensor) -> Tensor:
    """Return x · factor + summand."""
    return x * factor.to(x.device) + summand.to(x.device)


def standardised(x: Tensor, dims: Sequence[int], eps: float) -> Tensor:
    """Return x with a mean of 0 and a deviation of 1 over these axes of each image."""
    deviation = x.std(list(dims), correction=0, keepdim=True)
    return (x - x.mean(list(dims), keepdim=True)) / (deviation + eps)


def stretched(x: Tensor, dims: Sequence[int], low: float, high: float, eps: float) -> Tensor:
    """Return x with these quantiles, over these axes of each image, at 0 and 1."""
    ordered = [dim for dim in (1, 2, 3) if dim not in dims]
    flat = x.permute(0, *ordered, *dims).flatten(1 + len(ordered)).cpu().double().numpy()
    shape = [size if dim == 0 or dim in ordered else 1 for dim, size in enumerate(x.shape)]
    ends = [torch.from_numpy(np.quantile(flat, q, axis=-1)).reshape(shape).to(x) for q in (low, high)]
    return (x - ends[0]) / (ends[1] - ends[0] + eps)
