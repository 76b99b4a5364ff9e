"""One checksum of many files, quickly: only files that changed since the last time are read."""

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic, sha256

CACHE = Path(".snakemake", "seunet", "contents.json")


def content_checksum(
    paths: Iterable[Path | str], root: Path, is_passed_over: Callable[[Path], bool] = lambda path: False
) -> str:
    """Return how many files there are and a checksum of their content, with their names below `root`.

    Files that `is_passed_over` names do not count.

    The checksum of a file is remembered with its size and times (in .snakemake/seunet), so that a dry run reads
    nothing. Where that cannot be written, every file is read every time.
    """
    known = read_cache()
    found, parts = {}, []
    for path in map(Path, paths):
        try:
            about = path.stat()
            key = [about.st_size, about.st_mtime_ns, about.st_ctime_ns]
            before = known.get(str(path), {})
            is_known = before.get("key") == key
            if not is_known and is_passed_over(path):
                continue
            checksum = before["sha256"] if is_known else sha256(path)
            found[str(path)] = {"key": key, "sha256": checksum}
        except OSError:  # the job that reads it says what is wrong
            checksum = "unreadable"
        parts.append(f"{path.relative_to(root).as_posix()} {checksum}")
    if any(known.get(path) != entry for path, entry in found.items()):
        with suppress(UserError, OSError), atomic(CACHE) as temporary:
            temporary.write_text(json.dumps(known | found), encoding="utf-8")
    digest = hashlib.sha256("\0".join(sorted(parts)).encode()).hexdigest()
    return f"{len(parts)} files, sha256 {digest}"


def read_cache() -> dict[str, dict]:
    """Return what was remembered of files; nothing where the memory is missing or damaged."""
    try:
        known = json.loads(CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
