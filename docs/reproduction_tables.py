"""Lines of the tables of docs/reproduction.md: scores, claims of one run, cut images; see `reproduction`."""

import math
from collections.abc import Iterator, Mapping

import pandas as pd
from scipy.special import stdtrit

BOUND = "unet-known"  # is told the scale, so it is no rival


def score_table(rows: pd.DataFrame) -> Iterator[str]:
    """Yield a line per model: the mean over seeds at each true scale, in bold the best, and the largest deviation."""
    order = dict.fromkeys(rows["model"])
    label = dict(zip(rows["model"], rows["label"], strict=True))
    iou = rows.groupby(["model", "true_scale"])["iou"]
    means, deviations = iou.mean().unstack().loc[list(order)], iou.std().unstack()
    seeds = rows.groupby("model")["seed"].nunique()
    best = means.drop(index=BOUND, errors="ignore").round(3).max()
    yield f"| | {' | '.join(f'×{scale:.3g}' for scale in means)} | s.d. up to | seeds |"
    yield "|---" * (len(means.columns) + 3) + "|"
    for model, values in means.iterrows():
        cells = [digits(value, round(value, 3) == best[scale] and model != BOUND) for scale, value in values.items()]
        largest = digits(deviations.loc[model].max()) if seeds[model] > 1 else ""
        yield f"| {label[model]} | {' | '.join(cells)} | {largest} | {seeds[model]} |"


def claim_table(claims: pd.DataFrame) -> Iterator[str]:
    """Yield a line per claim of three seeds or more: difference over the unseen scales, 95 % interval, verdict."""
    yield "| claim | difference | 95 % interval | verdict | seeds |"
    yield "|---|---|---|---|---|"
    for row in claims[claims["seeds"] > 2].itertuples():
        verdict = f"**{row.verdict}**" if row.verdict != "undecided" else row.verdict
        interval = f"{signed(row.low)} to {signed(row.high)}"
        yield f"| {row.claim} | {signed(row.estimate)} | {interval} | {verdict} | {row.seeds} |"


def crop_table(crops: pd.DataFrame, label: Mapping[str, str]) -> Iterator[str]:
    """Yield a line per model: on each data set the mean share of pixels that keep their class in a cut image."""
    means = crops.groupby(["model", "dataset"], sort=False)["consistency"].mean().unstack(sort=False)
    yield f"| | {' | '.join(means)} |"
    yield "|---" * (len(means.columns) + 1) + "|"
    for model, values in means.iterrows():
        yield f"| {label[model]} | {' | '.join(digits(value) for value in values)} |"


def coverage_table(coverage: pd.DataFrame) -> Iterator[str]:
    """Yield a line per spread of the seeds and number of images: how often both intervals hold the truth."""
    seeds = list(coverage["seeds"].unique())
    yield f"| spread of seeds | images | {' | '.join(f'{count} seeds' for count in seeds)} |"
    yield "|---" * (len(seeds) + 2) + "|"
    for (spread, images), rows in coverage.groupby(["of_seeds", "images"], sort=False):
        both = rows.set_index("seeds")[["over_seeds_and_images", "over_seeds"]].loc[seeds]
        yield f"| {spread} | {images} | {' | '.join(f'{a:.0%} ({b:.0%})' for a, b in both.to_numpy())} |"


def digits(value: float, bold: bool = False) -> str:
    """Return three decimals without a leading zero, nothing for what is missing."""
    if pd.isna(value):
        return ""
    text = f"{value:.3f}".replace("0.", ".", 1)
    return f"**{text}**" if bold else text


def signed(value: float) -> str:
    """Return three decimals with a sign."""
    return ("+" if value >= 0 else "−") + digits(abs(value))


def half_width(values: pd.Series) -> float:
    """Return half the 95 % interval of a mean over seeds, by Student's t; not a number for one seed."""
    count = len(values)
    return float(stdtrit(count - 1, 0.975) * values.std() / math.sqrt(count)) if count > 1 else math.nan
