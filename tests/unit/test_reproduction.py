"""docs/reproduction.md: every measured number of the page comes from the tables beside it."""

import importlib.util
import re

import pandas as pd
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
