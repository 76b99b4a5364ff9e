"""What `import seunet` offers: every documented name, and torch only when a name needs it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import seunet

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", seunet.__all__)
def test_every_name_of_the_package_is_there_and_documented(name: str) -> None:
    assert getattr(seunet, name).__doc__
    assert name in dir(seunet)
    assert f"`{name}`" in seunet.__doc__


def test_all_names_the_lazy_ones() -> None:
    assert {*seunet.PLACES, "UserError"} == set(seunet.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        seunet.nothing  # noqa: B018


def test_no_floor_imports_the_door_of_the_house() -> None:
    """`seunet/__init__` offers names of the upper floors: a module that imports from it imports upwards."""
    floors = {path.name for path in (ROOT / "seunet").iterdir()}
    for file in (ROOT / "seunet").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "seunet":
                assert {alias.name for alias in node.names} <= floors, file


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("seunet", {"torch", "pandas", "matplotlib", "numpy", "scipy"}),
        ("seunet.cli", {"torch", "pandas", "matplotlib", "numpy", "scipy"}),
        ("seunet.experiment.training, seunet.experiment.application", {"torch._dynamo", "sympy"}),  # as long as torch
    ],
)
def test_imports_do_not_wait_for_packages_that_are_not_needed(modules: str, heavy: set[str]) -> None:
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


def test_the_page_of_commands_is_what_their_help_says() -> None:
    """After a change of a command: make reference."""
    command = [sys.executable, "-m", "typer", "seunet.cli", "utils", "docs", "--name", "seunet"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert out.strip() == (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8").strip()
