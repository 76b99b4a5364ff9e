"""The report of a run as one HTML file, with everything in it: it can be mailed, and opened without a network.

`headline` makes sentences from the table of scores, `graph` draws the rules, `page.html` is the page.
"""

import base64
import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from seunet.report.claims import CLAIMS_COLUMNS
from seunet.report.html.graph import draw_rules
from seunet.report.html.headline import Headline, headlines
from seunet.report.tables import MISSING_COLUMNS, SCORES_COLUMNS, WARNINGS_COLUMNS
from seunet.runtime.files import atomic
from seunet.runtime.tables import read_rows, read_table
from seunet.settings.metric import Metric

KINDS = {".svg": "image/svg+xml", ".png": "image/png"}
MAX_WARNINGS = 20  # of the table of warnings; the page counts the others
FIRST = ("_iou", "claims")  # ends of the names of the figures of the first page; the others follow below
BROAD = ("_predictions", "training_curves", "equivariance")  # ends of the names of figures as wide as the page
MARKS = re.compile(r"``(?P<code>.+?)``|\*\*(?P<strong>.+?)\*\*|\*(?P<em>.+?)\*")


def write_page(results: Path, path: Path, captions: Mapping[str, str], times: Path) -> None:
    """Write the report of the results in a folder as an HTML file.

    Args:
        results: tables/, figures/, run.json and datasets/ are read; missing files are left out.
        path: of the report.
        captions: by the name of the figure, without suffix; its order is that of the figures. Markup as in the
            captions of Snakemake: ``code``, *emphasis*, **strong**.
        times: folder with what Snakemake measured of every job: {rule}/….tsv.

    Raises:
        UserError: there is no table of scores, or it lacks a column.
    """
    record = read_json(results / "run.json")
    scores = read_table(results / "tables" / "scores.csv", SCORES_COLUMNS)
    figures = [figure(results / "figures", name, text) for name, text in captions.items()]
    environment = Environment(
        loader=PackageLoader("seunet.report.html", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    text = environment.get_template("page.html").render(
        headlines=headlines_of(results),
        metrics=metrics_of(record),
        first=[one for one in figures if one and one["name"].endswith(FIRST)],
        others=[one for one in figures if one and not one["name"].endswith(FIRST)],
        claims=claims_of(results / "tables" / "claims.csv"),
        warnings=warnings_of(results, scores),
        record=record,
        config=json.dumps(record.get("config"), indent=2, ensure_ascii=False),
        times=times_of(times),
        graph=draw_rules(record.get("rules", {})),
    )
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def headlines_of(results: Path) -> list[Headline]:
    """Return who is best at which scale, for every data set of the results in a folder."""
    models = read_json(results / "run.json").get("config", {}).get("models", {})
    bounds = {name for name, model in models.items() if model.get("rescale") == "training"}
    return headlines(read_table(results / "tables" / "scores.csv", SCORES_COLUMNS), bounds)


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file; nothing where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def metrics_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the metric of every data set of a run."""
    datasets = record.get("config", {}).get("datasets", {})
    return {name: Metric.parse(dataset["metric"]).name for name, dataset in datasets.items() if "metric" in dataset}


def figure(folder: Path, name: str, caption: str) -> dict[str, Any] | None:
    """Return a figure for the page, as the smaller of its files; None where it was not drawn."""
    files = [file for file in (folder / f"{name}{suffix}" for suffix in KINDS) if file.is_file()]
    if not files:
        return None
    file = min(files, key=lambda file: file.stat().st_size)
    data = base64.b64encode(file.read_bytes()).decode()
    source = f"data:{KINDS[file.suffix]};base64,{data}"
    return {"name": name, "broad": name.endswith(BROAD), "source": source, "caption": marked(caption)}


def marked(text: str) -> str:
    """Return a caption as HTML."""
    tagged = "<{0.lastgroup}>{1}</{0.lastgroup}>"
    plain = escape(" ".join(text.split()), quote=False)
    return MARKS.sub(lambda mark: tagged.format(mark, mark[mark.lastgroup or 0]), plain)


def claims_of(path: Path) -> list[dict[str, Any]]:
    """Return the claims with their verdicts; none where none were tested."""
    if not path.is_file():
        return []
    return read_table(path, CLAIMS_COLUMNS).to_dict("records")


def warnings_of(results: Path, scores: pd.DataFrame) -> list[str]:
    """Return warnings about the results: of networks, of copies between splits, of single seeds."""
    warnings = []
    left_out = results / "tables" / "missing.csv"
    if left_out.is_file():
        rows = read_table(left_out, MISSING_COLUMNS, empty=True).itertuples()
        warnings += [f"{row.dataset}: {row.model}, seed {row.seed}: left out, not finished ({row.log})" for row in rows]
    table = results / "tables" / "warnings.csv"
    if table.is_file():
        rows = read_table(table, WARNINGS_COLUMNS, empty=True)
        shown = rows.head(MAX_WARNINGS).itertuples()
        warnings += [f"{row.dataset}: {row.model}, seed {row.seed}: {row.warning}" for row in shown]
        warnings += [f"… and {len(rows) - MAX_WARNINGS} more in {table.name}"] * (len(rows) > MAX_WARNINGS)
    for name in scores["dataset"].unique():
        description = read_json(results / "datasets" / str(name) / "dataset.json")
        if copies := description.get("duplicates"):
            example = " = ".join(f"{split}/{names[0]}" for split, names in copies[0].items())
            count = f"{len(copies)} images are" if len(copies) > 1 else "an image is"
            warnings.append(f"{name}: {count} in more than one split, if mirrored or turned: {example}")
    lone = scores.groupby("dataset", sort=False)["seed"].nunique()
    if alone := [str(name) for name, seeds in lone.items() if seeds == 1]:
        warnings.append(f"{', '.join(alone)}: one seed; another training may come out otherwise")
    return warnings


def times_of(folder: Path) -> list[dict[str, Any]]:
    """Return for each rule the jobs that were measured, their time together, the longest, and the most memory."""
    rows = []
    for file in sorted(folder.glob("*/**/*.tsv")):
        measured = read_rows(file, delimiter="\t")[-1]
        rows.append((file.relative_to(folder).parts[0], measured["s"], measured.get("max_rss")))
    table = pd.DataFrame(rows, columns=["rule", "seconds", "memory"])
    numbers = ["seconds", "memory"]  # Snakemake writes "-" or "NA" for what it did not measure
    table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
    times = [
        {
            "rule": rule,
            "jobs": len(jobs),
            "total": duration(jobs["seconds"].sum()),
            "longest": duration(jobs["seconds"].max()),
            "memory": "–" if jobs["memory"].isna().all() else f"{jobs['memory'].max() / 1024:.1f} GiB",
            "seconds": jobs["seconds"].sum(),
        }
        for rule, jobs in table.groupby("rule", sort=False)
    ]
    return sorted(times, key=lambda row: -row["seconds"])


def duration(seconds: float) -> str:
    """Return a time as 12 s, 3 min 05 s or 2 h 07 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
