"""Files that are either whole or not there: written under a temporary name, then renamed."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seunet.runtime.errors import UserError


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it to `path` when the block ends well, remove it otherwise.

    The temporary name keeps the suffix, because many writers choose the format by it.
    Raises UserError when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):  # where the folder has become read-only, what went wrong before is the thing to say
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give an empty temporary folder; move its files into `folder` when the block ends well.

    Otherwise nothing stays: neither a file nor a folder that was not there before. Raises UserError as `atomic`.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".", suffix=".partial", dir=folder))
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        yield temporary
        for file in sorted(temporary.iterdir()):
            file.replace(folder / file.name)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with suppress(OSError):  # the first that is not empty
            for path in missing:
                path.rmdir()


def folders_below(top: Path | str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Do as os.walk, but follow links, though no ring of them, and raise UserError for a folder that may not be read.

    os.walk leaves out both in silence.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise read_error(error.filename, error) from error

    above: dict[Path, frozenset[str]] = {}  # of each folder, the real ones that it lies in
    for folder, inner, files in os.walk(top, onerror=refuse, followlinks=True):
        if not os.access(folder, os.X_OK):  # names can be listed, and nothing be opened
            raise read_error(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
        real = above.pop(Path(folder), frozenset()) | {os.path.realpath(folder)}
        inner[:] = [name for name in inner if os.path.realpath(Path(folder, name)) not in real]
        yield folder, inner, files
        above |= {Path(folder, name): real for name in inner}


def read_error(folder: Path | str, error: OSError) -> UserError:
    """Return the UserError for a folder that cannot be read."""
    if isinstance(error, PermissionError):
        return UserError(f"{folder}: no permission to read it; change its permissions")
    return UserError(f"{folder}: cannot be read ({error.strerror}); mend or remove it")


def write_error(path: Path, error: OSError) -> Exception:
    """Return the UserError for a failed write to `path`, or the error itself when it is no such failure."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"{path}: the disk is full; nothing was kept of it. Free some space and run again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(f"{path}: no permission to write here; change the permissions or the working folder")
    return error


def sha256(path: Path | str) -> str:
    """Return the sha256 of a file in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
