"""The wheel, alone with what it asks for: it imports, predicts, and says which extra a command needs."""

import importlib.metadata
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement

import seunet
from seunet.commands.demo import workflow_files
from seunet.runtime.extras import missing_extra


def closure(requirement: str, found: set[str]) -> set[str]:
    """Return the names of a distribution and of all that it needs without extras, as far as they are installed."""
    name = Requirement(requirement).name
    if name.lower() not in found:
        found.add(name.lower())
        for line in importlib.metadata.requires(name) or []:
            marker = Requirement(line).marker
            if marker is None or marker.evaluate({"extra": ""}):
                closure(line, found)
    return found


def link(name: str, site: Path) -> None:
    """Show a distribution that is installed here to another environment."""
    distribution = importlib.metadata.distribution(name)
    for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(distribution.locate_file(top))


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    """Return the Python of an environment with nothing but the wheel and what it needs without extras."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"  # setuptools leaves its own files beside what it builds
    shutil.copytree(ROOT / "seunet", source / "seunet", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name, file in workflow_files().items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, source / name)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source]
    subprocess.run(build, check=True, cwd=folder)
    (wheel,) = folder.glob("seunet-*.whl")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    needed = [line for line in metadata(site).get_all("Requires-Dist") if "extra ==" not in line]
    for name in set().union(*(closure(line, set()) for line in needed)):
        link(name, site)
    return python


def metadata(site: Path):
    """Return the metadata of the wheel that was installed."""
    (distribution,) = importlib.metadata.distributions(path=[str(site)], name="seunet")
    return distribution.metadata


def run(python: Path, *arguments: str, status: int = 0) -> str:
    """Run a command of the clean environment outside the clone; return what it prints."""
    command = [python, "-I", *arguments]
    result = subprocess.run(command, cwd=python.parent, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.mark.slow
def test_a_wheel_works_with_what_it_asks_for(clean):
    code = (
        "import importlib.metadata, importlib.resources, importlib.util, seunet, torch; "
        "model = seunet.build_model('seunet', 3, 2, width=2, depth=1); "
        "shape = tuple(model(torch.rand(1, 3, 16, 16)).shape); "
        "print(seunet.__version__, importlib.metadata.version('seunet'), shape); "
        "print((importlib.resources.files('seunet') / 'py.typed').is_file(), seunet.__file__); "
        "print([name for name in ('pandas', 'matplotlib', 'snakemake') if importlib.util.find_spec(name)])"
    )
    shape, typed, extra = run(clean, "-c", code).splitlines()[-3:]
    assert shape == f"{seunet.__version__} {seunet.__version__} (1, 2, 16, 16)"
    assert typed.startswith("True ") and str(clean.parents[1]) in typed, "the wheel's own, not the clone's"
    assert extra == "[]"


@pytest.mark.slow
def test_the_command_of_a_wheel_helps_and_names_the_extra_that_it_lacks(clean, tmp_path):
    code = "from seunet.cli import app; app()"
    assert "predict" in run(clean, "-c", code, "--help")
    for name, value in (("first", 1), ("second", 2)):
        folder = tmp_path / name / "tables"
        folder.mkdir(parents=True)
        (folder / "scores.csv").write_text(f"model,iou\nunet,{value}.0\n")
        (tmp_path / name / "run.json").write_text(f'{{"tables": {{"tables/scores.csv": "{value}"}}}}')
    said = run(clean, "-c", code, "compare", str(tmp_path / "first"), str(tmp_path / "second"), status=1)
    assert said.strip().splitlines()[-1] == (
        "error: this needs pandas, which is not installed; pip install 'seunet[figures]'"
    )


@pytest.mark.slow
def test_a_wheel_brings_the_workflow(clean):
    code = "from seunet.commands.demo import workflow_files; print(*sorted(workflow_files()))"
    assert run(clean, "-c", code).split() == sorted(workflow_files())


def test_a_missing_package_is_named_with_its_extra():
    error = ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib.figure")
    assert missing_extra(error) == "this needs matplotlib, which is not installed; pip install 'seunet[figures]'"
    assert missing_extra(ModuleNotFoundError("No module named 'torch'", name="torch")) is None
    assert missing_extra(ModuleNotFoundError("No module named 'my_nets'", name="my_nets")) is None
