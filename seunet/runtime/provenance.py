"""Where results come from: the record `run.json` of a run, and what differs between two."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic, sha256

if TYPE_CHECKING:
    import pandas as pd

RECORD = "run.json"
PACKAGES = ("torch", "numpy", "pandas", "scipy", "pillow", "matplotlib", "seaborn", "snakemake")
MEASURED = ["seconds", "images_per_second", "peak_memory_mb"]  # columns that no two runs share
ROOT = Path(__file__).parents[2]


def begin(config: dict[str, Any], results: Path, rules: dict[str, Any] | None = None) -> dict[str, Any]:
    """Write the record of a run that begins, with status `running`, and return it.

    It stays as it is if the run is killed. `config` is the configuration as resolved, defaults included; `rules` says
    of each rule how many jobs it has (`jobs`), and what rules they need (`after`).
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

    Inputs are the prepared arrays, which the networks see; those of the archives stand in the configuration.
    """
    inputs = [*results.glob("datasets/*/*/*.npy"), *results.glob("datasets/*/dataset.json")]
    tables = results.glob("tables/*.csv")
    checksums = {"inputs": checksums_of(inputs, results), "tables": checksums_of(tables, results)}
    write(record | {"status": status, "end": now()} | checksums, results)


def write(record: dict[str, Any], results: Path) -> None:
    """Write results/run.json."""
    with atomic(results / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def checksums_of(files: Iterator[Path] | list[Path], results: Path) -> dict[str, str]:
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
    """Return what git says of the repository of this file."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on, as far as they are installed."""
    installed = {entry.metadata["Name"].lower(): entry.version for entry in importlib.metadata.distributions()}
    return {"python": platform.python_version()} | {name: installed[name] for name in PACKAGES if name in installed}


def hardware() -> dict[str, Any]:
    """Return the machine on which the workflow was started: system, processor, cores, memory, GPUs."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30),
        "gpus": gpus(),
    }


def processor() -> str:
    """Return the name of the processor."""
    try:
        names = [
            line
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
    except OSError:
        names = []
    return names[0].partition(":")[2].strip() if names else platform.processor()


def gpus() -> list[str]:
    """Return the names of the GPUs, by their driver: torch need not be loaded for it."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        return subprocess.run(query, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]
    except (OSError, subprocess.CalledProcessError):
        return []


def compare(first: Path, second: Path) -> tuple[list[str], bool]:
    """Return what differs between two runs, a line each, and whether their tables agree.

    Each is a folder of results or its run.json. Columns of measured times and memory do not count.
    """
    records = [read(first), read(second)]
    lines = []
    for key in ("status", "commit", "seeds", "versions", "hardware", "config", "inputs"):
        lines += list(differences(key, records[0].get(key), records[1].get(key)))
    a, b = (path if path.is_dir() else path.parent for path in (first, second))
    tables = [line for name in all_tables(records) for line in table_differences(name, a, b, *records)]
    return lines + tables, not tables


def read(path: Path) -> dict[str, Any]:
    """Return the record of a run; raise UserError when there is none, or none of a run that ended."""
    file = path / RECORD if path.is_dir() else path
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{file}: not there; name a folder of results, or the run.json in it") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as the record of a run ({error})") from error
    if not isinstance(record, dict) or not isinstance(record.get("tables"), dict):
        raise UserError(f"{file}: not the record of a run that ended; finish that run first")
    return record


def differences(key: str, first: Any, second: Any) -> Iterator[str]:
    """Yield a line "key: first → second" for every leaf that differs."""
    if isinstance(first, dict) and isinstance(second, dict):
        for name in dict.fromkeys([*first, *second]):
            yield from differences(f"{key}.{name}", first.get(name), second.get(name))
    elif first != second:
        yield f"{key}: {shown(first)} → {shown(second)}"


def shown(value: Any) -> str:
    """Return a value for a line: short, and a checksum shorter still."""
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:40] + "…"


def all_tables(records: list[dict[str, Any]]) -> list[str]:
    """Return the tables of both runs, each once."""
    return list(dict.fromkeys(name for record in records for name in record["tables"]))


def table_differences(name: str, first: Path, second: Path, *records: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each model of a table whose rows differ, with the largest difference; none for equal tables."""
    sums = [record["tables"].get(name) for record in records]
    if sums[0] == sums[1]:
        return
    if None in sums:
        yield f"{name}: only in the {'second' if sums[0] is None else 'first'}"
        return
    files = [first / name, second / name]
    if not all(file.is_file() for file in files):
        yield f"{name}: differs ({shown(sums[0][:12])} → {shown(sums[1][:12])})"
        return
    import pandas as pd  # of the extra "figures": nothing else here needs it

    tables = [pd.read_csv(file).drop(columns=MEASURED, errors="ignore") for file in files]
    yield from row_differences(name, *tables)


def row_differences(name: str, first: "pd.DataFrame", second: "pd.DataFrame") -> Iterator[str]:
    """Yield a line per data set and model (or other text) whose values differ, and for rows that one table lacks."""
    values = [column for column in first.columns if first[column].dtype.kind == "f" and column != "scale"]
    keys = [column for column in first.columns if column not in values]
    if list(first.columns) != list(second.columns):
        yield f"{name}: other columns: {', '.join(first.columns)} → {', '.join(second.columns)}"
        return
    both = first.merge(second, on=keys, how="outer", suffixes=("", " of the second"), indicator=True)
    for side, count in both["_merge"].value_counts().items():
        if side != "both" and count:
            yield f"{name}: {count} rows only in the {'first' if side == 'left_only' else 'second'}"
    both = both[both["_merge"] == "both"]
    groups = [key for key in ("dataset", "model") if key in keys]
    for group, rows in both.groupby(groups) if groups else [((), both)]:
        gaps = {value: (rows[value] - rows[f"{value} of the second"]).abs().max() for value in values}
        found = [f"{value} by up to {gap:.2g}" for value, gap in gaps.items() if gap > 0]
        if found:
            yield f"{name}: {' '.join(map(str, group))}: {', '.join(found)}".replace(": :", ":")
