"""Write the tables of docs/reproduction.md from docs/reproduction/*.csv: python docs/reproduction.py, from the root.

python docs/reproduction.py RESULTS first adds a finished run: its tables to those of earlier runs, record and figures.
What several runs measured must be the same to twelve decimals: runs on machines of another kind take other seeds.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import yaml
from scipy.special import stdtrit
from snakemake.utils import update_config

from seunet.config.reading import read
from seunet.report.figures import draw_iou, draw_scales
from seunet.report.tables import unseen_scales, with_true_scale
from seunet.runtime.tables import read_table, write_table
from seunet.settings.scales import SEEN

HERE = Path(__file__).parent
PAGE, TABLES, FIGURES = HERE / "reproduction.md", HERE / "reproduction", HERE / "figures"
BOUND = "unet-known"  # is told the scale, so it is no rival
PUBLISHED = "seunet"
SHOWN = ("unet", "unet-jitter2", "unet-down-octaves-information", "seunet-windows", "seunet-windows-jitter1.4", BOUND)
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
    keep_record(json.loads((results / "run.json").read_text(encoding="utf-8")))
    draw()


def both(name: str, results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table of the page and that of a run."""
    return read_table(TABLES / f"{name}.csv"), read_table(results / "tables" / f"{name}.csv")


def write(name: str, table: pd.DataFrame) -> None:
    """Write a table of the page."""
    write_table(table, TABLES / f"{name}.csv")


def joined(old: pd.DataFrame, new: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Return the rows of both tables, each once; a row that both have with other values is an error.

    Twelve decimals are compared: tables that were read and written before have lost a bit of some numbers.
    """
    rows = pd.concat([old, new])
    rows = rows[~rows.round(12).duplicated()]
    twice = rows[rows.duplicated(key, keep=False)]
    if len(twice):
        example = twice.sort_values(key)[:2]
        raise SystemExit(f"{len(twice) // 2} rows differ from those of an earlier run, such as\n{example}")
    return rows


def decided(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return every claim on every data set once, of the run with more seeds, of two the later one."""
    rows = pd.concat([old, new]).sort_values("seeds", kind="stable").drop_duplicates(["claim", "dataset"], keep="last")
    order = list(dict.fromkeys([*old["claim"], *new["claim"]]))
    return rows.sort_values("claim", key=lambda names: names.map(order.index), kind="stable")


def keep_record(record: dict[str, Any]) -> None:
    """Write a run's record as run.json; the one before keeps its commit in its name."""
    path = TABLES / "run.json"
    before = json.loads(path.read_text(encoding="utf-8"))
    if before["commit"] != record["commit"]:
        path.rename(TABLES / f"run-{before['commit'][:7]}.json")
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def draw() -> None:
    """Draw the metric of some models, and the windows on HeLa; the figures of the workflow have all."""
    mapping: dict[str, Any] = {}
    for file in ("config", "laptop", "evidence"):
        update_config(mapping, yaml.safe_load((HERE.parent / "config" / f"{file}.yaml").read_text(encoding="utf-8")))
    config = read(mapping)
    looks = {
        name: {
            "label": model.label,
            "architecture": model.architecture,
            "scale_jitter": config.models[model.weights_of or name].jitter.strength,
            "rescale": model.rescale,
        }
        for name, model in config.models.items()
    }
    scores, windows = (read_table(TABLES / f"{name}.csv") for name in ("scores", "windows"))
    with TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        for name, rows in scores.groupby("dataset", sort=False):
            rows[rows["model"].isin((*SHOWN, PUBLISHED))].to_csv(table, index=False)
            dataset, paths = config.datasets[name], [FIGURES / f"reproduction_{name}_iou.png"]
            draw_iou(table, name, looks, dataset.metric.written(), paths, ceiling=dataset.ceiling)
        windows[windows["model"].isin(SHOWN)].to_csv(table, index=False)
        metric = config.datasets["hela"].metric.written()
        draw_scales(table, "hela", looks, metric, [FIGURES / "reproduction_hela_scales.png"])


def written(text: str) -> str:
    """Return the text of the page with its tables written anew, each between two marks."""
    scores, claims = with_true_scale(read_table(TABLES / "scores.csv")), read_table(TABLES / "claims.csv")
    crops = read_table(TABLES / "crops.csv")
    for dataset, rows in scores.groupby("dataset", sort=False):
        text = replaced(text, f"scores of {dataset}", score_table(rows))
        text = replaced(text, f"claims on {dataset}", claim_table(claims[claims["dataset"] == dataset]))
    text = replaced(text, "targets", target_table(scores))
    text = replaced(text, "claims over seeds", table_over_seeds(scores))
    return replaced(text, "crops", crop_table(crops))


def replaced(text: str, name: str, lines: Iterator[str]) -> str:
    """Return the text with the lines between the marks of this name, where it has them."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    new = "\n".join([begin, *lines, end])
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda match: new, text, flags=re.DOTALL)


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


def target_table(scores: pd.DataFrame) -> Iterator[str]:
    """Yield a line per target: what is measured, mean over seeds with its 95 % interval, and whether it is met."""
    yield "| data set | what | measured | target | met |"
    yield "|---|---|---|---|---|"
    for dataset, what, measure, target, met in TARGETS:
        values = measure(Runs(scores[scores["dataset"] == dataset]))
        if len(values):
            mean, half = values.mean(), half_width(values)
            shown = f"{signed(mean)} ± {digits(half)}" if len(values) > 1 else f"{signed(mean)} (one seed)"
            verdict = "yes" if met(mean, half) else "**no**"
            yield f"| {dataset} | {what} | {shown.removeprefix('+')} | {target} | {verdict} |"


class Runs:
    """The scores of one data set."""

    def __init__(self, scores: pd.DataFrame):
        self.scores = scores

    def at(self, model: str, scale: float) -> pd.Series:
        """Return the score of each seed at the true scale nearest to a scale."""
        rows = self.scores[self.scores["model"] == model]
        if rows.empty:
            return pd.Series(dtype=float)
        nearest = min(rows["true_scale"].unique(), key=lambda true: abs(math.log2(true / scale)))
        return rows[rows["true_scale"] == nearest].set_index("seed")["iou"]

    def lead(self, model: str, other: str, scale: float) -> pd.Series:
        """Return by how much a model is ahead of another at a scale, of each seed that both have."""
        return (self.at(model, scale) - self.at(other, scale)).dropna()

    def drop(self, model: str, low: float, high: float) -> pd.Series:
        """Return how far each seed's lowest score between two scales lies from its score at scale 1."""
        rows = self.scores[(self.scores["model"] == model) & self.scores["true_scale"].between(low - 0.02, high)]
        return (rows.groupby("seed")["iou"].min() - self.at(model, 1)).dropna()


JITTERED = 2  # the range of jitter 2: scales nearer to 1 than this factor do not count
PLAIN, OCTAVE, JITTER = "seunet-windows", "seunet-windows-jitter1.4", "seunet-windows-jitter2"
DOWN = "seunet-windows-jitter-down"
OVER_SEEDS = [  # claim, the network that it says is better, the other, and the factor from 1 beyond which scales count
    ("(a) SEU-Net beats U-Net", PUBLISHED, "unet", SEEN),
    ("(b) … U-Net, jitter 1.5", PUBLISHED, "unet-jitter1.5", SEEN),
    ("… jitter 2", PUBLISHED, "unet-jitter2", SEEN),
    ("… jitter 4", PUBLISHED, "unet-jitter4", SEEN),
    ("… jitter 2, outside of its range", PUBLISHED, "unet-jitter2", JITTERED),
    ("(c) … SResNet", PUBLISHED, "sresnet", SEEN),
    ("(d) Scale-dropout helps on Pet, not on HeLa", PUBLISHED, "seunet-nodropout", SEEN),
    ("The exact geometry beats the released one", "seunet-exact", PUBLISHED, SEEN),
    ("A pyramid beats dense maps", "seunet-pyramid", "seunet-exact", SEEN),
    ("Border pixels beat zeros, in a pyramid", "seunet-pyramid", "seunet-pyramid-zeros", SEEN),
    ("Windows beat the maximum over four scales", PLAIN, "seunet-pyramid", SEEN),
    ("… the published SEU-Net", PLAIN, PUBLISHED, SEEN),
    ("… SResNet", PLAIN, "sresnet", SEEN),
    ("… U-Net", PLAIN, "unet", SEEN),
    ("… U-Net, jitter 2, outside of its range", PLAIN, "unet-jitter2", JITTERED),
    ("Windows with jitter 2 beat U-Net, jitter 2", JITTER, "unet-jitter2", SEEN),
    ("… trained longer", JITTER, "unet-jitter2-longer", SEEN),
    ("… at three octaves, their mean", JITTER, "unet-octaves", SEEN),
    ("… at its most informative octave", JITTER, "unet-octaves-information", SEEN),
    ("Windows with jitter ×.35 to ×1.4 beat that of U-Net with the same", DOWN, "unet-down-octaves-information", SEEN),
    ("Windows with jitter 1.4 beat that of U-Net, jitter ×.35 to ×1.4", OCTAVE, "unet-down-octaves-information", SEEN),
]


def table_over_seeds(scores: pd.DataFrame) -> Iterator[str]:
    """Yield a line per claim: on each data set the lead over the unseen scales, in bold where its interval has no 0."""
    datasets = dict(list(scores[scores["dataset"] != "hela-gold"].groupby("dataset", sort=False)))
    yield f"| claim | {' | '.join(datasets)} |"
    yield "|---" * (len(datasets) + 1) + "|"
    for claim, better, worse, beyond in OVER_SEEDS:
        leads = [over_unseen(rows, better, beyond) - over_unseen(rows, worse, beyond) for rows in datasets.values()]
        yield f"| {claim} | {' | '.join(lead_cell(lead.dropna()) for lead in leads)} |"


def lead_cell(lead: pd.Series) -> str:
    """Return the mean over seeds, half its 95 % interval, and the number of seeds; nothing without a seed."""
    if len(lead) < 2:
        return f"{signed(lead.mean())} (1)" if len(lead) else ""
    text = f"{signed(lead.mean())} ± {digits(half_width(lead))}"
    return f"{f'**{text}**' if abs(lead.mean()) > half_width(lead) else text} ({len(lead)})"


def over_unseen(rows: pd.DataFrame, model: str, beyond: float) -> pd.Series:
    """Return each seed's mean score over the scales further from 1 than a factor, as claims are computed."""
    by_scale = rows[rows["model"] == model].pivot(index="true_scale", columns="seed", values="iou")
    chosen, weights = unseen_scales(by_scale.index.to_numpy(), beyond)
    return by_scale.iloc[chosen].mul(weights, axis=0).sum()


def half_width(values: pd.Series) -> float:
    """Return half the 95 % interval of a mean over seeds, by Student's t; not a number for one seed."""
    count = len(values)
    return float(stdtrit(count - 1, 0.975) * values.std() / math.sqrt(count)) if count > 1 else math.nan


def at_least(bound: float) -> Callable[[float, float], bool]:
    """Return whether a mean reaches a bound."""
    return lambda mean, half: mean >= bound


def surely_above(bound: float) -> Callable[[float, float], bool]:
    """Return whether the whole interval lies above a bound."""
    return lambda mean, half: mean - half > bound


TARGETS = [
    ("reef", "SEU-Net, windows, no jitter, at ×2", lambda r: r.at(PLAIN, 2), "≥ .85", at_least(0.85)),
    ("reef", "… at ×4", lambda r: r.at(PLAIN, 4), "≥ .85", at_least(0.85)),
    ("reef", "… the worst training at ×2", lambda r: r.at(PLAIN, 2).nsmallest(1), "≥ .85", at_least(0.85)),
    ("reef", "windows, jitter 2, at ×1", lambda r: r.at(JITTER, 1), "≥ .87", at_least(0.87)),
    ("reef", "… lowest from ×1 to ×8, from its own ×1", lambda r: r.drop(JITTER, 1, 8), "≥ −.03", at_least(-0.03)),
    (
        "reef",
        "… ahead of U-Net, jitter 2, at ×½",
        lambda r: r.lead(JITTER, "unet-jitter2", 0.5),
        "> 0",
        surely_above(0),
    ),
    ("reef", "… at ×.63", lambda r: r.lead(JITTER, "unet-jitter2", 0.625), "> 0", surely_above(0)),
    ("reef", "windows, jitter 1.4, at ×1", lambda r: r.at(OCTAVE, 1), "≥ .87", at_least(0.87)),
    ("reef", "… lowest from ×½ to ×8, from its own ×1", lambda r: r.drop(OCTAVE, 0.5, 8), "≥ −.03", at_least(-0.03)),
    (
        "reef",
        "… ahead of U-Net, jitter 2, at ×½",
        lambda r: r.lead(OCTAVE, "unet-jitter2", 0.5),
        "> 0",
        surely_above(0),
    ),
    (
        "hela",
        "windows, no jitter, lowest from ×.35 to ×4, from its own ×1",
        lambda r: r.drop(PLAIN, 0.35, 4),
        "≥ −.04",
        at_least(-0.04),
    ),
    ("hela", "… ahead of U-Net at ×1.41", lambda r: r.lead(PLAIN, "unet", 1.41), "> 0", surely_above(0)),
    ("hela", "… ahead of U-Net, jitter 2, at ×4", lambda r: r.lead(PLAIN, "unet-jitter2", 4), "> 0", surely_above(0)),
    ("hela", "… against U-Net at ×1", lambda r: r.lead(PLAIN, "unet", 1), "≥ −.03", at_least(-0.03)),
    (
        "hela",
        "windows, jitter 1.4, lowest from ×.35 to ×4, from its own ×1",
        lambda r: r.drop(OCTAVE, 0.35, 4),
        "≥ −.04",
        at_least(-0.04),
    ),
    (
        "pet",
        "windows, jitter 2, lowest from ×½ to ×4, from its own ×1",
        lambda r: r.drop(JITTER, 0.5, 4),
        "≥ −.03",
        at_least(-0.03),
    ),
    (
        "pet",
        "windows, jitter 1.4, lowest from ×½ to ×4, from its own ×1",
        lambda r: r.drop(OCTAVE, 0.5, 4),
        "≥ −.03",
        at_least(-0.03),
    ),
    ("pet", "… against U-Net at ×1", lambda r: r.lead(OCTAVE, "unet", 1), "≥ −.03", at_least(-0.03)),
]


def crop_table(crops: pd.DataFrame) -> Iterator[str]:
    """Yield a line per model: on each data set the mean share of pixels that keep their class in a cut image."""
    label = dict(zip(crops["model"], crops["label"], strict=True))
    means = crops.groupby(["model", "dataset"], sort=False)["consistency"].mean().unstack(sort=False)
    yield f"| | {' | '.join(means)} |"
    yield "|---" * (len(means.columns) + 1) + "|"
    for model, values in means.iterrows():
        yield f"| {label[model]} | {' | '.join(digits(value) for value in values)} |"


def digits(value: float, bold: bool = False) -> str:
    """Return three decimals without a leading zero, nothing for what is missing."""
    if pd.isna(value):
        return ""
    text = f"{value:.3f}".replace("0.", ".", 1)
    return f"**{text}**" if bold else text


def signed(value: float) -> str:
    """Return three decimals with a sign."""
    return ("+" if value >= 0 else "−") + digits(abs(value))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        add(Path(sys.argv[1]))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
