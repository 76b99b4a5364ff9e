"""Write the tables of docs/reproduction.md from docs/reproduction/*.csv: python docs/reproduction.py, from the root.

python docs/reproduction.py RESULTS first adds a finished run: its tables to those of earlier runs, record and figures.
What several runs measured must be the same but for rounding: runs on machines of another kind take other seeds.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import yaml
from reproduction_claims import PUBLISHED, Evidence, claim_lines
from reproduction_tables import BOUND, claim_table, coverage_table, crop_table, score_table
from reproduction_targets import target_table
from snakemake.utils import update_config

from seunet.config.parameters import styles
from seunet.config.reading import read
from seunet.report.claims import load_counts
from seunet.report.figures import draw_iou, draw_scales, style
from seunet.report.figures.axes import draw_band, mark_training, scale_axis
from seunet.report.tables import with_true_scale
from seunet.runtime.files import atomic
from seunet.runtime.tables import read_table, write_table
from seunet.settings.configuration import Configuration

HERE = Path(__file__).parent
PAGE, TABLES, FIGURES = HERE / "reproduction.md", HERE / "reproduction", HERE / "figures"
COUNTS = TABLES / "counts"  # per image: {dataset}/{model}/seed{seed}.npz, of the runs since they are kept
SHOWN = (
    "unet",
    "unet-one-factor",
    "unet-jitter2",
    "unet-down-octaves-information",
    "seunet-windows",
    "seunet-windows-jitter1.4",
    "windows-region",
    BOUND,
)
ANSWER = ("unet", "unet-one-factor", "unet-jitter2", PUBLISHED, "seunet-windows-jitter1.4")  # first figure
TITLES = {"reef": "Generated scenes, mean IoU", "pet": "Pet, mean IoU", "hela": "HeLa, IoU of the cells"}
ROUNDING = 1e-5  # of a metric, or share of a count: batch norm is folded into convolutions since half of these runs
DIGITS = 6
KEYS = {
    "scores": ["dataset", "model", "seed", "scale"],
    "windows": ["dataset", "model", "seed", "scale", "window"],
    "crops": ["dataset", "model", "seed", "height", "width"],
}


def add(results: Path) -> None:
    """Add what the page shows of a finished run."""
    for name, key in KEYS.items():
        write(name, joined(*both(name, results), key))
    if (results / "tables" / "claims.csv").exists():  # a run with one network of each pair alone has none
        write("claims", decided(*both("claims", results)))
    keep_counts(results / "scores")
    keep_record(json.loads((results / "run.json").read_text(encoding="utf-8")))
    draw()


def both(name: str, results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table of the page and that of a run."""
    return read_table(TABLES / f"{name}.csv"), read_table(results / "tables" / f"{name}.csv")


def write(name: str, table: pd.DataFrame) -> None:
    """Write a table of the page; that of cut images is long: labels stand with the scores, and few digits do."""
    if name == "crops":
        table = table.drop(columns="label", errors="ignore").round({"consistency": DIGITS})
    write_table(table, TABLES / f"{name}.csv")


def joined(old: pd.DataFrame, new: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return the rows of both tables, each once, the older one; a row that both have with other values is an error."""
    both = old.merge(new, on=key, suffixes=("", " again"))
    measured = [name for name in old.select_dtypes("number") if name not in key]
    first, again = both[measured], both[[f"{name} again" for name in measured]].set_axis(measured, axis=1)
    apart = both[((first - again).abs() > ROUNDING).any(axis=1)]
    if len(apart):
        raise SystemExit(f"{len(apart)} rows differ from those of an earlier run, such as\n{apart[:1]}")
    return pd.concat([old, new]).drop_duplicates(key)


def decided(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return every claim on every data set once, of the run with more seeds, of two the later one."""
    rows = pd.concat([old, new]).sort_values("seeds", kind="stable").drop_duplicates(["claim", "dataset"], keep="last")
    order = list(dict.fromkeys([*old["claim"], *new["claim"]]))
    return rows.sort_values("claim", key=lambda names: names.map(order.index), kind="stable")


def keep_counts(scores: Path) -> None:
    """Keep the counts per image of every run below a folder; what was kept before must be the same."""
    for file in sorted(scores.glob("*/*/seed*.npz")):
        kept, counts = COUNTS / file.relative_to(scores), load_counts(file)
        other = next(kept.parents[1].glob("*/*.npz"), file)
        if not np.array_equal(pixels(counts), pixels(load_counts(other))):
            raise SystemExit(f"{file}: of other test images, scales or classes than {other}")
        if not kept.exists():
            with atomic(kept) as temporary:
                np.savez_compressed(temporary, **{key: narrow(values) for key, values in counts.items()})
        elif any(not np.array_equal(values, load_counts(kept)[key]) for key, values in counts.items()):
            raise SystemExit(f"{file}: other counts than those that an earlier run left in {kept}")


def pixels(counts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return how many pixels the masks give to each class, (scales, images, classes): the same for every network."""
    return counts["tp"] + counts["fn"]


def narrow(values: np.ndarray) -> np.ndarray:
    """Return whole numbers in as few bytes as they need, others as they are."""
    return values.astype(np.min_scalar_type(values.max())) if values.dtype.kind == "i" else values


def keep_record(record: dict[str, Any]) -> None:
    """Write a run's record as run.json; the one before keeps its commit in its name."""
    path = TABLES / "run.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    if before["commit"] != record["commit"]:
        path.rename(TABLES / f"run-{before['commit'][:7]}.json")
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def evidence(*overlays: str) -> Configuration:
    """Return the configuration of the evidence, with other files of config/ laid over it."""
    mapping: dict[str, Any] = {}
    for file in ("config", "laptop", "evidence", *overlays):
        update_config(mapping, yaml.safe_load((HERE.parent / "config" / f"{file}.yaml").read_text(encoding="utf-8")))
    return read(mapping)


def draw() -> None:
    """Draw the metric of some models, and the windows on HeLa; the figures of the workflow have all."""
    config = evidence()
    looks = styles(config)
    scores, windows = (read_table(TABLES / f"{name}.csv") for name in ("scores", "windows"))
    draw_answer(with_true_scale(scores), style.model_styles(looks), FIGURES / "reproduction.png")
    with TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        for name, rows in scores.groupby("dataset", sort=False):
            rows[rows["model"].isin((*SHOWN, PUBLISHED))].to_csv(table, index=False)
            dataset, paths = config.datasets[name], [FIGURES / f"reproduction_{name}_iou.png"]
            draw_iou(table, name, looks, dataset.metric.written(), paths, ceiling=dataset.ceiling)
        windows[windows["model"].isin(SHOWN)].to_csv(table, index=False)
        metric = config.datasets["hela"].metric.written()
        draw_scales(table, "hela", looks, metric, [FIGURES / "reproduction_hela_scales.png"])


def draw_answer(scores: pd.DataFrame, styles: dict[str, style.ModelStyle], path: Path) -> None:
    """Draw the metric of few models against the true scale, a panel for each data set."""
    with matplotlib.rc_context(style.RC):
        figure = style.new_figure(style.PAGE, 2.2)
        for axes, (dataset, title) in zip(figure.subplots(1, len(TITLES)), TITLES.items(), strict=True):
            rows = scores[scores["dataset"] == dataset]
            for model in ANSWER:
                draw_band(axes, rows[rows["model"] == model], "true_scale", "iou", styles[model].line)
            axes.set_title(title, loc="left")
            mark_training(axes)
            scale_axis(axes, rows["true_scale"])
            axes.set_ylim(0, 1)
        lines = figure.axes[0].get_lines()[: len(ANSWER)]
        style.legend_below(figure, lines, "Scale of the test images. Line: mean of the seeds; band: minimum to maximum")
        style.save(figure, [path], "Who keeps its score when the scale changes")


def written(text: str) -> str:
    """Return the text of the page with its tables written anew, each between two marks."""
    scores, claims = with_true_scale(read_table(TABLES / "scores.csv")), read_table(TABLES / "claims.csv")
    crops = read_table(TABLES / "crops.csv")
    for dataset, rows in scores.groupby("dataset", sort=False):
        text = replaced(text, f"scores of {dataset}", score_table(rows))
        text = replaced(text, f"claims on {dataset}", claim_table(claims[claims["dataset"] == dataset]))
    text = replaced(text, "targets", target_table(scores))
    text = replaced(text, "coverage", coverage_table(read_table(HERE / "scores" / "coverage.csv")))
    over_all = claim_lines(Evidence(scores, claims, COUNTS, evidence()))
    text = replaced(text, "claims over all trainings", over_all)
    return replaced(text, "crops", crop_table(crops, dict(zip(scores["model"], scores["label"], strict=True))))


def replaced(text: str, name: str, lines: Iterator[str]) -> str:
    """Return the text with the lines between the marks of this name, where it has them."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    new = "\n".join([begin, *lines, end])
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda match: new, text, flags=re.DOTALL)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        add(Path(sys.argv[1]))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
