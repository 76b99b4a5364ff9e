"""What Snakemake asks of conda, answered without it: for the test of `--use-conda`, see docs/cluster.md.

`env create` makes a virtual environment with the packages of the file's pip section and what they require, and nothing
else. They are links to what is installed beside this Python, so no download is needed; versions must be those of the
file. Snakemake puts the folder of its own packages behind them: there the environment finds Snakemake alone,
and what Snakemake imports.
"""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import yaml
from packaging.requirements import Requirement

VERSION = "24.9.2"
ACTIVATE = 'export CONDA_PREFIX="$1" PATH="$1/bin:$PATH"\n'
ALONE = """
import importlib.machinery as machinery
import sys

OTHERS = {others!r}
KINDS = (
    (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
)


class Shut(machinery.FileFinder):
    def find_spec(self, name, target=None):
        frame = sys._getframe(1)
        while "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        snakemakes = name == "snakemake" or frame.f_code.co_filename.startswith(OTHERS)
        return super().find_spec(name, target) if snakemakes else None


def shut(path):
    if path != OTHERS:
        raise ImportError
    return Shut(path, *KINDS)


sys.path_hooks.insert(0, shut)
"""


def main(arguments: list[str]) -> int:
    """Answer a command line; return the exit status."""
    match arguments:
        case ["--version"]:
            print(f"conda {VERSION}")
        case ["info", "--json"]:
            print(json.dumps({"conda_prefix": str(Path(sys.argv[0]).parent), "platform": "linux-64"}))
        case ["config", "--get", "channel_priority", "--json"]:
            print(json.dumps({"get": {"channel_priority": "strict"}}))
        case ["clean", *_]:
            pass
        case ["env", "create", *options]:
            create(Path(options[options.index("--file") + 1]), Path(options[options.index("--prefix") + 1]))
        case _:
            print(f"the stand-in for conda does not know {' '.join(arguments)}", file=sys.stderr)
            return 2
    return 0


def create(file: Path, prefix: Path) -> None:
    """Make the environment of a file at a place."""
    (pins,) = [entry["pip"] for entry in yaml.safe_load(file.read_text())["dependencies"] if isinstance(entry, dict)]
    subprocess.run([sys._base_executable, "-m", "venv", "--without-pip", prefix], check=True)
    (site,) = prefix.glob("lib/python*/site-packages")
    for distribution in closure(pins):
        for top in {entry.parts[0] for entry in distribution.files if ".." not in entry.parts}:
            if top != "__pycache__" and not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    others = importlib.metadata.distribution("snakemake").locate_file("")
    (site / "sitecustomize.py").write_text(ALONE.format(others=str(others).rstrip("/")))


def closure(pins: list[str]) -> list[importlib.metadata.Distribution]:
    """Return the distributions that pins ask for, and all that those require."""
    found, waiting = {}, [Requirement(pin) for pin in pins]
    while waiting:
        wanted = waiting.pop()
        distribution = importlib.metadata.distribution(wanted.name)
        if not wanted.specifier.contains(distribution.version, prereleases=True):
            raise SystemExit(f"{wanted} is asked for, and {distribution.version} is installed")
        if wanted.name not in found:
            found[wanted.name] = distribution
            required = map(Requirement, distribution.requires or [])
            waiting += [entry for entry in required if not entry.marker or entry.marker.evaluate({"extra": ""})]
    return list(found.values())


def install(folder: Path) -> Path:
    """Write `conda` and `bin/activate` to a folder; return what to put in front of PATH."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "activate").write_text(ACTIVATE)
    command = folder / "conda"
    command.write_text(
        f'#!{sys.executable}\nimport runpy, sys\nsys.exit(runpy.run_path({__file__!r})["main"](sys.argv[1:]))\n'
    )
    command.chmod(0o755)
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
