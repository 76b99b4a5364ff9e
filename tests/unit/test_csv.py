"""How tables are read: a name is any text, a number is the one that was written, and there is one reader."""

import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from seunet.runtime import tables
from seunet.runtime.comparison import row_differences
from seunet.runtime.errors import UserError
from seunet.runtime.tables import read_table, write_table

NAMES = ["NA", "nan", "null", "None", "010", "1e3", "true", "-", ""]


def test_a_name_is_any_text(tmp_path: Path) -> None:
    written = pd.DataFrame(dict.fromkeys(sorted(tables.TEXT), NAMES) | {"iou": 0.5})
    write_table(written, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv"), written)


def test_numbers_are_those_that_were_written(tmp_path: Path) -> None:
    written = pd.DataFrame({"iou": [0.1 + 0.2, 2 / 3, 1e-300, float("nan")], "tp": [2**53 + 1, 0, 1, 2]})
    write_table(written, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "table.csv", ["iou", "tp"]), written, check_exact=True)
    with pytest.raises(UserError, match="column 'tp' holds text where numbers are expected"):
        (tmp_path / "table.csv").write_text("tp\n1\nNA\n")
        read_table(tmp_path / "table.csv", ["tp"])


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        ({"model": "NA", "iou": 0.5}, {"model": "NA", "iou": 0.7}, "t: NA NA: iou by up to 0.2"),
        ({"model": "a", "iou": 0.5}, {"model": "a", "iou": float("nan")}, "t: NA a: iou 1 empty in one of them"),
        ({"model": "a", "iou": 1}, {"model": "a", "iou": 0.5}, "t: NA a: iou by up to 0.5"),
        ({"model": "010", "iou": 0.5}, {"model": "10", "iou": 0.5}, "t: 1 rows only in the first"),
        ({"model": "a", "note": "x"}, {"model": "a", "note": 1.5}, "t: 1 rows only in the first"),
    ],
)
def test_whatever_differs_is_found(tmp_path: Path, first: dict, second: dict, line: str) -> None:
    read = []
    for row in (first, second):
        write_table(pd.DataFrame([{"dataset": "NA"} | row]), tmp_path / "t.csv")
        read.append(read_table(tmp_path / "t.csv"))
    assert line in row_differences("t", *read)
    assert list(row_differences("t", read[0], read[0])) == []


def test_there_is_one_reader() -> None:
    readers = re.compile(r"\bread_csv\b|\b(?:pd|pandas)\.read_\w+|\b(?:genfromtxt|loadtxt|DictReader)\b|csv\.reader")
    folders = ("seunet", "workflow", "docs", "benchmarks")
    files = [file for name in folders for kind in ("*.py", "*.smk") for file in (ROOT / name).rglob(kind)]
    assert [file for file in files if readers.search(file.read_text(encoding="utf-8"))] == [Path(tables.__file__)]
