"""The fault campaign's judge, checksums, and a sample of the campaign; `make faults` runs all of it."""

import errno
import importlib
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from faults.campaign import Campaign, can_mount
from faults.judge import differences

from seunet.models.checkpoint import load_state, save_state, settings_hash
from seunet.runtime import files, integrity
from seunet.runtime.errors import UserError

SAMPLE = [("train", "kill all"), ("prepare", "disk full"), ("evaluate", "input corrupted"), ("tables", "clock jump")]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Campaign:
    if os.environ.get("CI") and not can_mount():
        pytest.fail("continuous integration runs as root, where file systems can be mounted")
    if not can_mount():
        pytest.skip("mounting file systems, for full disks and read-only folders, needs root")
    return Campaign(tmp_path_factory.mktemp("campaign"))


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize(("stage", "fault"), SAMPLE)
def test_a_sample_of_the_campaign(campaign, stage, fault):
    assert campaign.combination(stage, fault, seed=4)["wrong"] == []  # 4: damages weights that are kept


def scores(folder, iou=0.5):
    """Write results with one table and one history."""
    (folder / "results" / "tables").mkdir(parents=True)
    pd.DataFrame({"model": ["unet"], "iou": [iou]}).to_csv(folder / "results" / "tables" / "scores.csv")
    measured = {"seconds": [1.0, 2], "images_per_second": [3.0, 4], "peak_memory_mb": [5.0, 6]}
    pd.DataFrame({"epoch": [1, 2], "loss": [0.5, 0.4]} | measured).to_csv(folder / "results" / "history.csv")
    return folder


def test_the_judge_sees_a_wrong_number_and_what_is_missing_or_too_much(tmp_path):
    expected = scores(tmp_path / "expected")
    assert differences(expected, scores(tmp_path / "same"), complete=True) == []
    wrong = scores(tmp_path / "wrong", iou=0.5000001)
    assert differences(expected, wrong, complete=False) == ["tables/scores.csv: differs"]
    (wrong / "results" / "tables" / "scores.csv").unlink()
    assert differences(expected, wrong, complete=False) == []
    (wrong / "results" / "more.npz").touch()
    (wrong / "results" / "last.pt").touch()
    said = differences(expected, wrong, complete=True)
    assert said == ["last.pt: left behind", "more.npz: not expected", "tables/scores.csv: missing"]


def test_the_judge_forgives_measured_times_and_a_history_that_has_begun(tmp_path):
    expected, got = scores(tmp_path / "expected"), scores(tmp_path / "got")
    path = got / "results" / "history.csv"
    history = pd.read_csv(path, index_col=0)
    history["seconds"] = 9.0
    history.to_csv(path)
    assert differences(expected, got, complete=True) == []
    history[:1].to_csv(path)
    assert differences(expected, got, complete=False) == []
    assert differences(expected, got, complete=True) == ["history.csv: differs"]
    history.assign(loss=[0.5, 0.3]).to_csv(path)
    assert differences(expected, got, complete=False) == ["history.csv: differs"]


def test_checksums_of_files_and_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    for name in ("a.npy", "folder/b.npy", "folder/deep/c.npy", "unknown.npy"):
        (tmp_path / name).write_bytes(name.encode())
    made = ["a.npy", "folder"]
    integrity.record(made)
    integrity.verify([*made, "unknown.npy", str(tmp_path / "absolute.npy")])
    (tmp_path / "folder" / "deep" / "c.npy").write_bytes(b"folder/deep/C.npy")
    integrity.verify(["a.npy"])
    with pytest.raises(UserError, match=r"^folder/deep/c\.npy: damaged or changed since it was made"):
        integrity.verify(made)
    shutil.rmtree(tmp_path / integrity.FOLDER)
    integrity.verify(made)


def test_a_folder_that_becomes_read_only_is_named_by_the_final_file(tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system", ".a.1.partial.csv")

    for method in ("open", "replace", "unlink"):
        monkeypatch.setattr(files.Path, method, refused)
    with pytest.raises(UserError, match=r"/a\.csv: no permission to write here"), files.atomic(tmp_path / "a.csv"):
        pass


def test_lack_of_memory_is_said_however_a_library_wraps_it(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "workflow" / "scripts")
    job = importlib.import_module("job")
    try:
        try:
            raise ImportError("aggregations.so: failed to map segment from shared object")
        except ImportError as reason:
            raise ImportError("C extension: aggregations not built") from reason
    except ImportError as error:
        assert job.user_message(error, tmp_path).startswith("the memory did not suffice")
    assert job.user_message(ValueError("a mistake in the code"), tmp_path) is None


def test_a_flipped_bit_in_a_resume_state_is_noticed(tmp_path):
    path, settings = tmp_path / "last.pt", {"epochs": 2}
    weights = torch.arange(5000.0)
    state = {"hash": settings_hash(settings), "settings": '{"epochs": 2}', "model": {"w": weights}, "epoch": 1}
    save_state(path, state)
    assert torch.equal(load_state(path, settings)["model"]["w"], weights)
    data = bytearray(path.read_bytes())
    place = data.find(torch.arange(5000.0)[3000:3010].numpy().tobytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"last\.pt: not a whole resume state.*delete it"):
        load_state(path, settings)
