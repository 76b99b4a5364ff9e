"""CSV tables: the one place that reads and writes them.

A name may be any text, "NA", "null", "nan" or "010" too. So the columns in TEXT are read as they are written, and only
of the others are empty cells and "nan" missing values. A test finds any other reader.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic

if TYPE_CHECKING:
    import pandas as pd

TEXT = {"dataset", "model", "label", "class", "file", "window", "stage"}
TEXT |= {"claim", "better", "worse", "verdict", "warning", "missing", "log"}
MISSING = ["", "nan", "NaN"]  # of numbers


def read_table(path: Path | str, columns: Sequence[str] | None = None, empty: bool = False) -> "pd.DataFrame":
    """Read `columns` of a CSV file, or all of them.

    Raises UserError when the file is missing or damaged, lacks a column, has no row (unless `empty`), or when one of
    `columns` that is not in TEXT holds text.
    """
    import pandas as pd  # of the extra "figures", which `seunet info` does without

    try:
        numbers = [name for name in header(path) if name not in TEXT]
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(TEXT, str),
            keep_default_na=False,
            na_values=dict.fromkeys(numbers, MISSING),
        )
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run the step that writes it") from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: empty or not a CSV table; delete it and run the step that writes it") from error
    wanted = list(table.columns if columns is None else columns)
    if missing := [name for name in wanted if name not in table.columns]:
        raise UserError(f"{path}: column '{missing[0]}' is missing; expected {', '.join(wanted)}")
    if table.empty and not empty:
        raise UserError(f"{path}: no rows below the header; delete it and run the step that writes it")
    for name in [] if columns is None else [name for name in wanted if name not in TEXT]:
        if len(table) and not pd.api.types.is_numeric_dtype(table[name]):
            raise UserError(f"{path}: column '{name}' holds text where numbers are expected")
    return table[wanted]


def header(path: Path | str) -> list[str]:
    """Return the names of the columns of a CSV file."""
    with Path(path).open(newline="", encoding="utf-8") as lines:
        return next(csv.reader(lines), [])


def read_rows(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Return the rows of a table as text, none where it is not there; needs no pandas."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


def cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line, as text."""
    return next(csv.reader([line], delimiter=delimiter))


def write_table(table: "pd.DataFrame", path: Path | str) -> None:
    """Write a CSV file, whole or not at all; missing values become empty cells."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False)
