"""The documentation: its links lead somewhere, and its pictures can be drawn."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)")
HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
FOLDERS = (".", "config", "results", "tests", "findings", "slurm", "workflow")
PAGES = [*(file for folder in FOLDERS for file in (ROOT / folder).glob("*.md")), *(ROOT / "docs").rglob("*.md")]


def anchors(page: Path) -> set[str]:
    """Return what a link to a heading of a page may end in, as GitHub makes it."""
    headings = HEADING.findall(re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.relative_to(ROOT)}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.relative_to(ROOT)}: no heading for {link}"


@pytest.mark.slow
@pytest.mark.parametrize("script", ["border", "jitter", "lifting", "magnification", "operators", "windows"])
def test_the_pictures_can_be_drawn(tmp_path: Path, script: str) -> None:
    (tmp_path / "figures").mkdir()
    shutil.copytree(ROOT / "docs" / "scores", tmp_path / "scores")
    shutil.copy(ROOT / "docs" / f"{script}.py", tmp_path)
    subprocess.run([sys.executable, f"{script}.py"], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
    assert list((tmp_path / "figures").glob("*.png"))
