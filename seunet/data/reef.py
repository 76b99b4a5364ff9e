"""A reef as a vector description, drawn from a seed; `rendering` shows it at any pixel size.

Lengths are in *units*: one unit is one pixel of the image at scale 1, so a scene of 64 units rendered at
256 pixels is that scene at scale 4.

Two animals live among pebbles and weed, told apart by their outline and their pattern: striped fish, and starfish with
rings. Colours and sizes are drawn in the same way for all of them, so neither tells the class. Sizes vary mildly, so
that training images do not already hold other scales, unless several `sizes` are asked for. Animals are bright and the
ground is dark at every scale. Were the ground told by its smoothness instead, the enlarged inside of an animal would be
taken for ground at the finest scale of a scale-equivariant network, and win its maximum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CLASSES = ["background", "fish", "starfish"]

RADIUS = (9.0, 11.5)  # of every object, in units: sizes vary mildly around one scale
DENSITY = 1 / 110  # attempts to place an object, per square unit
SPACING = 1.5  # least distance of two centres, in mean radii: objects overlap a little
ROUGHNESS = 0.25  # of the ground: the power of the period that an amplitude grows with, 0 is roughest

# An animal has one pale and one vivid colour; ground, pebbles and weed lie between two dark ones.
PALE = np.array([(255, 240, 205), (255, 214, 110), (190, 230, 255), (255, 190, 205)], dtype=np.float32)
VIVID = np.array(
    [(200, 40, 30), (165, 25, 100), (20, 90, 190), (205, 85, 5), (5, 120, 95), (105, 45, 175)],
    dtype=np.float32,
)
DARK = np.array([(16, 44, 84), (18, 70, 72), (52, 34, 86), (78, 40, 48), (30, 58, 36), (44, 52, 64)], dtype=np.float32)


@dataclass(frozen=True)
class Thing:
    """One object: its class, its form, and where and how large it lies (units, radians)."""

    label: int
    shape: str
    texture: str
    x: float
    y: float
    radius: float
    angle: float
    phase: float
    colors: np.ndarray  # (2, 3)


@dataclass(frozen=True)
class Scene:
    """A square of `side` units: waves (M, 4) and colours (2, 3) of the ground, and what lies on it."""

    side: float
    waves: np.ndarray
    ground: np.ndarray
    weeds: list[Thing]
    things: list[Thing]


def draw_scene(rng: np.random.Generator, side: float, sizes: Sequence[float] = (1,)) -> Scene:
    """Draw all that there is to know about a scene of `side` units.

    sizes: what the radius of an object is multiplied by, one of them for each. Large objects are placed first, and
    attempts fall with the area of a size, so that none covers most of the scene.
    """
    waves = _draw_waves(rng)
    ground = DARK[rng.choice(len(DARK), 2, replace=False)]
    weeds = [_draw_weed(rng, side) for _ in range(rng.poisson(side / 16))]
    things: list[Thing] = []
    for size in sorted(sizes, reverse=True):
        for _ in range(max(2, round(side * side * DENSITY / (len(sizes) * size * size)))):
            thing = _draw_thing(rng, side, size)
            if all(_apart(thing, other) for other in things):
                things.append(thing)
    return Scene(side, waves, ground, weeds, things)


def least_side(sizes: Sequence[float]) -> float:
    """Return the side, in units, of the smallest scene that objects of these sizes do not fill."""
    return 4 * max(sizes) * RADIUS[1]


def _draw_waves(rng: np.random.Generator, count: int = 48) -> np.ndarray:
    """Plane waves (wave number x, y, phase, amplitude) whose sum is rough at all scales from 1/4 to 4."""
    period = 2.0 ** np.linspace(-1, 5, count)  # 1/2 to 32 units
    direction = rng.uniform(0, 2 * np.pi, count)
    number = 2 * np.pi / period
    amplitude = (period / 32) ** ROUGHNESS
    amplitude /= np.sqrt((amplitude**2).sum() / 2)
    phase = rng.uniform(0, 2 * np.pi, count)
    return np.stack([number * np.cos(direction), number * np.sin(direction), phase, amplitude], axis=1)


def _draw_colors(rng: np.random.Generator, animal: bool) -> np.ndarray:
    """Draw two colours in random order (2, 3), each with a little gain of its own."""
    if animal:
        pair = np.stack([rng.choice(PALE), rng.choice(VIVID)])[rng.permutation(2)]
    else:
        pair = rng.choice(DARK, 2, replace=False) * 1.3
    return (pair * rng.uniform(0.85, 1.1, (2, 1))).astype(np.float32)


def _draw_thing(rng: np.random.Generator, side: float, size: float) -> Thing:
    shape = rng.choice(["fish", "star", "pebble"])
    texture = {"fish": "stripes", "star": "rings", "pebble": "granite"}[shape]
    label = {"fish": 1, "star": 2, "pebble": 0}[shape]
    x, y = rng.uniform(-0.05 * side, 1.05 * side, 2)
    radius, angle, phase = size * rng.uniform(*RADIUS), rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi)
    return Thing(label, str(shape), str(texture), x, y, radius, angle, phase, _draw_colors(rng, label > 0))


def _draw_weed(rng: np.random.Generator, side: float) -> Thing:
    x, y = rng.uniform(0, side, 2)
    radius, angle, phase = rng.uniform(8, 16), rng.normal(0, 0.5), rng.uniform(0, 2 * np.pi)
    return Thing(0, "weed", "plain", x, y, radius, angle, phase, _draw_colors(rng, False))


def _apart(a: Thing, b: Thing) -> bool:
    return np.hypot(a.x - b.x, a.y - b.y) > SPACING * (a.radius + b.radius) / 2
