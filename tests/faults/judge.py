"""What a run left, against what an undisturbed one leaves."""

from pathlib import Path

import pandas as pd

from seunet.runtime.comparison import MEASURED
from seunet.runtime.files import sha256

UNCOMPARED = ("run.json", "checksums", "last.pt")  # they hold times, or are no results


def final_files(folder: Path) -> dict[str, str]:
    """Return {path: digest} of every file under a final name; digests of histories leave out measured columns."""
    results = folder / "results"
    files = [path for path in results.rglob("*") if path.is_file() and not path.name.startswith(".")]
    names = {str(path.relative_to(results)): path for path in sorted(files)}
    return {name: digest(path) for name, path in names.items() if not any(part in name for part in UNCOMPARED)}


def digest(path: Path) -> str:
    """Return what must be the same in two runs."""
    if path.name != "history.csv":
        return sha256(path)
    return pd.read_csv(path).drop(columns=MEASURED).to_csv(index=False)


def differences(expected: Path, got: Path, complete: bool, spared: str | None = None) -> list[str]:
    """Say what is wrong in the results of `got`: other content, too much, or (if it should be complete) missing.

    `spared` is a file that was damaged on purpose, under all its names (results/kept). A history may be the beginning
    of the expected one until the run is complete.
    """
    right, found = final_files(expected), final_files(got)
    damaged = [name for name in found if spared and (got / "results" / name).samefile(got / spared)]
    wrong = [f"{name}: not expected" for name in found.keys() - right.keys()]
    for name in found.keys() & right.keys():
        begun = not complete and name.endswith("history.csv") and right[name].startswith(found[name])
        if found[name] != right[name] and not begun and name not in damaged:
            wrong.append(f"{name}: differs")
    if complete:
        wrong += [f"{name}: missing" for name in right.keys() - found.keys()]
        wrong += [f"{path.name}: left behind" for path in got.rglob("results/**/last.pt")]
    return sorted(wrong)
