"""Files count by content, and copies get the times of their originals back."""

import json
import os
import shutil

import pytest

from seunet.runtime import content_checksums, integrity


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("images/a.png", "masks/a.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def of(folder):
    return content_checksums.content_checksum(sorted(folder.glob("*s/*.png")), folder)


def test_content_and_names_count_and_times_do_not(folder):
    before = of(folder)
    os.utime(folder / "images" / "a.png", (1, 1))
    assert of(folder) == before and before.startswith("2 files, sha256 ")
    (folder / "images" / "a.png").write_bytes(b"images/b.png")
    assert of(folder) != before
    (folder / "images" / "a.png").write_bytes(b"images/a.png")
    assert of(folder) == before
    (folder / "images" / "a.png").rename(folder / "images" / "b.png")
    assert of(folder) != before


def test_what_did_not_change_is_not_read_again(folder, monkeypatch):
    before = of(folder)
    with monkeypatch.context() as patch:
        patch.setattr(content_checksums, "sha256", lambda path: pytest.fail(f"{path} was read"))
        assert of(folder) == before
    (folder / content_checksums.CACHE).write_text("[damaged")
    assert of(folder) == before


def test_files_that_are_passed_over_do_not_count(folder):
    before = of(folder)
    (folder / "images" / "answer.png").write_bytes(b"answer")
    files = sorted(folder.glob("*s/*.png"))
    assert content_checksums.content_checksum(files, folder, lambda path: path.stem == "answer") == before
    assert of(folder) != before


def test_a_file_that_cannot_be_read_is_left_to_the_job_that_reads_it(folder):
    assert content_checksums.content_checksum(
        [folder / "images" / "a.png", folder / "images" / "gone.png"], folder
    ).startswith("2 files")


def test_where_nothing_can_be_remembered_all_is_read(folder, monkeypatch):
    monkeypatch.setattr(content_checksums, "CACHE", folder / "images" / "a.png" / "cache.json")
    assert of(folder) == of(folder)


def test_a_copy_gets_its_times_back_and_what_was_changed_does_not(folder, monkeypatch):
    made = folder / "results" / "a.npy"
    (folder / "results" / "drawn").mkdir(parents=True)
    for name in ("a.npy", "b.npy", "drawn/c.npy"):
        (folder / "results" / name).write_bytes(name.encode())
        os.utime(folder / "results" / name, (1_000_000_000, 1_000_000_000))
    integrity.record(["results/a.npy", "results/b.npy", "results/drawn"])
    integrity.verify(["results/a.npy"])
    integrity.restore_times()
    shutil.copytree("results", "copy/results", copy_function=shutil.copy)
    monkeypatch.chdir(folder / "copy")
    copy = folder / "copy" / "results"
    (copy / "b.npy").write_bytes(b"B.npy")
    (copy / "drawn" / integrity.STAMP).touch()
    integrity.restore_times()
    assert (copy / "a.npy").stat().st_mtime == made.stat().st_mtime == 1_000_000_000
    assert (copy / "drawn" / integrity.STAMP).stat().st_mtime == 1_000_000_000
    assert (copy / "b.npy").stat().st_mtime > 1_000_000_000
    (copy / "a.npy").touch()  # on purpose, since this is no new copy
    integrity.restore_times()
    assert (copy / "a.npy").stat().st_mtime > 1_000_000_000


def test_notes_of_older_runs_and_damaged_ones_are_left_alone(folder):
    for name, text in {
        "a": "abc  results/a\n",
        "b": "",
        "c": json.dumps({}),
        "d": "x  y\n# many bytes, at 3 o'clock",
    }.items():
        note = integrity.FOLDER / f"results/{name}.sha256"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(text)
        (folder / "results" / name).touch()
    before = {file: file.stat().st_mtime_ns for file in (folder / "results").glob("?")}
    integrity.restore_times()
    assert {file: file.stat().st_mtime_ns for file in before} == before and len(before) == 4
