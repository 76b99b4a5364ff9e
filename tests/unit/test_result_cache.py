"""Finished results are kept beside, taken back whole, and never taken where something is other than it was."""

import os
import subprocess
from pathlib import Path

import pytest

from seunet.models import checkpoint
from seunet.runtime import result_cache
from seunet.runtime.errors import UserError

WEIGHTS, HISTORY = "results/models/reef/unet/seed0/model.safetensors", "results/models/reef/unet/seed0/history.csv"
INPUTS = {"results/datasets/reef/dataset.json": "0" * 64}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(result_cache.RECOMPUTE, raising=False)
    return tmp_path


def place(epochs: int = 1, seed: str = "0", inputs: dict | None = None) -> result_cache.CachedResult:
    wildcards = {"dataset": "reef", "model": "unet", "seed": seed}
    return result_cache.CachedResult(
        "train", wildcards, {"settings": {"epochs": epochs}}, inputs or INPUTS, [WEIGHTS, HISTORY]
    )


def make(text: str) -> None:
    """Write the outputs anew, after the old ones were deleted, as Snakemake does."""
    for name in (WEIGHTS, HISTORY):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).unlink(missing_ok=True)
        Path(name).write_text(text)


def test_another_configuration_takes_nothing_away_and_the_first_comes_back():
    assert not place(1).restore()
    make("one epoch")
    place(1).store()
    make("two epochs")
    place(2).store()
    os.utime(WEIGHTS, (1, 1))
    assert place(1).restore() and Path(WEIGHTS).read_text() == Path(HISTORY).read_text() == "one epoch"
    assert Path(WEIGHTS).stat().st_mtime > 1_000_000_000  # newer than the inputs
    assert place(2).restore() and Path(WEIGHTS).read_text() == "two epochs"
    assert sorted(path.name[:22] for path in result_cache.FOLDER.iterdir()) == ["train-reef-unet-seed0-"] * 2


def test_settings_seed_and_inputs_decide():
    make("weights")
    place().store()
    assert place().restore()
    assert not place(epochs=2).restore() and not place(seed="1").restore()
    assert not place(inputs={"results/datasets/reef/dataset.json": "1" * 64}).restore()


def test_what_is_damaged_incomplete_or_not_wanted_is_not_taken(monkeypatch):
    make("weights")
    place().store()
    monkeypatch.setenv(result_cache.RECOMPUTE, "yes")
    assert not place().restore()
    monkeypatch.delenv(result_cache.RECOMPUTE)
    sums = place().folder / "checksums.sha256"
    text = sums.read_text()
    sums.unlink()
    assert not place().restore()
    sums.write_text("no checksum\n")
    assert not place().restore()
    sums.write_text(text)
    assert place().restore()
    with Path(WEIGHTS).open("r+b") as file:  # a name of the same file
        file.write(b"W")
    assert not place().restore()
    make("weights")
    place().store()
    assert place().restore()


def test_sha256sum_reads_the_checksums_and_settings_are_written_down():
    make("weights")
    place(7).store()
    folder = place(7).folder
    subprocess.run(["sha256sum", "--check", "--quiet", "checksums.sha256"], cwd=folder, check=True)
    assert '"epochs": 7' in (folder / "settings.json").read_text()


def test_where_files_cannot_have_two_names_they_are_copied(monkeypatch):
    make("weights")
    monkeypatch.setattr(os, "link", lambda *names: (_ for _ in ()).throw(OSError("not here")))
    place().store()
    make("other")
    assert place().restore() and Path(WEIGHTS).read_text() == "weights"


def test_an_interrupted_training_waits_while_other_settings_are_trained(folder):
    first, second = {"epochs": 1}, {"epochs": 2}
    for settings in (first, second):
        checkpoint.exchange_state(folder, settings)
        assert checkpoint.load_state(folder / "last.pt", settings) is None
        state = {"hash": checkpoint.settings_hash(settings), "settings": checkpoint.canonical(settings)}
        checkpoint.save_state(folder / "last.pt", state | {"epoch": settings["epochs"]})
    checkpoint.exchange_state(folder, first)
    assert checkpoint.load_state(folder / "last.pt", first)["epoch"] == 1
    checkpoint.exchange_state(folder, second)
    assert checkpoint.load_state(folder / "last.pt", second)["epoch"] == 2
    (folder / "last.pt").write_bytes(b"damaged")
    checkpoint.exchange_state(folder, first)
    with pytest.raises(UserError, match="not a whole resume state"):
        checkpoint.load_state(folder / "last.pt", first)
