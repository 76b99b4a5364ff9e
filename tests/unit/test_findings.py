"""What findings/ promises of each script; the scripts themselves need PyPI and minutes: `make findings`."""

import os
import re
import subprocess
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "findings").glob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_finding_says_what_when_and_whom(script):
    text = script.read_text(encoding="utf-8")
    for field in ("Versions", "Date", "Who meets it", "Here", "Output seen"):
        assert f"# {field}" in text, field
    assert "import seunet" not in text and os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_finding_installs_pinned_packages_into_a_folder_that_it_removes(script):
    text = script.read_text(encoding="utf-8")
    (packages,) = re.findall(r"pip install --quiet (.*)", text)
    assert all("==" in package for package in packages.split())
    assert "mktemp -d" in text and 'rm -rf "$folder"\' EXIT' in text
