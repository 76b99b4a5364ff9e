"""How often the intervals of claims hold the truth: `python -m benchmarks.coverage` writes docs/scores/coverage.csv.

Two networks are simulated, of which the one leads by LEAD on average over all images and all trainings. The lead varies
from training to training (`of_seeds`, a standard deviation), from image to image (OF_IMAGES), and from one image of a
training to the next (NOISE); images differ in size. Compared are the interval of claims, over seeds and images, and
Student's t over seeds, which takes the test images for all there are.
"""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from seunet.report.claims import LEVEL, Bootstrap, ResampledRun, compare
from seunet.runtime.tables import write_table
from seunet.settings.metric import Metric

TABLE = Path(__file__).parents[1] / "docs" / "scores" / "coverage.csv"
LEAD, OF_IMAGES, NOISE = 0.03, 0.12, 0.05
SEEDS, IMAGES, OF_SEEDS = (2, 3, 5, 9), (9, 28, 150), (0, 0.03, 0.1)
TRIALS = 400


def coverage(seeds: int, images: int, of_seeds: float, trials: int = TRIALS) -> tuple[float, float]:
    """Return how often each of both intervals holds LEAD: over seeds and images, and over seeds alone."""
    rng = np.random.default_rng([seeds, images, round(1000 * of_seeds)])
    bootstrap = Bootstrap(Metric())
    bootstrap.images = images
    held = []
    for _ in range(trials):
        area = np.rint(10000 * rng.lognormal(0, 0.5, images))
        lead = LEAD + rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, OF_IMAGES, images)
        better = [run(bootstrap, area, 0.5 + each) for each in lead + rng.normal(0, NOISE, (seeds, images))]
        worse = [run(bootstrap, area, np.full(images, 0.5))] * seeds
        found = compare(better, worse, images)
        each = np.array([a.metric - b.metric for a, b in zip(better, worse, strict=True)])
        low, high = t.interval(LEVEL, seeds - 1, each.mean(), each.std(ddof=1) / np.sqrt(seeds))
        held.append((found["low"] <= LEAD <= found["high"], low <= LEAD <= high))
    return tuple(np.mean(held, axis=0))


def run(bootstrap: Bootstrap, area: np.ndarray, iou: np.ndarray) -> ResampledRun:
    """Return a run on images (N,) with so many pixels of the one class in mask or answer, and this IoU, at scale 2."""
    tp = np.rint(area * iou.clip(0, 1))
    counts = {"tp": tp, "fp": area - tp, "fn": 0 * area}
    layout = {"scale": [1, 2], "height": [8, 16], "width": [8, 16], "classes": ["x"]}
    return bootstrap.resample(
        {key: np.array(value) for key, value in layout.items()}
        | {key: np.stack([value, value])[..., None].astype(int) for key, value in counts.items()}
    )


def main() -> None:
    """Write a row for every number of seeds and images, and every spread of the seeds."""
    rows = [
        {"seeds": seeds, "images": images, "of_seeds": of_seeds, "of_images": OF_IMAGES, "trials": TRIALS}
        | dict(zip(("over_seeds_and_images", "over_seeds"), coverage(seeds, images, of_seeds), strict=True))
        for of_seeds, images, seeds in product(OF_SEEDS, IMAGES, SEEDS)
    ]
    write_table(pd.DataFrame(rows), TABLE)


if __name__ == "__main__":
    main()
