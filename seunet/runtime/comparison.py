"""Comparison of two runs: what differs between their records (`run.json`, see `provenance`) and their tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seunet.runtime.errors import UserError
from seunet.runtime.provenance import RECORD
from seunet.runtime.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

MEASURED = ["seconds", "images_per_second", "peak_memory_mb"]  # columns that differ between any two runs


def compare_runs(first: Path, second: Path) -> tuple[list[str], bool]:
    """Return a line for each difference between two runs, and whether their tables agree.

    first, second: a folder of results, or its run.json. Columns of measured times and memory are not compared.
    """
    records = [read_record(first), read_record(second)]
    lines = []
    for key in ("status", "commit", "seeds", "versions", "hardware", "config", "inputs"):
        lines += list(differences(key, records[0].get(key), records[1].get(key)))
    one, two = (path if path.is_dir() else path.parent for path in (first, second))
    table_lines = [line for name in all_tables(records) for line in table_differences(name, one, two, *records)]
    return lines + table_lines, not table_lines


def read_record(path: Path) -> dict[str, Any]:
    """Return the record of a run; raise UserError if there is no record, or if the run has not ended."""
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
        yield f"{key}: {shortened(first)} → {shortened(second)}"


def shortened(value: Any) -> str:
    """Return a value as text. A text of more than 60 characters, such as a checksum, is cut to 40."""
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:40] + "…"


def all_tables(records: list[dict[str, Any]]) -> list[str]:
    """Return the tables of both runs, each once."""
    return list(dict.fromkeys(name for record in records for name in record["tables"]))


def table_differences(name: str, first: Path, second: Path, *records: dict[str, Any]) -> Iterator[str]:
    """Yield a line for each model whose rows of a table differ, with the largest difference."""
    sums = [record["tables"].get(name) for record in records]
    if sums[0] == sums[1]:
        return
    if None in sums:
        yield f"{name}: only in the {'second' if sums[0] is None else 'first'}"
        return
    files = [first / name, second / name]
    if not all(file.is_file() for file in files):
        yield f"{name}: differs ({shortened(sums[0][:12])} → {shortened(sums[1][:12])})"
        return
    tables = [read_table(file, empty=True).drop(columns=MEASURED, errors="ignore") for file in files]
    yield from row_differences(name, *tables)


def row_differences(name: str, first: "pd.DataFrame", second: "pd.DataFrame") -> Iterator[str]:
    """Yield a line for each data set and model whose values differ, and a line for rows that only one table has."""
    if list(first.columns) != list(second.columns):
        yield f"{name}: other columns: {', '.join(first.columns)} → {', '.join(second.columns)}"
        return
    kinds = {column: first[column].dtype.kind + second[column].dtype.kind for column in first}
    values = [column for column, kind in kinds.items() if kind in ("ff", "fi", "if") and column != "scale"]
    keys = [column for column in kinds if column not in values]
    mixed = dict.fromkeys([key for key in keys if not set(kinds[key]) <= set("fi") and len(set(kinds[key])) > 1], str)
    both = first.astype(mixed).merge(
        second.astype(mixed), on=keys, how="outer", suffixes=("", " of the second"), indicator=True
    )
    for side, count in both["_merge"].value_counts().items():
        if side != "both" and count:
            yield f"{name}: {count} rows only in the {'first' if side == 'left_only' else 'second'}"
    both = both[both["_merge"] == "both"]
    groups = [key for key in ("dataset", "model") if key in keys]
    for group, rows in both.groupby(groups, dropna=False) if groups else [((), both)]:
        found = [text for value in values if (text := gap(value, rows[value], rows[f"{value} of the second"]))]
        if found:
            yield f"{name}: {' '.join(map(str, group))}: {', '.join(found)}".replace(": :", ":")


def gap(name: str, first: "pd.Series", second: "pd.Series") -> str:
    """Return how far the values of two tables are apart, nothing where they are the same."""
    largest = (first - second).abs().max()  # of those that both have
    lone = int((first.isna() != second.isna()).sum())
    parts = [f"by up to {largest:.2g}"] * bool(largest > 0) + [f"{lone} empty in one of them"] * bool(lone)
    return f"{name} {' and '.join(parts)}" if parts else ""
