"""Reading files straight out of tar and zip archives, one at a time, refusing those that could do harm."""

import errno
import gzip
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from seunet.runtime.errors import UserError

LIMIT = 20 * 2**30  # bytes, unpacked, of a whole archive: more is taken for a bomb
FILE_LIMIT = 2**30  # bytes of one file, since it is read into memory
NAME_LIMIT = 2**20  # bytes of a header that holds a long name: tarfile reads it into memory before anyone may ask


def read_members(path: Path | str, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the files of a .tar, .tar.gz or .zip archive that are `wanted`, in its order.

    Nothing is unpacked to disk and one file is in memory at a time. Raises UserError when the archive is
    missing, truncated or damaged, and for members that no honest data set has: absolute paths, paths that
    leave the folder, links, devices, names given twice, a file over FILE_LIMIT, more than LIMIT bytes in all.
    No more of a file is unpacked than the archive declares, whatever lies behind.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        read = _zip_members if magic.startswith(b"PK") else _tar_members
        yield from read(path, _Guard(path), wanted)
    except (UserError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such archive; download it first") from error
    except Exception as error:  # tarfile and zipfile raise nearly anything on damaged archives
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: of a wild offset
            raise
        raise UserError(
            f"{path}: truncated, damaged, or no tar or zip archive ({error}); remove it and run again"
        ) from error


def read_pairs(
    images: Path | str, image_names: dict[str, str], masks: Path | str, mask_names: dict[str, str]
) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield (sample, image file, mask file) for {member: sample} of two archives (or one, given twice).

    The order is that of the archive of images; all the mask files, which are small, are held in memory.
    Raises UserError when a member is missing.
    """
    found = {mask_names[name]: data for name, data in read_members(masks, mask_names.__contains__)}
    _require(masks, [name for name, sample in mask_names.items() if sample not in found])
    missing = dict(image_names)
    for name, data in read_members(images, image_names.__contains__):
        sample = missing.pop(name)
        yield sample, data, found.pop(sample)
        if not missing:
            return
    _require(images, list(missing))


def _require(path: Path | str, missing: list[str]) -> None:
    if missing:
        raise UserError(
            f"{path}: {len(missing)} expected file(s) are not in it, {missing[0]} for one; "
            "is it the right archive? Check its url and sha256"
        )


class _Guard:
    """Checks of every member, wanted or not."""

    def __init__(self, path: Path):
        self.path, self.total = path, 0
        self.seen: set[str] = set()

    def check(self, name: str, size: int, is_file: bool, is_folder: bool) -> None:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or re.match("[A-Za-z]:", name):
            self.refuse(name, "its path leaves the folder")
        if not (is_file or is_folder):
            self.refuse(name, "it is a link, a device or a sparse file")
        if is_file and str(parts) in self.seen:
            self.refuse(name, "the name occurs twice")
        if is_file:
            self.seen.add(str(parts))
        if size > FILE_LIMIT:
            self.refuse(name, f"it has {size:,} bytes, the limit is {FILE_LIMIT:,}")
        self.grow(size)

    def grow(self, size: int) -> None:
        self.total += size
        if self.total > LIMIT:
            raise UserError(f"{self.path}: refused, over {LIMIT / 2**30:g} GiB when unpacked; use the official archive")

    def refuse(self, name: str, reason: str) -> None:
        raise UserError(f"{self.path}: refused, member {name!r}: {reason}; use the official archive")


def _tar_members(path: Path, guard: _Guard, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    # gzip.open rather than tarfile's own "r|gz": that one takes a cut file for a finished one, unchecked.
    with (gzip.open if compressed else open)(path, "rb") as stream:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=2**20, tarinfo=_Header) as tar:
            for member in tar:
                # a sparse file may claim any size
                guard.check(member.name, member.size, member.isfile() and not member.issparse(), member.isdir())
                if member.isfile() and wanted(member.name) and (content := tar.extractfile(member)):
                    yield member.name, content.read()
                tar.members = []  # type: ignore[attr-defined]  # tarfile keeps every header otherwise
        while rest := stream.read(2**20):  # to the end, where gzip keeps its checksum
            guard.grow(len(rest))


class _Header(tarfile.TarInfo):
    """The header of a member; one that announces a name of absurd length is refused."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        header = super().frombuf(buf, encoding, errors)
        if header.type not in (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE) and header.size > NAME_LIMIT:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes")
        return header


def _zip_members(path: Path, guard: _Guard, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)  # 0 when made on Windows
            plain = kind in (0, stat.S_IFREG) and not member.is_dir()
            guard.check(member.filename, member.file_size, plain, member.is_dir() and kind in (0, stat.S_IFDIR))
        for member in archive.infolist():
            if member.flag_bits & 1:
                guard.refuse(member.filename, "it is encrypted")
            if not member.is_dir() and wanted(member.filename):
                # the others are unpacked in one go, whatever size is declared
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    guard.refuse(member.filename, "it is compressed otherwise than by deflate")
                with archive.open(member) as file:
                    yield member.filename, file.read(member.file_size)
