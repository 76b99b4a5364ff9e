"""Checksums of what each job made, so that no later job computes from a file that was changed or damaged since.

`results/checksums/{path of a file}.sha256`, a line as of sha256sum: `sha256sum --check` reads them too. A second line,
a comment for sha256sum, has the size and the time of the file, which a copy of the project loses.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic, sha256

FOLDER = Path("results", "checksums")
PLACE = FOLDER / "place"
STAMP = ".snakemake_timestamp"  # Snakemake keeps the time of an output that is a folder in a file of this name
NOTE = re.compile(r"([0-9a-f]{64})  .*\n# (\d+) bytes, written at (\d+)\n", re.DOTALL)
TOLERANCE = 2_000_000_000  # ns; archives and some file systems keep whole seconds


def record(made: Iterable[str]) -> None:
    """Write the checksums of the outputs of a job; folders are recorded file by file."""
    for file in files(made):
        about = file.stat()
        with atomic(note_of(file)) as temporary:
            note = f"{sha256(file)}  {file}\n# {about.st_size} bytes, written at {about.st_mtime_ns}\n"
            temporary.write_text(note, encoding="utf-8")


def restore_times() -> None:
    """In a copy of a project, set the time of each recorded file that did not change to when it was written.

    Snakemake compares times, and the files of a copy (`cp -r`, `rsync -r`, a clone with its results) have the time of
    the copying. In the original project nothing is set, so times from `snakemake --touch` stay. Errors are ignored.
    """
    with suppress(OSError):
        if not FOLDER.is_dir() or (PLACE.exists() and PLACE.read_text(encoding="utf-8") == place()):
            return
        for note in FOLDER.rglob("*.sha256"):
            restore_time(note, Path(str(note.relative_to(FOLDER)).removesuffix(".sha256")))
        PLACE.touch()
        PLACE.write_text(place(), encoding="utf-8")


def place() -> str:
    """Return the inode of the file PLACE. The file holds it in the project that wrote it, not in a copy."""
    return str(PLACE.stat().st_ino)


def restore_time(note: Path, file: Path) -> None:
    """Give one file its recorded time; see `restore_times`."""
    found = NOTE.fullmatch(note.read_text(encoding="utf-8"))
    if found is None or not file.is_file():  # notes of older versions have no time
        return
    checksum, size, written = found[1], int(found[2]), int(found[3])
    about = file.stat()
    if abs(about.st_mtime_ns - written) < TOLERANCE or about.st_size != size or sha256(file) != checksum:
        return
    os.utime(file, ns=(about.st_atime_ns, written))
    for folder in file.parents:
        if (folder / STAMP).is_file():
            os.utime(folder / STAMP, ns=(written, written))


def verify(used: Iterable[str]) -> dict[str, str]:
    """Return {file: sha256} of inputs; raise UserError for the first that differs from its recorded checksum.

    A file without a record was not made by a job, so it is not checked.
    """
    found = {}
    for file in files(used):
        note, found[str(file)] = note_of(file), sha256(file)
        if note.exists() and note.read_text(encoding="utf-8").split(" ")[0] != found[str(file)]:
            raise UserError(
                f"{file}: damaged or changed since it was made (its sha256 is not that of {note}); "
                f"delete it and run again, or, if the change is meant, delete {note}"
            )
    return found


def files(paths: Iterable[str]) -> Iterator[Path]:
    """Yield the files among paths below the working folder, and those inside the folders among them."""
    for path in map(Path, paths):
        if not path.is_absolute():
            yield from sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def note_of(file: Path) -> Path:
    """Return where the checksum of a file is kept."""
    return FOLDER / f"{file}.sha256"
