"""The report: the headline in words, one file with everything in it, as a browser shows it."""

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from seunet.report.claims import CLAIMS_COLUMNS
from seunet.report.html import duration, marked, metrics_of, write_page
from seunet.report.html.graph import draw_rules, layers
from seunet.report.html.headline import headlines, spread
from seunet.report.tables import SCORES_COLUMNS
from seunet.runtime.errors import UserError

RULES = {
    "all": {"jobs": 1, "after": ["figure", "tables"]},
    "evaluate": {"jobs": 4, "after": ["train", "prepare"]},
    "figure": {"jobs": 2, "after": ["tables"]},
    "prepare": {"jobs": 1, "after": []},
    "tables": {"jobs": 1, "after": ["evaluate"]},
    "train": {"jobs": 4, "after": ["prepare"]},
}
RECORD = {
    "status": "running",
    "start": "2026-01-02T03:04:05+00:00",
    "commit": "0123456789abcdef-dirty",
    "versions": {"python": "3.11.9", "torch": "2.13.0"},
    "hardware": {"system": "Linux x86_64", "processor": "a processor", "cores": 2, "memory_gib": 24, "gpus": []},
    "seeds": [0],
    "config": {
        "models": {"bound": {"rescale": "training"}},
        "datasets": {"toy": {"metric": {"iou": "cat"}}},
        "note": "</pre><script>alert(1)</script>",
    },
    "rules": RULES,
}
CAPTIONS = {"toy_iou": "How *well*, see ``scores.csv``.", "claims": "Claims.", "toy_predictions": "**Seen**."}


def scores(**curves: list[float]) -> pd.DataFrame:
    """Return a table of scores, one seed: for each model its IoU at the scales ¼, ½, 1, 2, 4."""
    rows = [
        ("toy", model, model.upper(), 0, scale, int(64 * scale), int(64 * scale), iou, 1.0)
        for model, curve in curves.items()
        for scale, iou in zip((0.25, 0.5, 1, 2, 4), curve, strict=True)
    ]
    return pd.DataFrame(rows, columns=SCORES_COLUMNS)


def said(table: pd.DataFrame, bounds=()) -> str:
    (one,) = headlines(table, bounds)
    return " ".join(one.sentences)


def test_the_headline_says_who_is_best_at_which_scale():
    text = said(scores(a=[0.1, 0.2, 0.9, 0.5, 0.4], b=[0.3, 0.4, 0.8, 0.6, 0.2]))
    assert text == (
        "At the scale of training A is best (0.90). On smaller images B is best from ×0.25 to ×0.5. "
        "On larger images B is best at ×2; A is best at ×4. "
        "One training per network: small differences may be luck."
    )


def test_the_headline_names_ties_and_lets_bounds_compete_with_none():
    table = scores(a=[0.5] * 5, b=[0.499] * 5, bound=[0.9] * 5)
    assert said(table, {"bound"}).startswith(
        "A and B are best, less than 0.005 apart at every scale, from ×0.25 to ×4."
    )
    (one,) = headlines(table, {"bound"})
    assert [(label, any(winning)) for label, _, winning in one.rows] == [("A", True), ("B", True), ("BOUND", False)]


def test_the_headline_of_one_network_and_of_many_changes():
    assert "Only A was tested: 0.90 at the scale of training, at worst 0.10 at ×0.25." in said(
        scores(a=[0.1, 0.2, 0.9, 0.5, 0.4])
    )
    rows = [
        ("toy", model, model.upper(), 0, scale, round(1024 * scale), round(1024 * scale), 0.5 + 0.1 * (i % 2 == j), 1.0)
        for j, model in enumerate("ab")
        for i, scale in enumerate(np.linspace(1, 2, 17))
    ]
    (one,) = headlines(pd.DataFrame(rows, columns=SCORES_COLUMNS))
    assert "the lead changes: of 13 scales, A at 7, B at 6" in " ".join(one.sentences)
    assert len(one.scales) == 7 and "×1" in one.scales


def test_the_headline_of_few_scales_and_of_several_trainings():
    table = scores(a=[0.1, 0.2, 0.9, 0.5, 0.4], b=[0.3, 0.4, 0.8, 0.6, 0.2])
    everywhere = "A is best at every scale, from ×1 to ×4."
    assert said(table[table["scale"].isin([1, 4])]).startswith(everywhere)
    nearly = table[table["scale"] == 1].assign(height=60, width=60, scale=0.9375)  # not the scale of training itself
    assert "At the scale of training A is best (0.90)." in said(pd.concat([nearly.assign(iou=[0.1, 0.9]), table]))
    three = pd.concat([table.assign(seed=seed) for seed in range(3)])
    assert said(three).endswith(" Means of 3 trainings.")
    assert said(three[(three["seed"] < 2) | (three["model"] == "a")]).endswith(" Means of 2 to 3 trainings.")


def test_a_network_without_a_score_does_not_win():
    assert said(scores(a=[np.nan] * 5, b=[0.1] * 5)).startswith("Only B was tested: 0.10 at the scale of training")
    assert said(scores(a=[np.nan] * 5)) == "No network has a score."


def test_scales_at_which_no_network_has_a_score_are_empty_cells():
    (one,) = headlines(scores(a=[np.nan, 0.1, 0.3, 0.2, 0.1], b=[np.nan, 0.2, 0.1, 0.1, 0.2]))
    assert [(cells[0], winning[:2]) for _, cells, winning in one.rows] == [("–", [False, False]), ("–", [False, True])]
    at_one = scores(a=[0.1, 0.2, np.nan, 0.1, 0.3], b=[0.2, 0.1, np.nan, 0.2, 0.1])
    assert said(at_one).startswith("No network has a score at the scale of training.")


@pytest.fixture
def results(tmp_path) -> Path:
    """Return the results of a run: tables, three figures, a record, measured times."""
    folder = tmp_path / "results"
    for name in ("tables", "figures", "datasets/toy"):
        (folder / name).mkdir(parents=True)
    scores(unet=[0.2, 0.4, 0.9, 0.5, 0.3], seunet=[0.4, 0.6, 0.8, 0.7, 0.6]).to_csv(folder / "tables/scores.csv")
    claim = dict.fromkeys(CLAIMS_COLUMNS, 0) | {"claim": "SEUNET keeps more", "dataset": "toy", "estimate": 0.125}
    claim |= {"low": 0.01, "high": 0.2, "better": "seunet", "worse": "unet", "verdict": "supported"}
    pd.DataFrame([claim]).to_csv(folder / "tables/claims.csv", index=False)
    warning = {"dataset": "toy", "model": "unet", "seed": 0, "warning": "one class <b>everywhere</b>"}
    pd.DataFrame([warning]).to_csv(folder / "tables/warnings.csv", index=False)
    copies = {"duplicates": [{"train": ["cat"], "test": ["tac"]}]}
    (folder / "datasets/toy/dataset.json").write_text(json.dumps(copies))
    for name in CAPTIONS:
        Image.new("RGB", (300, 200), "red").save(folder / "figures" / f"{name}.png")
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><circle r="9"/></svg>'
    (folder / "figures/toy_iou.svg").write_text(svg)
    (folder / "run.json").write_text(json.dumps(RECORD))
    (tmp_path / "times/train/toy").mkdir(parents=True)
    (tmp_path / "times/train/toy/seed0.tsv").write_text("s\th:m:s\tmax_rss\n192.2\t0:03:12\t512\n")
    return folder


def test_the_page_has_everything_in_it(results, tmp_path):
    path = tmp_path / "report.html"
    write_page(results, path, CAPTIONS, tmp_path / "times")
    page = path.read_text(encoding="utf-8")
    order = [
        "SEUNET is best",
        "toy_iou",
        "SEUNET keeps more",
        "one class &lt;b&gt;",
        "toy_predictions",
        "<h2>Configuration",
    ]
    places = [page.index(part) for part in [*order, "Commit</dt>", "<svg", "3 min 12 s"]]
    assert places == sorted(places)
    assert "How <em>well</em>, see <code>scores.csv</code>." in page and "train/cat = test/tac" in page
    assert "IoU of cat at" in page
    assert page.count("<img") == 3 and len(re.findall(r'src="data:image/(png|svg\+xml);base64,', page)) == 3
    assert not re.search(r'(src|href)="(?!data:|#)', page) and "<script" not in page
    before = path.read_bytes()
    write_page(results, path, CAPTIONS, tmp_path / "times")
    assert path.read_bytes() == before


def test_runs_that_the_tables_leave_out_are_named(results, tmp_path):
    row = {"dataset": "toy", "model": "NA", "seed": 3, "missing": "results/x.npz", "log": "logs/train/x.log"}
    pd.DataFrame([row]).to_csv(results / "tables/missing.csv", index=False)
    write_page(results, tmp_path / "page.html", {}, tmp_path / "logs")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "toy: NA, seed 3: left out, not finished (logs/train/x.log)" in page


def test_a_page_of_little(results, tmp_path):
    for name in ("tables/claims.csv", "tables/warnings.csv", "run.json", "datasets/toy/dataset.json"):
        (results / name).unlink()
    shutil.rmtree(results / "figures")
    write_page(results, tmp_path / "report.html", CAPTIONS, tmp_path / "nothing")
    page = (tmp_path / "report.html").read_text()
    assert "<img" not in page and "No claim was tested." in page and "no run.json" in page
    (results / "tables/scores.csv").unlink()
    with pytest.raises(UserError, match="no such file"):
        write_page(results, tmp_path / "report.html", CAPTIONS, tmp_path / "nothing")


def test_rules_stand_below_what_they_need():
    assert layers(RULES) == [["prepare"], ["train"], ["evaluate"], ["tables"], ["figure"], ["all"]]
    drawn = draw_rules(RULES)
    assert drawn.count("<rect") == 6 and drawn.count("<path") == 7 and ">4 jobs<" in drawn and ">1 job<" in drawn
    assert draw_rules({}) == ""


@pytest.mark.parametrize(
    ("metric", "name"), [({"dice": "cat"}, "Dice of cat"), ("mean_dice", "Mean Dice"), ("mean_iou", "Mean IoU")]
)
def test_the_page_names_the_metric(metric, name):
    """Named are the metrics that a run can have, of a class too; a data set of an early run without one is left out."""
    record = {"config": {"datasets": {"pets": {"metric": metric}, "early": {}}}}
    assert metrics_of(record) == {"pets": name}


def test_times_and_markup():
    assert [duration(s) for s in (0.4, 59.6, 185, 7620)] == ["0 s", "1 min 00 s", "3 min 05 s", "2 h 07 min"]
    assert marked("a <b>\n ``x*y`` *z*") == "a &lt;b&gt; <code>x*y</code> <em>z</em>"


def browser() -> str | None:
    """Return the program that shows pages, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


LOOK = """<script>onload = () => { document.body.innerHTML = "<pre id=seen></pre>" + JSON.stringify({
  text: document.body.innerText, width: innerWidth, needed: document.documentElement.scrollWidth,
  pictures: [...document.images].filter(one => one.naturalWidth > 0 && one.clientWidth > 100).length}); }</script>"""


@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_it(results, tmp_path, width):
    """In a narrow and a wide window: the text is there, the pictures are seen, and nothing sticks out."""
    program = browser()
    if program is None and os.environ.get("CI"):
        pytest.fail("continuous integration installs chromium")
    if program is None:
        pytest.skip("no chromium here")
    path = tmp_path / "report.html"
    write_page(results, path, CAPTIONS, tmp_path / "times")
    path.write_text(path.read_text(encoding="utf-8") + LOOK, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command = [program, *options, f"--window-size={width},900", "--dump-dom", path.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    seen = json.loads(unescape(re.search(r"</pre>(\{.*\})", shown, re.S)[1]))
    assert seen["pictures"] == 3
    assert "At the scale of training UNET is best (0.90)." in seen["text"]
    assert "SEUNET keeps more" in seen["text"] and "one class <b>everywhere</b>" in seen["text"]
    assert seen["needed"] <= seen["width"]


def test_the_table_shows_the_octaves():
    scales = np.array([0.25, 0.5, 0.625, 0.75, 1, 1.125, 1.375, 2, 2.75, 4])
    assert {0.25, 0.5, 1, 2, 4} < set(spread(scales)) and len(spread(scales)) == 7
    assert spread(scales[4:6]) == [1, 1.125] and 1 in spread(2.0 ** np.arange(-4, 12))
    larger = np.array([1, 1.2, 1.9, 2, 3, 4, 5, 8, 11])  # its four octaves, and what lies farthest from them
    assert spread(larger) == [1, 2, 3, 4, 5, 8, 11]
