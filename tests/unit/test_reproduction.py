"""docs/reproduction.md: every measured number of the page comes from the tables beside it."""

import importlib.util
import re

import pandas as pd
import pytest
from conftest import ROOT

PAGE = ROOT / "docs" / "reproduction.md"
TABLES = re.compile(r"<!-- (.+?) -->.*?<!-- end of \1 -->", re.DOTALL)


def script():
    """Return docs/reproduction.py as a module."""
    spec = importlib.util.spec_from_file_location("reproduction", ROOT / "docs" / "reproduction.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_page_are_written_from_the_csv_files():
    text = PAGE.read_text(encoding="utf-8")
    assert script().written(text) == text


def test_no_measured_number_stands_outside_of_the_tables():
    """Scales have a ×, and what the configuration sets is no measurement: neither has a point in front."""
    prose = TABLES.sub("", PAGE.read_text(encoding="utf-8")).partition("## What differs")[0]
    assert not re.findall(r"(?<![\d×])\.\d{2,}", prose)


def test_every_data_set_has_its_table_its_claims_and_its_figure():
    text = PAGE.read_text(encoding="utf-8")
    names = TABLES.findall(text)
    for dataset in pd.read_csv(ROOT / "docs" / "reproduction" / "scores.csv")["dataset"].unique():
        assert f"scores of {dataset}" in names and f"claims on {dataset}" in names
        assert f"figures/reproduction_{dataset}_iou.png" in text


def test_a_row_that_two_runs_measured_must_be_the_same():
    old = pd.DataFrame({"dataset": ["pet"], "model": ["unet"], "seed": [0], "scale": [1.0], "iou": [0.5]})
    key, more = ["dataset", "model", "seed", "scale"], old.assign(seed=1)
    assert len(script().joined(old, pd.concat([old, more]), key)) == 2
    with pytest.raises(SystemExit, match="1 rows differ from those of an earlier run"):
        script().joined(old, old.assign(iou=0.5000001), key)


def test_of_two_verdicts_on_a_claim_the_one_with_more_seeds_stays():
    old = pd.DataFrame({"claim": ["a", "b"], "dataset": "pet", "verdict": ["undecided", "supported"], "seeds": [1, 3]})
    new = pd.DataFrame({"claim": ["b", "a"], "dataset": "pet", "verdict": ["undecided", "supported"], "seeds": [2, 3]})
    assert script().decided(old, new)["verdict"].tolist() == ["supported", "supported"]
