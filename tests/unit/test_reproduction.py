"""docs/reproduction.md: every measured number of the page comes from the tables beside it."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from test_claims import counts_file

from seunet.report.claims import load_counts
from seunet.report.tables import with_true_scale
from seunet.runtime.tables import read_table

sys.path.append(str(ROOT / "docs"))
import reproduction  # noqa: E402
from reproduction_claims import Evidence  # noqa: E402

PAGE = ROOT / "docs" / "reproduction.md"
TABLES = re.compile(r"<!-- (.+?) -->.*?<!-- end of \1 -->", re.DOTALL)


def test_the_tables_of_the_page_are_written_from_the_csv_files():
    text = PAGE.read_text(encoding="utf-8")
    assert reproduction.written(text) == text


def test_no_measured_number_stands_outside_of_the_tables():
    """Scales have a ×, and what the configuration sets is no measurement: neither has a point in front."""
    prose = TABLES.sub("", PAGE.read_text(encoding="utf-8"))
    assert not re.findall(r"(?<![\d×])\.\d{2,}", prose)


def test_every_data_set_has_its_table_its_claims_and_its_figure():
    text = PAGE.read_text(encoding="utf-8")
    names = TABLES.findall(text)
    for dataset in read_table(ROOT / "docs" / "reproduction" / "scores.csv")["dataset"].unique():
        assert f"scores of {dataset}" in names and f"claims on {dataset}" in names
        assert f"figures/reproduction_{dataset}_iou.png" in text


def test_a_row_that_two_runs_measured_must_be_the_same():
    old = pd.DataFrame({"dataset": ["pet"], "model": ["unet"], "seed": [0], "scale": [1.0], "iou": [0.5]})
    key, more = ["dataset", "model", "seed", "scale"], old.assign(seed=1)
    assert len(reproduction.joined(old, pd.concat([old, more]), key)) == 2
    with pytest.raises(SystemExit, match="1 rows differ from those of an earlier run"):
        reproduction.joined(old, old.assign(iou=0.50002), key)
    assert len(reproduction.joined(old, old.assign(iou=0.500001), key)) == 1  # a pixel answered otherwise


def test_of_two_verdicts_on_a_claim_the_one_with_more_seeds_stays():
    old = pd.DataFrame({"claim": ["a", "b"], "dataset": "pet", "verdict": ["undecided", "supported"], "seeds": [1, 3]})
    new = pd.DataFrame({"claim": ["b", "a"], "dataset": "pet", "verdict": ["undecided", "supported"], "seeds": [2, 3]})
    assert reproduction.decided(old, new)["verdict"].tolist() == ["supported", "supported"]


def evidence(folder, seeds=3):
    """Return what is known of two networks: of all their trainings the scores, and of the first few the counts."""
    rng, union, rows = np.random.default_rng(0), np.full((3, 12, 1), 1000), []
    for model, gain in (("a", 100), ("b", 0)):
        for seed in range(3):
            tp = rng.integers(450, 550, (3, 12, 1)) + gain
            if seed < seeds:
                counts_file(folder, model, tp, union, seed)
            for scale, height, iou in zip((0.5, 1, 2), (8, 16, 32), (tp / union).mean((1, 2)), strict=True):
                run = {"dataset": "toy", "model": model, "seed": seed}
                rows.append(run | {"scale": scale, "height": height, "width": height, "iou": iou})
    claims = pd.DataFrame([("a beats b", "toy", "a", "b", "supported", 2)])
    claims.columns = ["claim", "dataset", "better", "worse", "verdict", "seeds"]
    config = reproduction.evidence()
    config.datasets["toy"] = config.datasets["reef"]
    return Evidence(with_true_scale(pd.DataFrame(rows)), claims, folder, config)


def test_a_claim_is_judged_over_seeds_and_images_where_all_counts_are_kept(tmp_path):
    known = evidence(tmp_path)
    found = known.over_images("toy", "a", "b", 1.2, [0, 1, 2])
    assert found["estimate"] == pytest.approx(known.leads("toy", "a", "b", 1.2).mean())
    assert known.cell("toy", "a", "b", 1.2) == (
        f"**+{found['estimate']:.3f}, +{found['low']:.3f} to +{found['high']:.3f}** (3)".replace("0.", ".")
    )


def test_without_counts_a_claim_is_decided_by_one_run_or_for_these_test_images(tmp_path):
    known = evidence(tmp_path, seeds=2)
    cell = known.cell("toy", "a", "b", 1.2)
    assert re.fullmatch(r"\*\*\+\.\d{3} ± \.\d{3}\*\* \(3\)", cell)
    known.verdicts = {}
    assert known.cell("toy", "a", "b", 1.2) == cell.replace("**", "").replace(" (3)", " † (3)")


def test_networks_that_were_tested_at_other_scales_are_not_compared(tmp_path):
    known = evidence(tmp_path)
    rows = known.scores["toy"]
    known.scores["toy"] = rows[(rows["model"] == "a") | (rows["scale"] != 2)]
    with pytest.raises(SystemExit, match="toy: a and b were tested at other scales"):
        known.leads("toy", "a", "b", 1.2)


def test_kept_counts_are_those_of_the_run_in_few_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduction, "COUNTS", tmp_path / "kept")
    file = counts_file(tmp_path / "scores", "a", np.full((3, 50, 2), 60000), np.full((3, 50, 2), 90000), classes="xy")
    reproduction.keep_counts(tmp_path / "scores")
    reproduction.keep_counts(tmp_path / "scores")
    kept = tmp_path / "kept" / "toy" / "a" / "seed0.npz"
    assert kept.stat().st_size < file.stat().st_size
    assert all(np.array_equal(values, load_counts(kept)[key]) for key, values in load_counts(file).items())
    assert (reproduction.pixels(load_counts(kept)) == 75000).all()  # more than the bytes of either count hold
    counts_file(tmp_path / "scores", "a", np.full((3, 50, 2), 60000), np.full((3, 50, 2), 90002), classes="xy")
    with pytest.raises(SystemExit, match="of other test images"):
        reproduction.keep_counts(tmp_path / "scores")
    counts_file(tmp_path / "scores", "a", np.full((3, 50, 2), 59999), np.full((3, 50, 2), 90001), classes="xy")
    with pytest.raises(SystemExit, match="other counts than those that an earlier run left"):
        reproduction.keep_counts(tmp_path / "scores")


def test_kept_counts_give_the_scores_of_the_page():
    keys = ["dataset", "model", "seed", "scale"]
    scores = read_table(reproduction.TABLES / "scores.csv").set_index(keys)["iou"].sort_index()
    config = reproduction.evidence()
    files = list(reproduction.COUNTS.glob("*/*/*.npz"))
    assert files
    for file in files:
        dataset, model = file.parts[-3:-1]
        counts = load_counts(file)
        tp, union = (x.sum(1, dtype=int) for x in (counts["tp"], counts["tp"] + counts["fp"] + counts["fn"]))
        found = config.datasets[dataset].metric(tp, union, [str(name) for name in counts["classes"]])
        known = scores[dataset, model, int(file.stem.removeprefix("seed"))]
        assert found == pytest.approx(known[list(counts["scale"])].to_numpy(), abs=reproduction.ROUNDING), file
