"""Claims: does one network segment images at unseen scales better than another, and how sure is that?

Compared is the mean metric over the unseen scales, better minus worse, paired over seeds and test images. Its 95 %
interval is a hierarchical bootstrap of the crossed table of seeds and images (the pigeonhole bootstrap; Owen 2007,
Annals of Applied Statistics 1:386-411): each draw takes seeds with replacement, the same for both networks, and test
images with replacement, the same for both networks, all scales and all seeds. The counts of the drawn images are
added before anything is divided: the IoU of a test set is no mean over images. scipy.stats.bootstrap resamples one
level, so the draws are a matrix product here.

A handful of seeds says little about their spread, and plain resampling hides it: n of them vary by (n − 1)/n too
little. So their deviations are enlarged by √(n/(n − 1)), and the interval is stretched by the ratio of Student's t to
the normal quantile (degrees of freedom after Welch and Satterthwaite). Both vanish when the images dominate. With one
seed the interval covers the choice of test images alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from seunet.report.tables import Metrics, unseen_scales
from seunet.runtime.errors import UserError
from seunet.runtime.tables import write_table
from seunet.settings.metric import Metric
from seunet.settings.scales import SEEN

CLAIMS_COLUMNS = ["claim", "dataset", "better", "worse", "estimate", "low", "high", "verdict", "seeds", "images"]
SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
LEVEL = 0.95
RESAMPLES = 5000
SEED = 0  # of the draws: the same tables give the same intervals


def judge_claims(
    claims: Iterable[Mapping[str, Any]], files: Iterable[Path | str], metrics: Metrics, path: Path | str
) -> None:
    """Write one row per claim: the difference in the metric, its interval and the verdict.

    Of each claim the keys claim (its text), dataset, better, worse (models), seeds (those that both were run with)
    and, where it is given, beyond (see `unseen_scales`) count. `files` are the counts per image,
    `…/{dataset}/{model}/seed{seed}.npz`; `metrics` has the metric of each data set. Raises UserError when a file is
    missing, damaged or of other images than the others.
    """
    found = {(*Path(file).parts[-3:-1], Path(file).stem): Path(file) for file in files}
    bootstraps: dict[str, Bootstrap] = {}
    rows = []
    for claim in claims:
        dataset, seeds = claim["dataset"], claim["seeds"]
        bootstrap = bootstraps.setdefault(dataset, Bootstrap(Metric.parse(metrics[dataset])))
        runs = {}
        for role in ("better", "worse"):
            names = [(dataset, claim[role], f"seed{seed}") for seed in seeds]
            if missing := [name for name in names if name not in found]:
                raise UserError(f"claim '{claim['claim']}': no scores of {'/'.join(missing[0])}; evaluate it first")
            runs[role] = [bootstrap.run(found[name], claim.get("beyond", SEEN)) for name in names]
        result = compare(runs["better"], runs["worse"], bootstrap.images)
        rows.append({**claim, **result, "seeds": len(seeds), "images": bootstrap.images})
    write_table(pd.DataFrame(rows, columns=CLAIMS_COLUMNS), path)


@dataclass(frozen=True)
class ResampledRun:
    """One trained network: its metric on the test images as they are, and on each draw of them (B,)."""

    metric: float
    resampled: np.ndarray


class Bootstrap:
    """The runs on one data set, all tested on the same draws of its test images."""

    def __init__(self, metric: Metric):
        self.metric, self.images = metric, 0
        self.layout: dict[str, np.ndarray | tuple[int, ...]] = {}
        self.runs: dict[tuple[Path, float], ResampledRun] = {}

    def run(self, path: Path, beyond: float = SEEN) -> ResampledRun:
        """Return the run of a file of counts per image, at the scales beyond a factor, once."""
        if (path, beyond) not in self.runs:
            counts = load_counts(path)
            self.check_layout(path, counts)
            self.runs[path, beyond] = self.resample(counts, beyond)
        return self.runs[path, beyond]

    def check_layout(self, path: Path, counts: Mapping[str, np.ndarray]) -> None:
        """Raise UserError when a file is of other scales, images or classes than the first one."""
        layout = {key: counts[key] for key in ("scale", "height", "width", "classes")} | {"counts": counts["tp"].shape}
        self.layout = self.layout or layout
        if not all(np.array_equal(self.layout[key], layout[key]) for key in layout):
            raise UserError(f"{path}: other scales, images or classes than another run's; evaluate both again")
        self.images = counts["tp"].shape[1]

    def resample(self, counts: Mapping[str, np.ndarray], beyond: float = SEEN) -> ResampledRun:
        """Return the metric of a run on all images, and on each draw: sums of counts are a product of matrices."""
        at_one = np.abs(counts["scale"] - 1).argmin()
        ratios = [counts[side] / counts[side][at_one] for side in ("height", "width")]
        chosen, weights = unseen_scales(np.sqrt(ratios[0] * ratios[1]), beyond)  # of squares, exactly either ratio
        tp = counts["tp"][chosen].swapaxes(0, 1)  # (N, K, C)
        union = tp + (counts["fp"] + counts["fn"])[chosen].swapaxes(0, 1)
        classes = [str(name) for name in counts["classes"]]

        def score(tp: np.ndarray, union: np.ndarray) -> np.ndarray:
            """(…, K, C) → (…): the mean of the metric over the scales; NaN where a scale has none."""
            return self.metric(tp, union, classes) @ weights

        def drawn(x: np.ndarray) -> np.ndarray:
            """(N, K, C) → (B, K, C): summed over the images of each draw."""
            flat = x.reshape(len(x), -1).astype(np.float32)  # 7 digits are plenty for an interval
            return (self.draws @ flat).reshape(-1, *x.shape[1:])

        return ResampledRun(float(score(tp.sum(0), union.sum(0))), score(drawn(tp), drawn(union)))

    @cached_property
    def draws(self) -> np.ndarray:
        """How often each draw takes each image, (B, N) float32."""
        rng = np.random.default_rng(SEED)
        n = self.images
        drawn = np.empty((RESAMPLES, n), np.float32)
        for row in drawn:
            row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
        return drawn


def load_counts(path: Path) -> dict[str, np.ndarray]:
    """Read counts per image: scale, height, width (K,), classes (C,), tp, fp, fn (K, N, C) int64."""
    try:
        # opened here: numpy leaves a damaged file open
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            layout = {key: file[key] for key in ("scale", "height", "width", "classes")}
            return layout | {key: file[key].astype(np.int64) for key in ("tp", "fp", "fn")}  # they may be kept narrow
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run the evaluation") from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"{path}: not a whole file of counts ({error}); delete it and run the evaluation") from error


def compare(better: Sequence[ResampledRun], worse: Sequence[ResampledRun], images: int) -> dict[str, float | str]:
    """Return estimate, low, high and verdict of two networks' runs, seed by seed."""
    differences = np.array([a.metric - b.metric for a, b in zip(better, worse, strict=True)])  # (S,)
    resampled = np.stack([a.resampled - b.resampled for a, b in zip(better, worse, strict=True)])  # (S, B)
    low, high = interval(differences, resampled, images)
    return {"estimate": differences.mean(), "low": low, "high": high, "verdict": verdict(low, high)}


def interval(differences: np.ndarray, resampled: np.ndarray, images: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean difference over seeds.

    differences: of each seed on the test images, (S,); resampled: the same on each draw of images, (S, B). Draws
    without any pixel of the metric's class do not count; a test set without any has no interval: NaN.
    """
    if np.isnan(differences).any():
        return float("nan"), float("nan")
    seeds, draws = resampled.shape
    centre = resampled.mean(0)  # the seeds as they are
    means = centre
    if seeds > 1:
        rng = np.random.default_rng([SEED, seeds])
        drawn = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws).T / seeds  # (S, B)
        means = centre + np.sqrt(seeds / (seeds - 1)) * (drawn * (resampled - centre)).sum(0)
    quantiles = np.nanquantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    estimate = differences.mean()
    low, high = estimate + stretch(differences, centre, images) * (quantiles - estimate)
    return float(low), float(high)


def stretch(differences: np.ndarray, centre: np.ndarray, images: int) -> float:
    """Return Student's t over the normal quantile, for the degrees of freedom that seeds and images give together."""
    seeds = len(differences)
    of_seeds = differences.var(ddof=1) / seeds if seeds > 1 else 0.0
    of_images = np.nanvar(centre)
    if of_seeds + of_images == 0:  # two equal networks
        return 1.0
    weights = of_seeds**2 / max(seeds - 1, 1) + of_images**2 / max(images - 1, 1)
    freedom = (of_seeds + of_images) ** 2 / weights
    return stdtrit(freedom, (1 + LEVEL) / 2) / ndtri((1 + LEVEL) / 2)


def verdict(low: float, high: float) -> str:
    """Return what an interval says of the claim that the difference is positive."""
    if low > 0:
        return SUPPORTED
    return CONTRADICTED if high < 0 else UNDECIDED
