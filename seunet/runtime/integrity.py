"""Checksums of what each job made, so that no later job computes from a file that was changed or damaged since.

`results/checksums/{path of a file}.sha256`, a line as of sha256sum: `sha256sum --check` reads them too.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic, sha256

FOLDER = Path("results", "checksums")


def record(made: Iterable[str]) -> None:
    """Write the checksums of the outputs of a job; folders are recorded file by file."""
    for file in files(made):
        with atomic(note_of(file)) as temporary:
            temporary.write_text(f"{sha256(file)}  {file}\n", encoding="utf-8")


def verify(used: Iterable[str]) -> None:
    """Raise UserError for the first input that differs from its checksum; what has none was not made here."""
    for file in files(used):
        note = note_of(file)
        if note.exists() and note.read_text(encoding="utf-8").split(" ")[0] != sha256(file):
            raise UserError(
                f"{file}: damaged or changed since it was made (its sha256 is not that of {note}); "
                f"delete it and run again, or, if the change is meant, delete {note}"
            )


def files(paths: Iterable[str]) -> Iterator[Path]:
    """Yield the files among paths below the working folder, and those inside the folders among them."""
    for path in map(Path, paths):
        if not path.is_absolute():
            yield from sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def note_of(file: Path) -> Path:
    """Return where the checksum of a file is kept."""
    return FOLDER / f"{file}.sha256"
