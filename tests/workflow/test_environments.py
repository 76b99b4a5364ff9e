"""Environments, lock file and package metadata agree, and each rule's environment has all that its script imports."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
NETWORKS = ROOT / "envs" / "networks.yaml"  # packages of other people's networks, which no rule of ours imports
ENVIRONMENTS = sorted(set((ROOT / "envs").glob("*.yaml")) - {NETWORKS})
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
TOOLS = {"nnunetv2"}  # which integrations are for; they are installed by who has them
FOLDERS = (ROOT, ROOT / "workflow" / "scripts")  # where our own modules are found


def name_of(requirement):
    """Return the normalised name of a distribution: what stands before a version."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s=<>!~;\[]", requirement, maxsplit=1)[0]).lower()


def pins(requirements):
    """Return {distribution: version} of requirements such as `torch==2.13.0`; no version is None."""
    return {name_of(line): line.partition("==")[2].strip() or None for line in requirements}


def environment(path):
    """Return the pins of the pip section of a conda environment."""
    sections = [entry for entry in yaml.safe_load(path.read_text())["dependencies"] if isinstance(entry, dict)]
    return pins(sections[0]["pip"])


@pytest.fixture(scope="module")
def lock():
    """Return the pins of requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return pins(line for line in lines if line.strip() and not line.startswith("#"))


@pytest.fixture(scope="module")
def project():
    """Return the requirements of pyproject.toml by distribution, those of its extras included."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = metadata["dependencies"] + sum(metadata["optional-dependencies"].values(), [])
    requirements = [Requirement(line) for line in lines]
    return {name_of(wanted.name): wanted.specifier for wanted in requirements if wanted.name != "seunet"}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_has_the_versions_of_the_lock_file(path, lock):
    found = environment(path)
    assert found and None not in found.values(), "every package of an environment has an exact version"
    assert found == {name: lock.get(name) for name in found}


def test_the_environment_of_other_peoples_networks_has_our_versions_and_pins_theirs(lock):
    found = environment(NETWORKS)
    assert None not in found.values() and {"torch", "monai", "segmentation-models-pytorch"} <= found.keys()
    assert found == {name: lock.get(name, version) for name, version in found.items()}


def test_the_lock_file_pins_what_the_project_allows(project, lock):
    assert project.keys() <= lock.keys()
    assert {name: version for name, version in lock.items() if name in project and version not in project[name]} == {}
    pinned = {name for name, wanted in project.items() if any(part.operator != ">=" for part in wanted)}
    assert not pinned, "pyproject.toml says what the code needs; pins belong to requirements.lock"


def test_python_of_the_environments_is_one_that_the_project_takes():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", wanted).groups()
    for path in ENVIRONMENTS:
        (python,) = [str(e) for e in yaml.safe_load(path.read_text())["dependencies"] if str(e).startswith("python=")]
        assert int(low) <= int(python.split(".")[1]) < int(high), path.name


FITS, SHIM = "#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 127\n"


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ({"python3.13": SHIM, "python3.12": FITS, "python3.11": FITS}, "python3.12 -m venv --clear none"),
        ({"python3": FITS}, "python3 -m venv --clear none"),
        ({"python3.13": SHIM, "uv": FITS}, "uv venv --quiet --seed --clear --python '>=3.11,<3.14' none"),
    ],
)
def test_make_takes_the_newest_python_that_runs_or_else_uv(programs, expected, tmp_path):
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    assert expected in plan_of_make(tmp_path)


def test_make_says_that_there_is_no_python(tmp_path):
    assert "nor uv" in plan_of_make(tmp_path)


def plan_of_make(programs):
    """Return what `make setup` would run where these programs are all that there is."""
    make = shutil.which("make") or pytest.skip("no make")
    command = [make, "--dry-run", "--no-print-directory", "VENV=none", "setup"]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": str(programs)}, capture_output=True, text=True, check=True)
    return done.stdout


def test_pins_exist(lock):
    """What is installed here is the lock file's version, so every pin is one that can be had."""
    installed = {name_of(d.metadata["Name"]): d.version.partition("+")[0] for d in importlib.metadata.distributions()}
    assert lock == {name: installed.get(name) for name in lock}


def scripts():
    """Return (rule, script, environment) of every rule of the workflow that has a script."""
    found = []
    for path in RULES:
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \t]+.*\n|\n)+)", path.read_text() + "\n", re.M):
            script = re.search(r'script:\s*"(.+?)"', body)
            conda = re.search(r'conda:\s*"(.+?)"', body)
            if script:
                assert conda, f"rule {name} names no environment"
                found.append((name, (path.parent / script[1]).resolve(), (path.parent / conda[1]).resolve()))
    return found


@pytest.mark.parametrize(("rule", "script", "conda"), scripts(), ids=lambda value: getattr(value, "stem", value))
def test_a_script_imports_nothing_that_its_environment_lacks(rule, script, conda):
    distributions = importlib.metadata.packages_distributions()
    available = environment(conda).keys()
    for module, importer in sorted(third_party(script).items()):
        providers = {name_of(distribution) for distribution in distributions.get(module, [module])}
        assert providers & available, f"rule {rule}: {importer} imports {module}, which {conda.name} lacks"


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.stem)
def test_an_environment_has_nothing_that_its_scripts_do_not_import(path):
    distributions = importlib.metadata.packages_distributions()
    modules = {module for _, script, conda in scripts() if conda == path for module in third_party(script)}
    used = {name_of(name) for module in modules for name in distributions.get(module, [module])}
    assert environment(path).keys() <= used


@pytest.mark.slow
def test_the_library_imports_nothing_that_the_project_does_not_name(project):
    distributions = importlib.metadata.packages_distributions()
    for file in (ROOT / "seunet").rglob("*.py"):
        for module, importer in third_party(file).items():
            if module in TOOLS and importer.is_relative_to("seunet/integrations"):
                continue
            providers = {name_of(distribution) for distribution in distributions.get(module, [module])}
            assert providers & project.keys(), f"{importer} imports {module}, which pyproject.toml lacks"


def test_every_rule_is_checked():
    rules = {name for path in RULES for name in re.findall(r"^rule (\w+):", path.read_text(), re.M)}
    assert rules == {rule for rule, _, _ in scripts()}


def third_party(script):
    """Return {module: importing file} of the other people's modules that a script imports, directly or through ours."""
    found, seen, waiting = {}, set(), [script]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for name in imported(file):
            ours = own_files(name)
            waiting += ours
            top = name.partition(".")[0]
            if not ours and top not in sys.stdlib_module_names and not own_files(top):
                found.setdefault(top, file.relative_to(ROOT))
    return found


def imported(file):
    """Yield the modules that a file imports; of `from a import b` also a.b, which may be a module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    lazy = {id(node) for node in ast.walk(tree) if is_lazy(node) for node in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in lazy:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if own_files(node.module))


def is_lazy(node):
    """Tell whether a module does without the imports of a node: of `__getattr__`, for type checkers, or if present."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if isinstance(node, ast.Try):  # where it is missing, a UserError names the extra
        caught = {handler.type.id for handler in node.handlers if isinstance(handler.type, ast.Name)}
        return bool(caught & {"ImportError", "ModuleNotFoundError"})
    return isinstance(node, ast.FunctionDef) and node.name == "__getattr__"


def own_files(module):
    """Return the files that importing one of our modules runs: its own and its packages'; none for others' modules."""
    parts = module.split(".")
    for folder in FOLDERS:
        base = folder.joinpath(*parts)
        last = base.with_suffix(".py") if base.with_suffix(".py").exists() else base / "__init__.py"
        if last.exists():
            packages = [folder.joinpath(*parts[:i], "__init__.py") for i in range(1, len(parts))]
            return [file for file in [*packages, last] if file.exists()]
    return []
