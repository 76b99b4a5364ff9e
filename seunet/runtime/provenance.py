"""Where results come from: the record `run.json` of a run. `comparison` compares two such records."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seunet.runtime.files import atomic, sha256
from seunet.runtime.processor import cpuinfo, instructions

RECORD = "run.json"
PACKAGES = ("torch", "numpy", "pandas", "scipy", "pillow", "matplotlib", "seaborn", "snakemake")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16")
ROOT = Path(__file__).parents[2]


def begin(config: dict[str, Any], results: Path, rules: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write the record of a run that begins, with status `running`, and return it.

    If the run is killed, the record keeps this status.

    config: the configuration as resolved, defaults included. rules: {rule: {"jobs": how many, "after": rules that they
    need}}.
    """
    record = {
        "status": "running",
        "start": now(),
        "end": None,
        "commit": commit(),
        "versions": versions(),
        "hardware": hardware(),
        "seeds": sorted({seed for run in config["runs"] for seed in run["seeds"]}),
        "config": config,
        "rules": rules or {},
    }
    write(record, results)
    return record


def finish(record: dict[str, Any], results: Path, status: str) -> None:
    """Write the record of a run that ended: status `complete` or `failed`, and the checksums of inputs and tables.

    The inputs are the prepared arrays, which the networks read. The checksums of the archives are in the configuration.
    """
    inputs = [*results.glob("datasets/*/*/*.npy"), *results.glob("datasets/*/dataset.json")]
    tables = results.glob("tables/*.csv")
    checksums = {"inputs": checksums_of(inputs, results), "tables": checksums_of(tables, results)}
    write(record | {"status": status, "end": now()} | checksums, results)


def write(record: dict[str, Any], results: Path) -> None:
    """Write results/run.json."""
    with atomic(results / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def checksums_of(files: Iterable[Path], results: Path) -> dict[str, str]:
    """Return the sha256 of files, by their path below the results."""
    return {file.relative_to(results).as_posix(): sha256(file) for file in sorted(files)}


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def commit() -> str | None:
    """Return the commit of the code, with `-dirty` where tracked files differ from it; None outside a repository."""
    try:
        git("ls-files", "--error-unmatch", str(Path(__file__)))  # another repository may lie around an installed copy
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def git(*arguments: str) -> str:
    """Return the output of a git command in the repository of this file."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on, as far as they are installed."""
    installed = {entry.metadata["Name"].lower(): entry.version for entry in importlib.metadata.distributions()}
    return {"python": platform.python_version()} | {name: installed[name] for name in PACKAGES if name in installed}


def hardware() -> dict[str, Any]:
    """Return the machine on which the workflow was started: system, processor, instructions, cores, memory, GPUs.

    Processors of one name may have other vector instructions, and then the same configuration gives other bits.
    """
    known = instructions()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": cpuinfo("model name"),
        "instructions": " ".join(name for name in INSTRUCTIONS if name in known),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "gpus": gpus(),
    }


def gpus() -> list[str]:
    """Return the names of the GPUs from their driver, so that torch need not be imported."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(query, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
    except (OSError, subprocess.CalledProcessError):
        return []
