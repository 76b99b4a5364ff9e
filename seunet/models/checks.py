"""Checks of what networks are built from and what they are given, with errors of one line."""

import torch
from torch import Tensor

from seunet.runtime.errors import UserError


def check_size(image: Tensor, multiple: int) -> None:
    """Raise UserError, naming the nearest good sizes, unless both sides are positive multiples of `multiple`."""
    height, width = image.shape[-2:]
    if torch.jit.is_tracing():  # where sizes are no numbers
        return
    if height % multiple == 0 and width % multiple == 0 and height * width > 0:
        return
    raise UserError(
        f"image of {height} × {width} pixels: this network takes sides that are multiples of {multiple}; "
        f"nearest good ones: {nearest(height, multiple)} × {nearest(width, multiple)}"
    )


def nearest(size: int, multiple: int) -> str:
    """Return the good sides around `size`, such as "96 or 112"."""
    below = size // multiple * multiple
    if below == size and size > 0:
        return str(size)
    return f"{below} or {below + multiple}" if below else str(multiple)


def check_positive(**values: int) -> None:
    """Raise UserError for the first value that is not a positive whole number."""
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"{name}: expected a whole number from 1 on, got {value!r}")


def check_base(base: float) -> float:
    """Return the base of the scales; raise UserError unless it is a number above 1."""
    if isinstance(base, bool) or not isinstance(base, int | float) or not 1 < base < float("inf"):
        raise UserError(f"base: expected a number above 1, got {base!r}")
    return base


def check_probability(name: str, value: float) -> float:
    """Return a probability; raise UserError unless it lies in [0, 1)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise UserError(f"{name}: expected a number from 0 on, below 1, got {value!r}")
    return value


def default_border(geometry: str) -> str:
    """Return what correlations of a geometry read beyond a map: zeros as published, else the border pixels."""
    return "zeros" if geometry == "released" else "replicate"


def check_exact(geometries: dict[str, str]) -> None:
    """Raise UserError unless every operator has the exact geometry: the others need pixels off the lattice."""
    for name, geometry in geometries.items():
        if geometry != "exact":
            raise UserError(f"layout: pyramid needs the exact geometry, and {name} is {geometry}; set geometry: exact")


def check_windows(rule: str | int, num_scales: int, **counts: int) -> None:
    """Raise UserError where there are fewer scales than in a window, or no window of this number at test."""
    for name, count in counts.items():
        if count < num_scales:
            raise UserError(f"{name}: {count} is less than num_scales {num_scales}; give at least that")
    last = counts["scales_at_test"] - num_scales
    if isinstance(rule, int) and rule > last:
        raise UserError(
            f"windows: there is no window {rule}; {counts['scales_at_test']} scales have windows 0 to {last}"
        )
