"""A scene of `reef` as an image and its mask, at any pixel size.

Everything is evaluated anew at each size, from formulas in coordinates of the object, on a grid of samples finer than
the pixels, then averaged: texture that a pixel cannot hold blurs away, and detail appears when the scene is enlarged.
No raster is ever resampled. Water softens what is seen through it by a blur in units of the scene, as a lens does: an
enlarged photograph has no edge of one pixel.
"""

from collections.abc import Callable

import numpy as np

from seunet.data.reef import CLASSES, Scene, Thing

PERIOD = 0.6  # of stripes, checks and rings, in radii: about 6 pixels at scale 1
CAUSTIC = 30  # brightness of the light lines on the ground
SOFTNESS = 0.8  # standard deviation of the blur, in units
SAMPLES_PER_UNIT = 3  # at least, so that small renderings integrate the texture properly
SAMPLES_PER_PIXEL = 2  # at least, along each axis

# ---------------------------------------------------------------- forms, in coordinates of the object
#
# Each gives the distance to the outline in radii, positive inside (near the outline; a bound elsewhere).
# u points to the head, v to the side; the numbers make their areas alike.


def _ellipse(u: np.ndarray, v: np.ndarray, a: float, b: float) -> np.ndarray:
    return (1 - np.sqrt((u / a) ** 2 + (v / b) ** 2)) * min(a, b)


def _fish(u: np.ndarray, v: np.ndarray, phase: float) -> np.ndarray:
    body = _ellipse(u - 0.22, v, 0.78, 0.5)
    tail = np.minimum(0.95 + u - 0.35 * (0.5 - np.abs(v)), 0.62 * -u - 0.08 - np.abs(v) * 0.8)
    fin = np.minimum(_ellipse(u - 0.1, v - 0.35, 0.42, 0.36), 0.5 - u)
    return np.maximum(np.maximum(body, tail), fin)


def _star(u: np.ndarray, v: np.ndarray, phase: float) -> np.ndarray:
    r = np.hypot(u, v)
    arms = np.cos(5 * np.arctan2(v, u))
    return 0.75 * (0.66 + 0.3 * arms + 0.05 * arms**2 - r)


def _pebble(u: np.ndarray, v: np.ndarray, phase: float) -> np.ndarray:
    return _ellipse(u, v, 0.92, 0.56 + 0.08 * np.sin(phase))


def _weed(u: np.ndarray, v: np.ndarray, phase: float) -> np.ndarray:
    bend = 0.12 * np.sin(4 * v + phase)
    return 0.07 * (1 - 0.6 * v) - np.abs(u - bend) - np.maximum(np.abs(v) - 1, 0)


FORMS: dict[str, Callable] = {"fish": _fish, "star": _star, "pebble": _pebble, "weed": _weed}


def _pattern(thing: Thing, u: np.ndarray, v: np.ndarray) -> np.ndarray | float:
    """Share of the second colour, 0 to 1. Stripes and rings have one period and one mean."""
    k = 2 * np.pi / PERIOD
    if thing.texture == "plain":
        return 0.0
    if thing.texture == "granite":
        grain = np.cos(9 * u + 4 * v + thing.phase) + np.cos(19 * v - 7 * u) * np.cos(14 * u + 10 * v)
        return np.clip(0.5 + 0.35 * grain + 0.25 * np.cos(41 * u + 13 * v) * np.cos(37 * v - 17 * u), 0, 1)
    wave = np.cos(k * (np.hypot(u, v) if thing.texture == "rings" else u) + thing.phase)
    return np.clip(0.5 + 2.5 * wave, 0, 1)


# ---------------------------------------------------------------- rendering


def render(scene: Scene, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Render a scene: image (height, width, 3) uint8 and mask (height, width) uint8, the class on top."""
    factor = max(SAMPLES_PER_PIXEL, int(np.ceil(SAMPLES_PER_UNIT * scene.side / min(height, width))))
    y = _sample_positions(height * factor, scene.side)
    x = _sample_positions(width * factor, scene.side)
    canvas = _paint_ground(scene, y, x)  # (3, H', W')
    labels = np.zeros((len(y), len(x)), np.uint8)
    for thing in scene.weeds + scene.things:
        _paint_thing(thing, canvas, labels, y, x)
    return _average(canvas, factor, SOFTNESS * height / scene.side), _majority(labels, factor)


def _sample_positions(count: int, side: float) -> np.ndarray:
    return ((np.arange(count) + 0.5) * (side / count)).astype(np.float32)


def _paint_ground(scene: Scene, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Mix two colours by the noise, with bright caustics along its zeros: (3, H', W')."""
    kx, ky, phase, amplitude = scene.waves.astype(np.float32).T
    # what the samples cannot hold is averaged away, as a sample's square does: sinc of half its side
    spacing = (x[1] - x[0]) / (2 * np.float32(np.pi))
    amplitude = amplitude * np.sinc(kx * spacing) * np.sinc(ky * spacing)
    # cos(a + b) = cos a cos b − sin a sin b: the sum over waves is a product of two thin matrices.
    a, b = y[:, None] * ky, x[:, None] * kx + phase
    rows = np.concatenate([np.cos(a) * amplitude, -np.sin(a) * amplitude], axis=1)
    columns = np.concatenate([np.cos(b), np.sin(b)], axis=1)
    # einsum, not @: a BLAS library may round differently from one number of threads to another
    noise = np.einsum("yk,kx->yx", rows, np.ascontiguousarray(columns.T))
    share = np.clip(0.5 + 0.35 * noise, 0, 1)
    caustic = CAUSTIC * np.clip(1 - 4 * np.abs(noise), 0, 1)
    return _mix(scene.ground, share) + caustic


def _paint_thing(thing: Thing, canvas: np.ndarray, labels: np.ndarray, y: np.ndarray, x: np.ndarray) -> None:
    """Paint one object over canvas (3, H', W') and labels (H', W'), within its bounding box only."""
    reach = 1.15 * thing.radius
    rows = slice(*np.searchsorted(y, (thing.y - reach, thing.y + reach)))
    columns = slice(*np.searchsorted(x, (thing.x - reach, thing.x + reach)))
    dy = (y[rows, None] - np.float32(thing.y)) / np.float32(thing.radius)
    dx = (x[None, columns] - np.float32(thing.x)) / np.float32(thing.radius)
    if dy.size == 0 or dx.size == 0:
        return
    cos, sin = np.float32(np.cos(thing.angle)), np.float32(np.sin(thing.angle))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    depth = FORMS[thing.shape](u, v, np.float32(thing.phase))
    sample = np.float32((y[1] - y[0]) / thing.radius)
    cover = np.clip(depth / sample + 0.5, 0, 1)
    under = canvas[:, rows, columns]
    under += (_shade(thing, u, v, depth) - under) * cover
    labels[rows, columns][depth > 0] = thing.label


def _shade(thing: Thing, u: np.ndarray, v: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Colour (3, h, w) of an object: its pattern, a dark outline, and the eye of a fish."""
    color = _mix(thing.colors, np.broadcast_to(_pattern(thing, u, v), depth.shape))
    color *= 0.55 + 0.45 * np.clip(depth / 0.12, 0, 1)
    if thing.shape == "fish":
        r = np.hypot(u - 0.68, v - 0.1)
        color[:, r < 0.13] = 250
        color[:, r < 0.07] = 20
    return color


def _mix(colors: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mix two colours (2, 3) by the share (h, w) of the second: (3, h, w)."""
    first, second = colors[:, :, None, None]
    return first + (second - first) * share


def _average(canvas: np.ndarray, factor: int, sigma: float) -> np.ndarray:
    """Mean of the samples of each pixel, blurred by `sigma` pixels: (3, H', W') → (H, W, 3) uint8."""
    height, width = canvas.shape[1] // factor, canvas.shape[2] // factor
    rows = canvas.reshape(3, height, factor, width * factor).sum(axis=2)
    mean = rows.reshape(3, height, width, factor).sum(axis=3) / factor**2
    from scipy.ndimage import gaussian_filter  # slow to import, and every start of the workflow reads this module

    mean = gaussian_filter(mean, (0, sigma, sigma), mode="nearest")
    return np.ascontiguousarray(np.clip(np.rint(mean), 0, 255).astype(np.uint8).transpose(1, 2, 0))


def _majority(labels: np.ndarray, factor: int) -> np.ndarray:
    """Class with most samples in each pixel, the first of equals: (H', W') → (H, W)."""
    height, width = labels.shape[0] // factor, labels.shape[1] // factor
    rows = labels.reshape(height, factor, width * factor)
    votes = [(rows == c).sum(axis=1, dtype=np.uint16) for c in range(len(CLASSES))]
    votes = np.stack(votes).reshape(-1, height, width, factor).sum(axis=3)
    return votes.argmax(axis=0).astype(np.uint8)
