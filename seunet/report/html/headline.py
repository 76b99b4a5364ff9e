"""The headline of the report: sentences, made from the table of scores, about which network is best at which scale."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from seunet.report.tables import with_true_scale
from seunet.settings.scales import SEEN

TIE = 0.005  # networks whose metric differs less than this from the best one count as best
MOST_STRETCHES = 3  # of scales, that a sentence names one by one
COLUMNS = 7  # scales in the table, at most


@dataclass(frozen=True)
class Headline:
    """Sentences about one data set, and the scores of each model at a few scales."""

    dataset: str
    sentences: list[str]
    scales: list[str]
    rows: list[tuple[str, list[str], list[bool]]]  # label, scores, at which scales it is among the best


def headlines(scores: pd.DataFrame, bounds: Collection[str] = ()) -> list[Headline]:
    """Return the headline of every data set of the table `scores.csv`; models in `bounds` compete with no other."""
    table = with_true_scale(scores)
    labels = dict(zip(table["model"], table["label"], strict=True))
    return [headline(name, rows, labels, bounds) for name, rows in table.groupby("dataset", sort=False)]


def headline(dataset: str, table: pd.DataFrame, labels: dict[str, str], bounds: Collection[str]) -> Headline:
    """Return the headline of one data set, from its rows with true scales."""
    means = table.groupby(["true_scale", "model"], sort=False)["iou"].mean().unstack().sort_index()
    means = means[[model for model in labels if model in means]]  # in the order of the configuration
    competing = means[[model for model in means if model not in bounds]].dropna(how="all").dropna(axis=1, how="all")
    sentences = ["No network has a score."]
    if competing.size:
        sentences = [*ranking_sentences(competing, labels), seeds_sentence(table)]
    shown = spread(means.index.to_numpy())
    best = competing.max(axis=1).reindex(means.index)
    rows = []
    for model in means:
        values = means[model].loc[shown]
        winning = [model in competing and value > best[scale] - TIE for scale, value in values.items()]
        rows.append((labels[model], ["–" if pd.isna(value) else f"{value:.3f}" for value in values], winning))
    return Headline(dataset, sentences, [factor(scale) for scale in shown], rows)


def ranking_sentences(means: pd.DataFrame, labels: dict[str, str]) -> list[str]:
    """Return sentences about who is best: rows are scales in order, columns models."""
    winners = pd.Series([tuple(means.columns[row > row.max() - TIE]) for _, row in means.iterrows()], means.index)
    seen = means.index[(means.index < SEEN) & (means.index > 1 / SEEN)]
    if seen.empty:
        return ["No network has a score at the scale of training."]
    at_one = min(seen, key=lambda scale: abs(scale - 1))
    if means.shape[1] == 1:
        lowest = means.iloc[:, 0].idxmin()
        return [
            f"Only {labels[means.columns[0]]} was tested: {means.iloc[:, 0][at_one]:.2f} at the scale of training, "
            f"at worst {means.iloc[:, 0][lowest]:.2f} at {factor(lowest)}."
        ]
    if winners.nunique() == 1 and len(winners) > 1:
        return [f"{named(winners.iloc[0], labels)} at every scale, {span(means.index)}."]
    sentences = [f"At the scale of training {named(winners[at_one], labels)} ({means.loc[at_one].max():.2f})."]
    for side, place in (("smaller", means.index <= 1 / SEEN), ("larger", means.index >= SEEN)):
        if place.any():
            sentences.append(f"On {side} images {stretches(winners[place], labels)}.")
    return sentences


def stretches(winners: pd.Series, labels: dict[str, str]) -> str:
    """Return who is best over which scales of one side: neighbouring scales with the same winners together."""
    groups = groupby(winners.items(), lambda item: item[1])
    found = [(models, [scale for scale, _ in group]) for models, group in groups]
    if len(found) <= MOST_STRETCHES:
        return "; ".join(f"{named(models, labels)} {span(scales)}" for models, scales in found)
    counts = winners.explode().value_counts()
    parts = [f"{labels[model]} at {count}" for model, count in counts.items()]
    return f"the lead changes: of {len(winners)} scales, {', '.join(parts)} (ties count for each)"


def named(models: tuple[str, ...], labels: dict[str, str]) -> str:
    """Return "A is best", or "A and B are best, less than … apart"."""
    names = [labels[model] for model in models]
    if len(names) == 1:
        return f"{names[0]} is best"
    return f"{', '.join(names[:-1])} and {names[-1]} are best, less than {TIE:g} apart"


def span(scales: list[float] | pd.Index) -> str:
    """Return "at ×2" or "from ×2 to ×4"."""
    first, last = factor(scales[0]), factor(scales[-1])
    return f"at {first}" if first == last else f"from {first} to {last}"


def factor(scale: float) -> str:
    """Return a scale as ×0.25."""
    return f"×{scale:.3g}"


def seeds_sentence(table: pd.DataFrame) -> str:
    """Return a sentence with the number of trainings per network."""
    seeds = sorted(set(table.groupby("model")["seed"].nunique()))
    if seeds == [1]:
        return "One training per network: small differences may be luck."
    return f"Means of {seeds[0]} trainings." if len(seeds) == 1 else f"Means of {seeds[0]} to {seeds[-1]} trainings."


def spread(scales: np.ndarray) -> list[float]:
    """Return at most COLUMNS of the scales: those nearest to whole octaves, then those farthest from any of these."""
    logs = np.log2(scales)
    octaves = np.arange(np.rint(logs.min()), np.rint(logs.max()) + 1)
    chosen = list(dict.fromkeys(int(np.abs(logs - octave).argmin()) for octave in octaves))
    chosen = sorted(chosen, key=lambda i: abs(logs[i]))[:COLUMNS]
    while len(chosen) < min(COLUMNS, len(scales)):
        chosen.append(int(np.abs(logs[:, None] - logs[chosen]).min(1).argmax()))
    return [scales[i] for i in sorted(chosen)]
