"""Write the tables of docs/reproduction.md from docs/reproduction/*.csv: python docs/reproduction.py, from the root.

python docs/reproduction.py RESULTS first copies tables, record and figures of a finished run from its folder of results.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from seunet.report.tables import with_true_scale

HERE = Path(__file__).parent
PAGE, TABLES, FIGURES = HERE / "reproduction.md", HERE / "reproduction", HERE / "figures"
BOUND = "unet-known"  # is told the scale, so it is no rival
KINDS = ("iou", "scales", "winners", "crops")


def copy(results: Path) -> None:
    """Copy what the page shows."""
    TABLES.mkdir(exist_ok=True)
    for name in ("scores", "claims", "windows", "crops"):
        shutil.copy(results / "tables" / f"{name}.csv", TABLES)
    shutil.copy(results / "run.json", TABLES)
    for dataset in pd.read_csv(TABLES / "scores.csv")["dataset"].unique():
        for kind in KINDS:
            if (figure := results / "figures" / f"{dataset}_{kind}.png").exists():
                shutil.copy(figure, FIGURES / f"reproduction_{figure.name}")
    shutil.copy(results / "figures" / "claims.png", FIGURES / "reproduction_claims.png")


def written(text: str) -> str:
    """Return the text of the page with its tables written anew, each between two marks."""
    scores, claims = with_true_scale(pd.read_csv(TABLES / "scores.csv")), pd.read_csv(TABLES / "claims.csv")
    crops = pd.read_csv(TABLES / "crops.csv")
    for dataset, rows in scores.groupby("dataset", sort=False):
        text = replaced(text, f"scores of {dataset}", score_table(rows))
        text = replaced(text, f"claims on {dataset}", claim_table(claims[claims["dataset"] == dataset]))
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
        cells = [digits(value, value.round(3) == best[scale] and model != BOUND) for scale, value in values.items()]
        largest = digits(deviations.loc[model].max()) if seeds[model] > 1 else ""
        yield f"| {label[model]} | {' | '.join(cells)} | {largest} | {seeds[model]} |"


def claim_table(claims: pd.DataFrame) -> Iterator[str]:
    """Yield a line per claim: difference over the unseen scales, 95 % interval, verdict."""
    yield "| claim | difference | 95 % interval | verdict | seeds |"
    yield "|---|---|---|---|---|"
    for row in claims.itertuples():
        verdict = f"**{row.verdict}**" if row.verdict != "undecided" else row.verdict
        yield f"| {row.claim} | {signed(row.estimate)} | {signed(row.low)} to {signed(row.high)} | {verdict} | {row.seeds} |"


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
        copy(Path(sys.argv[1]))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
