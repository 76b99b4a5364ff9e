"""Runs that failed: tables are made of the finished ones alone, and the others are named."""

from pathlib import Path

import pytest
from test_configuration import good

from seunet.config import checks as configuration
from seunet.config import finished, paths, plan
from seunet.report.tables import MISSING_COLUMNS, write_missing
from seunet.runtime.errors import UserError
from seunet.runtime.tables import read_table


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Return the good configuration in a working folder where every run is finished."""
    monkeypatch.chdir(tmp_path)
    config = configuration.check(good() | {"unfinished": "left_out"})
    for run in plan.all_runs(config):
        for made in paths.of_run(config, *run):
            made.path.parent.mkdir(parents=True, exist_ok=True)
            made.path.touch()
    return config


def test_where_all_runs_are_finished_nothing_is_left_out(config):
    left, rows = finished.split_finished(config)
    assert plan.all_runs(left) == plan.all_runs(config) and rows == []
    assert finished.unfinished_note(config) is None


@pytest.mark.parametrize(
    ("file", "gone", "log"),
    [
        ("models/reef/unet/seed0/model.safetensors", ["unet", "ensemble"], "train/reef/unet/seed0"),
        ("models/reef/unet/seed0/history.csv", ["unet", "ensemble"], "train/reef/unet/seed0"),
        ("scores/reef/ensemble/seed0.npz", ["ensemble"], "evaluate/reef/ensemble/seed0"),
        ("windows/reef/seunet/seed0.csv", ["seunet"], "evaluate/reef/seunet/seed0"),
        ("equivariance/reef/unet/seed0.csv", ["unet"], "equivariance/reef/unet/seed0"),
    ],
)
def test_a_run_that_lacks_any_file_is_left_out_and_named(config, file, gone, log):
    Path("results", file).unlink()
    left, rows = finished.split_finished(config)
    assert [(row["dataset"], row["model"], row["seed"]) for row in rows] == [("reef", model, 0) for model in gone]
    assert {row["missing"] for row in rows} == {f"results/{file}"} and {row["log"] for row in rows} == {
        f"logs/{log}.log"
    }
    assert set(plan.all_runs(config)) - set(plan.all_runs(left)) == {("reef", model, 0) for model in gone}
    for note in (finished.left_out_note(rows), finished.unfinished_note(config)):
        assert note is not None and f"reef/{gone[0]}/seed0 (logs/{log}.log)" in note
    assert left.models == config.models  # the colours of figures stay


def test_without_the_word_every_run_is_run(config):
    Path("results/scores/reef/unet/seed0.csv").unlink()
    whole = config.model_copy(update={"unfinished": "run"})
    assert finished.split_finished(whole) == (whole, [])


def test_where_nothing_is_finished_that_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configuration.check(good() | {"unfinished": "left_out"})
    left, rows = finished.split_finished(config)
    with pytest.raises(UserError, match="no run is finished"):
        finished.check_some(left)
    note = finished.unfinished_note(config)
    assert note is not None and "left_out" not in note and note.endswith(f", and {len(rows) - 6} more.")


def test_the_table_of_what_is_missing_can_be_read(config, tmp_path):
    Path("results/crops/reef/unet/seed1.csv").unlink()
    write_missing(finished.unfinished(config), tmp_path / "missing.csv")
    (row,) = read_table(tmp_path / "missing.csv", MISSING_COLUMNS).to_dict("records")
    assert (row["model"], row["seed"], row["log"]) == ("unet", 1, "logs/evaluate/reef/unet/seed1.log")
