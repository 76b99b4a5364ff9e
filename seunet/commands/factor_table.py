"""magnification.csv beside class maps: the factor of its own pixels at which each image was shown."""

import csv
from collections.abc import Mapping, Sequence
from glob import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seunet.commands.inputs import Input
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic
from seunet.runtime.tables import header, read_rows

if TYPE_CHECKING:
    from seunet.experiment.factor_search import Magnification

TABLE = "magnification.csv"
COLUMNS = ["file", "factor", "score", "second_best", "margin"]
Row = dict[str, Any]


def row_of(found: "Magnification") -> Row:
    """Return the cells of the table for what was found."""
    second = found.second
    return {
        "factor": f"{found.factor:.4g}",
        "score": f"{found.best.score:.4f}",
        "second_best": f"{second.factor:.4g}" if second else "",
        "margin": f"{found.margin:.4f}" if second else "",
    }


def is_ours(path: Path, columns: Sequence[str] = COLUMNS) -> bool:
    """Tell whether a file is such a table."""
    try:
        return header(path) == [*columns]
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def refuse_other_table(output: Path) -> None:
    """Raise UserError where a file of the table's name is there that `predict` did not write."""
    path = output / TABLE
    if path.exists() and not is_ours(path):
        raise UserError(f"{path}: is there, and was not written by predict; name another folder for --output")


def update_table(output: Path, rows: Mapping[Input, Row | None]) -> None:
    """Write the rows of images that were answered, None for one without; rows of other answers stay."""
    path = output / TABLE
    there = read_rows(path) if is_ours(path) else []
    answers = {image.name.with_suffix("") for image in rows}
    kept: list[Row] = [{**row} for row in there if answer_of(Path(row["file"]), output) not in answers]
    new = kept + [{"file": str(image.path), **row} for image, row in rows.items() if row is not None]
    if new:
        write_rows(path, COLUMNS, new)
    elif there:
        path.unlink()


def answer_of(file: Path, output: Path) -> Path:
    """Return the name, without suffix, of the answer to an image: the longest end of its path that is there."""
    parts = file.with_suffix("").parts[file.is_absolute() :]
    names = [Path(*parts[i:]) for i in range(len(parts)) if ".." not in parts[i:]]
    return next((name for name in names if is_there(output / name, file)), names[-1])


def is_there(answer: Path, image: Path) -> bool:
    """Tell whether there is a file of that name with some suffix, other than the image itself."""
    return any(file.resolve() != image.resolve() for file in answer.parent.glob(escape(answer.name) + ".*"))


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write a CSV file; it is whole or not there."""
    text = StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
