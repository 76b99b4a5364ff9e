"""Tables of results: the only place where counts become ratios.

Score files hold counts (true and false positives, false negatives) summed over the test images. Here they
become IoU = tp / (tp + fp + fn) per class, the data set's metric, and the consistency with scale 1.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seunet.experiment.degenerate import Fault, warnings_of
from seunet.runtime.errors import UserError
from seunet.runtime.tables import read_table, write_table
from seunet.settings.metric import COUNTS, Metric
from seunet.settings.scales import SEEN

RUN = ["dataset", "model", "seed"]
SIZE = ["scale", "height", "width"]
HISTORY = ["epoch", "loss", "val_loss", "val_metric", "learning_rate", "seconds", "images_per_second"]
HISTORY += ["peak_memory_mb"]

SCORES_COLUMNS = ["dataset", "model", "label", "seed", *SIZE, "iou", "consistency"]
CLASS_IOU_COLUMNS = ["dataset", "model", "label", "seed", *SIZE, "class", "iou"]
HISTORY_COLUMNS = ["dataset", "model", "label", "seed", *HISTORY]
EQUIVARIANCE_COLUMNS = ["dataset", "model", "label", "seed", "scale", "stage", "position", "error"]
CROPS_COLUMNS = ["dataset", "model", "label", "seed", "height", "width", "consistency"]
WINDOWS_COLUMNS = ["dataset", "model", "label", "seed", *SIZE, "window", "iou", "chosen"]
MISSING_COLUMNS = ["dataset", "model", "seed", "missing", "log"]
WARNINGS_COLUMNS = ["dataset", "model", "seed", "warning"]

Metrics = Mapping[str, Any]  # data set: its metric, as Metric.parse takes it


def collect_scores(
    score_files: Iterable[Path | str],
    labels: Mapping[str, str],
    metrics: Metrics,
    scores_path: Path | str,
    class_iou_path: Path | str,
) -> None:
    """Write one row per run and scale (`scores_path`), and one per run, scale and class (`class_iou_path`).

    `labels` gives the printed name of each model, `metrics` the metric of each data set, see
    `seunet.settings.metric`. A class absent from target and prediction has no IoU (an empty cell) and is left out
    of the mean. Rows are sorted by data set, model (both in the order of the files), seed and scale. Raises
    UserError when a file is missing, empty, lacks a column or repeats a row, and for an unknown model or
    metric.
    """
    counts = add_labels(read_counts(score_files), labels)
    if (repeated := counts.duplicated([*RUN, "scale", "class"])).any():
        row = counts[repeated].iloc[0]
        run = f"{row['dataset']}/{row['model']}/seed{row['seed']}"
        raise UserError(f"score files: {run} has two rows for scale {row['scale']} and class '{row['class']}'")
    scores = [score_rows(rows, name, metrics) for name, rows in counts.groupby("dataset", sort=False)]
    write_table(pd.concat(scores)[SCORES_COLUMNS], scores_path)
    write_table(counts[CLASS_IOU_COLUMNS], class_iou_path)


def read_counts(score_files: Iterable[Path | str]) -> pd.DataFrame:
    """Return the rows of all score files, with the IoU of each class."""
    columns = [*RUN, *SIZE, "class", *COUNTS]
    counts = concatenate([read_table(path, columns) for path in score_files], "score files")
    counts["iou"] = counts["tp"] / (counts["tp"] + counts["fp"] + counts["fn"])  # 0 / 0 is NaN: an absent class
    return counts


def collect_warnings(score_files: Iterable[Path | str], metrics: Metrics, path: Path | str) -> None:
    """Write one row per run and fault of its predictions at scale 1, and print each; often the table has no row.

    Arguments as `collect_scores`; the faults are those of `seunet.experiment.degenerate`.
    """
    counts = read_counts(score_files)
    counts = counts[(counts["scale"] - 1).abs() < 1e-6]
    rows = []
    for (dataset, model, seed), run in counts.groupby(RUN, sort=False):
        for warning in faults_of(run, dataset, metrics):
            rows.append((dataset, model, seed, str(warning)))
            print(f"warning: {dataset}/{model}/seed{seed} {warning}", file=sys.stderr)
    write_table(pd.DataFrame(rows, columns=WARNINGS_COLUMNS), path)


def faults_of(at_one: pd.DataFrame, dataset: str, metrics: Metrics) -> list[Fault]:
    """Return the faults of one run's predictions, from its counts per class at scale 1 (`read_counts`)."""
    metric = score_rows(at_one.assign(label=""), dataset, metrics)["iou"].iloc[0]
    tp, fp, fn = (at_one[name] for name in ("tp", "fp", "fn"))
    return warnings_of(list(at_one["class"]), list(tp + fp), list(tp + fn), metric)


def write_missing(runs: Iterable[Mapping[str, Any]], path: Path | str) -> None:
    """Write one row per run that the other tables leave out: its first file that is not there, and the job's log."""
    write_table(pd.DataFrame(list(runs), columns=MISSING_COLUMNS), path)


def score_rows(counts: pd.DataFrame, dataset: str, metrics: Metrics) -> pd.DataFrame:
    """Return metric and consistency of every run and scale of one data set from its rows per class."""
    per_scale = ["dataset", "model", "label", "seed", *SIZE]
    scored = with_metric(counts, dataset, metrics)
    # The mean skips NaN: classes that are in neither target nor prediction.
    iou = scored.groupby(per_scale, sort=False)["iou"].mean()
    pixels = counts.groupby(per_scale, sort=False)[["consistent_pixels", "pixels"]].sum()
    consistency = pixels["consistent_pixels"] / pixels["pixels"]
    return pd.DataFrame({"iou": iou, "consistency": consistency}).reindex(pixels.index).reset_index()


def with_metric(counts: pd.DataFrame, dataset: str, metrics: Metrics) -> pd.DataFrame:
    """Return the rows of the classes that the metric of a data set averages, with their ratio as `iou`.

    Raises UserError for a bad metric, and for a class without rows.
    """
    try:
        metric = Metric.parse(metrics.get(dataset))
        classes = list(counts["class"].unique())
        chosen = [classes[place] for place in metric.chosen(classes)]
    except UserError as error:
        raise UserError(f"scores of {dataset}: {error}") from error
    scored = counts[counts["class"].isin(chosen)]
    return scored.assign(iou=metric.of_class(scored["tp"], scored["tp"] + scored["fp"] + scored["fn"]))


def collect_history(history_files: Iterable[Path | str], labels: Mapping[str, str], history_path: Path | str) -> None:
    """Write the training histories of all runs into one table, one row per run and epoch.

    The files are `…/{dataset}/{model}/seed{seed}/history.csv`: what a run is called is read from its folders.
    Raises UserError when a file is missing, empty or lacks a column, and for an unknown model.
    """
    histories = []
    for path in map(Path, history_files):
        dataset, model, seed = path.parts[-4:-1] if len(path.parts) >= 4 else ("", "", "")
        if not seed.removeprefix("seed").isdecimal():
            raise UserError(f"{path}: expected …/dataset/model/seedN/history.csv; move the file there")
        run = {"dataset": dataset, "model": model, "seed": int(seed.removeprefix("seed"))}
        histories.append(read_table(path, HISTORY).assign(**run))
    if not histories:  # all weights are given, and nothing is trained
        return write_table(pd.DataFrame(columns=HISTORY_COLUMNS), history_path)
    return write_table(add_labels(concatenate(histories, "histories"), labels)[HISTORY_COLUMNS], history_path)


def collect_equivariance(files: Iterable[Path | str], labels: Mapping[str, str], path: Path | str) -> None:
    """Write the errors of all runs into one table, one row per run, scale and stage; `position` is the stage's place.

    Raises UserError when a file is missing, empty or lacks a column, and for an unknown model.
    """
    errors = concatenate([read_table(file, [*RUN, "scale", "stage", "error"]) for file in files], "equivariance files")
    errors["position"] = errors.groupby([*RUN, "scale"]).cumcount()
    write_table(add_labels(errors, labels)[EQUIVARIANCE_COLUMNS], path)


def collect_crops(files: Iterable[Path | str], labels: Mapping[str, str], path: Path | str) -> None:
    """Write the crop consistency of all runs into one table, one row per run and size to which images were cut.

    A network that takes no other size than the image's has no row. Raises UserError as `collect_scores`.
    """
    columns = [*RUN, "height", "width", "kept_pixels", "pixels"]
    crops = pd.concat([read_table(file, columns, empty=True) for file in files], ignore_index=True)
    crops["consistency"] = crops["kept_pixels"] / crops["pixels"]
    write_table(add_labels(crops, labels)[CROPS_COLUMNS], path)


def collect_windows(files: Iterable[Path | str], labels: Mapping[str, str], metrics: Metrics, path: Path | str) -> None:
    """Write the metric of every window of scales, one row per run, scale and window; `chosen`: share of the images.

    A network without windows has no row. Raises UserError as `collect_scores`.
    """
    columns = [*RUN, *SIZE, "window", "class", "tp", "fp", "fn", "chosen", "images"]
    counts = add_labels(pd.concat([read_table(file, columns, empty=True) for file in files]), labels)
    counts["chosen"] /= counts["images"]
    per_window = ["dataset", "model", "label", "seed", *SIZE, "window", "chosen"]
    scored = [pd.DataFrame(columns=WINDOWS_COLUMNS)] * counts.empty
    for name, rows in counts.groupby("dataset", sort=False):
        groups = with_metric(rows, name, metrics).groupby(per_window, sort=False, dropna=False)
        scored.append(groups["iou"].mean().reset_index())
    write_table(pd.concat(scored)[WINDOWS_COLUMNS], path)


def with_true_scale(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores with `true_scale`, the size against that at scale 1, one row per run and true scale.

    Sizes are rounded down to a multiple of what the networks need, so the true scale differs from the nominal
    one, and several nominal scales may be the same test: the one nearest to its true scale is kept. `scores`
    needs the columns dataset, model, seed, scale, height and width; the rows of a class or window, where there is
    such a column, are kept apart. Raises UserError when a data set was not tested at scale 1.
    """
    at_one = scores[(scores["scale"] - 1).abs() < 1e-6]
    own = at_one.drop_duplicates("dataset").set_index("dataset")
    if untested := sorted(set(scores["dataset"]) - set(own.index)):
        raise UserError(f"scores of {untested[0]}: nothing at scale 1; add 1 to the data set's test_scales")
    ratios = [scores[side] / scores["dataset"].map(own[side]) for side in ("height", "width")]
    scores = scores.assign(true_scale=np.sqrt(ratios[0] * ratios[1]))  # of squares, exactly either ratio
    scores["rounding"] = (scores["scale"] - scores["true_scale"]).abs()
    key = [*RUN, "true_scale", *({"class", "window"} & set(scores.columns))]
    kept = scores.sort_values("rounding", kind="stable").drop_duplicates(key)
    return kept.drop(columns="rounding").sort_index()


def unseen_scales(true_scales: np.ndarray, beyond: float = SEEN) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the true scales (K,) are unseen, each once, as indices, and their weights in a mean.

    Unseen are those further from 1 than the factor `beyond`. Each octave counts alike: a scale has the width, on a
    logarithmic axis, of what lies nearer to it than to its neighbours; the outermost ones reach out as far as in.
    Equal steps have equal weights.
    """
    unique, first = np.unique(true_scales, return_index=True)
    octaves = np.log2(unique)
    unseen = np.abs(octaves) > np.log2(beyond)
    if not unseen.any() or len(unique) == 1:
        return first[unseen], np.ones(unseen.sum())
    widths = np.gradient(octaves)[unseen]
    return first[unseen], widths / widths.sum()


def concatenate(tables: list[pd.DataFrame], what: str) -> pd.DataFrame:
    """Return the tables as one; raise UserError when there is none."""
    if not tables:
        raise UserError(f"{what}: none given; list at least one run in the configuration")
    return pd.concat(tables, ignore_index=True)


def add_labels(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return the table with labels, sorted by data set and model (as they appear), seed, scale or epoch."""
    if unknown := sorted(set(table["model"]) - set(labels)):
        raise UserError(f"model '{unknown[0]}': no label; expected one of {', '.join(labels)}")
    table = table.assign(label=table["model"].map(dict(labels)))
    order = {name: table[name].map({v: i for i, v in enumerate(table[name].unique())}) for name in RUN[:2]}
    order |= {name: table[name] for name in ("seed", "scale", "epoch") if name in table}
    rank = pd.DataFrame(order).reset_index(drop=True).sort_values(list(order), kind="stable").index
    return table.iloc[rank].reset_index(drop=True)
