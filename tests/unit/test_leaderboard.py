"""docs/leaderboard.md: every number of its tables comes from the tables of scores beside it."""

import re
import sys

import pytest
import torch
from conftest import ROOT

from seunet.models import build_model
from seunet.runtime.tables import read_table

sys.path.append(str(ROOT / "docs"))
import leaderboard  # noqa: E402

TEXT = leaderboard.PAGE.read_text(encoding="utf-8")


def test_the_tables_of_the_page_are_written_from_the_csv_files():
    assert leaderboard.written(TEXT) == TEXT


def test_no_score_stands_outside_of_the_tables():
    """Three digits are a score; settings have fewer."""
    prose = re.sub(r"<!-- (.+?) -->.*?<!-- end of \1 -->|```.*?```", "", TEXT, flags=re.DOTALL)
    assert not re.findall(r"(?<![\d×])\.\d{3,}(?! for)", prose)


def test_every_network_with_scores_is_one_of_the_configuration():
    cost, scores = read_table(leaderboard.COST), read_table(leaderboard.SCORES)
    named = {run for name in leaderboard.networks() for run in (name, leaderboard.twin(name))}
    assert set(leaderboard.networks()) == set(cost["model"]) and set(scores["model"]) <= named


def test_the_row_of_a_network_that_is_not_of_the_page_is_printed(capsys):
    """As the page's own line of the same scores, the mean over seeds."""
    scores = read_table(leaderboard.SCORES)
    mine = scores[(scores["dataset"] == "hela") & (scores["model"] == "unet")].assign(model="mine", label="Mine")
    leaderboard.print_rows(mine)
    title, _, printed = capsys.readouterr().out.splitlines()
    hela = TEXT.split("<!-- networks on hela -->")[1]
    cells = re.search(r"\| U-Net \|(?:[^|]+\|){3}((?:[^|]+\|){6})", hela)
    assert title == "hela:" and printed == f"| Mine |{cells[1]}"


@pytest.mark.parametrize("part", ["blur_pooling", "instance_norm"])
def test_a_swapped_part_changes_the_answers_alone(part, monkeypatch):
    monkeypatch.chdir(ROOT)
    torch.manual_seed(0)
    images = torch.rand(1, 3, 16, 24)
    swapped = build_model(f"config.swapped_parts:{part}", 3, 2, width=2, depth=2).eval()
    usual = build_model("unet", 3, 2, width=2, depth=2).eval()
    usual.load_state_dict(swapped.state_dict(), strict=False)
    assert swapped(images).shape == usual(images).shape and swapped.size_multiple == 4
    assert not torch.allclose(swapped(images), usual(images))
