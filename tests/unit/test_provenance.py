"""The record of a run, and the comparison of two."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from seunet.cli import app
from seunet.runtime import comparison, provenance
from seunet.runtime.errors import UserError

CONFIG = {"datasets": {"reef": {"image_size": 64}}, "runs": [{"seeds": [0, 1]}, {"seeds": [1]}]}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return make(tmp_path / "first", 0.5)


def make(folder: Path, iou: float, image_size: int = 64, seconds: float = 1.0) -> Path:
    """Return a folder of results with a record of a complete run."""
    config = json.loads(json.dumps(CONFIG))
    config["datasets"]["reef"]["image_size"] = image_size
    (folder / "tables").mkdir(parents=True)
    record = provenance.begin(config, folder)
    scores = {"dataset": "reef", "model": ["unet", "seunet"], "seed": 0, "scale": 1.0, "iou": [0.25, iou]}
    pd.DataFrame(scores).to_csv(folder / "tables/scores.csv", index=False)
    pd.DataFrame({"model": ["unet"], "loss": [1.0], "seconds": [seconds]}).to_csv(folder / "tables/history.csv")
    provenance.finish(record, folder, "complete")
    return folder


def test_record(results: Path) -> None:
    record = json.loads((results / "run.json").read_text())
    assert record["status"] == "complete" and record["start"] <= record["end"]
    assert record["config"] == CONFIG and record["seeds"] == [0, 1]
    assert record["tables"]["tables/scores.csv"] == provenance.sha256(results / "tables/scores.csv")
    assert {"python", "torch", "snakemake"} <= set(record["versions"])
    assert record["hardware"]["cores"] >= 1


def test_a_run_that_was_killed_says_so(tmp_path: Path) -> None:
    provenance.begin(CONFIG, tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "running"
    with pytest.raises(UserError, match="not the record of a run that ended; finish that run first"):
        comparison.read_record(tmp_path)


def test_commit_is_none_outside_a_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit() is None


def test_times_are_no_difference(results: Path, tmp_path: Path) -> None:
    assert comparison.compare_runs(results, make(tmp_path / "second", 0.5, seconds=9.0)) == ([], True)


def test_comparison_names_key_model_and_size_of_the_difference(results: Path, tmp_path: Path) -> None:
    lines, agree = comparison.compare_runs(results, make(tmp_path / "second", 0.75, image_size=96) / "run.json")
    assert not agree
    assert lines == [
        "config.datasets.reef.image_size: 64 → 96",
        "tables/scores.csv: reef seunet: iou by up to 0.25",
    ]


def test_rows_that_one_run_lacks(results: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "second", 0.5)
    pd.read_csv(other / "tables/scores.csv").iloc[:1].to_csv(other / "tables/scores.csv", index=False)
    provenance.finish(provenance.begin(CONFIG, other), other, "complete")
    assert comparison.compare_runs(results, other) == (["tables/scores.csv: 1 rows only in the first"], False)


def test_command(results: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    same = run(app, ["compare", str(results), str(results)])
    assert same.exit_code == 0 and same.output == "The tables agree.\n"
    assert run(app, ["compare", str(results), str(make(tmp_path / "other", 0.1))]).exit_code == 3
    missing = run(app, ["compare", str(results), str(tmp_path / "nowhere")])
    assert missing.exit_code == 1 and "not there; name a folder of results" in missing.output
