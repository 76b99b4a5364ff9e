"""Fetching archives from the network or the disk: resumed when cut, verified before they get their name."""

import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from tqdm import tqdm

from seunet.runtime.errors import UserError
from seunet.runtime.files import sha256 as sha256_of
from seunet.runtime.files import write_error

BACKOFF = 2.0  # seconds before the first retry, doubled each time
TIMEOUT = (15, 60)  # seconds to connect, and without a byte
CHUNK = 2**18
LOG_INTERVAL = 15.0  # seconds between the lines of progress in a log
ALTERNATIVES = {"https://thor.robots.ox.ac.uk/~vgg/data/pets/": "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"}
_NETWORK = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


class _TransientError(Exception):
    """A failure that another attempt may mend."""


def fetch(
    url: str,
    sha256: str,
    path: Path | str,
    retries: int = 4,
    key: str = "datasets.<data set>.archives.<archive>",
) -> None:
    """Bring the file at `url` (https, http, file:// or a path) to `path`, if its content has this sha256.

    A download that was cut stays as `{path}.partial`; the next attempt or run continues it, when the server
    knows HTTP ranges. `key` is the place in the configuration that errors point to. Raises UserError: no
    checksum, nothing there, no network after `retries` more attempts, another content than expected (it is
    then removed), disk full.
    """
    path = Path(path)
    if not sha256:
        raise UserError(f"{key}.sha256: missing, and no archive is used unverified; give the sha256 of {url}")
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and sha256_of(path) == sha256.lower():
            return
        scheme = urlsplit(url).scheme.lower()
        if scheme in ("http", "https"):
            _download_verified(url, sha256.lower(), partial, retries, key)
        elif scheme in ("", "file"):
            _copy(url, partial, key)
            _verify(partial, sha256.lower(), url, key)
        else:
            raise UserError(f"{key}.url: {url}: {scheme!r} is not known; use https, http, file:// or a path")
        partial.replace(path)
    except OSError as error:
        failure = write_error(path, error)
        if isinstance(failure, UserError):
            with suppress(OSError):  # where the folder has become read-only
                partial.unlink(missing_ok=True)
        raise failure from error


def _copy(url: str, partial: Path, key: str) -> None:
    source = Path(unquote(urlsplit(url).path)) if url.lower().startswith("file:") else Path(url).expanduser()
    if not source.is_file():
        raise UserError(f"{key}.url: {url}: no such file ({source.absolute()}); correct the path or give an address")
    shutil.copyfile(source, partial)


def _download_verified(url: str, sha256: str, partial: Path, retries: int, key: str) -> None:
    """Download and verify, again after failures that may pass; what was resumed and is wrong starts anew."""
    for attempt in range(retries + 1):
        resumed = partial.exists()
        try:
            _download(url, partial, key)
        except _TransientError as failure:
            if attempt == retries:
                kept = " What came so far is kept, and the next run continues it." if partial.exists() else ""
                raise UserError(f"{url}: {failure}, in {retries + 1} attempts.{kept} {_advice(url, key)}") from failure
            wait = BACKOFF * 2**attempt
            print(f"{url}: {failure}; again in {wait:g} s", file=sys.stderr, flush=True)
            time.sleep(wait)
            continue
        try:
            _verify(partial, sha256, url, key)
        except UserError:
            if not resumed or attempt == retries:
                raise
            print(f"{url}: the resumed download has a wrong sha256; from the start", file=sys.stderr, flush=True)
            continue
        return


def _download(url: str, partial: Path, key: str) -> None:
    """Make one attempt to complete `partial`; _TransientError when the connection or the server fails."""
    have = partial.stat().st_size if partial.exists() else 0
    # identity: some servers label a .tar.gz as an encoding, and it would be unpacked on the way
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except requests.exceptions.SSLError as error:
        raise UserError(
            f"{url}: the certificate was refused ({error}); set REQUESTS_CA_BUNDLE. {_advice(url, key)}"
        ) from error
    except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
        raise UserError(f"{key}.url: {url}: not an address; correct it") from error
    except _NETWORK as error:
        raise _TransientError(f"cannot be reached ({_reason(error)})") from error
    with response:
        if response.status_code == 416:  # nothing beyond what we have, or something else by now
            if response.headers.get("Content-Range", "").endswith(f"/{have}"):
                return
            partial.unlink()
            raise _TransientError("the server cannot continue the download")
        if response.status_code >= 500 or response.status_code in (408, 429):
            raise _TransientError(f"the server answered {response.status_code} {response.reason}")
        if response.status_code not in (200, 206):
            raise UserError(f"{url}: the server answered {response.status_code} {response.reason}. {_advice(url, key)}")
        continues = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        if response.status_code == 206 and not continues:
            partial.unlink(missing_ok=True)
            raise _TransientError("the server sent another part than the one asked for")
        _receive(response, partial, have if continues else 0)


def _receive(response: requests.Response, partial: Path, have: int) -> None:
    """Write the body of a response after the first `have` bytes of `partial`."""
    length = response.headers.get("Content-Length", "")
    total = have + int(length) if length.isdigit() else None
    with partial.open("ab" if have else "wb") as file, _Progress(partial.stem, have, total) as progress:
        stream = response.raw.stream(CHUNK, decode_content=False)
        while True:
            try:
                chunk = next(stream, b"")
            except _NETWORK as error:
                raise _TransientError(f"the connection broke after {file.tell():,} bytes ({_reason(error)})") from error
            if not chunk:
                break
            file.write(chunk)
            progress.advance(len(chunk))
        if total is not None and file.tell() != total:
            raise _TransientError(f"truncated: {file.tell():,} of {total:,} bytes came")


def _verify(partial: Path, expected: str, url: str, key: str) -> None:
    """Remove `partial` and raise UserError unless its sha256 is the expected one."""
    got = sha256_of(partial)
    if got == expected:
        return
    size = partial.stat().st_size
    with partial.open("rb") as file:
        head = file.read(2048).lower()
    html = b"<html" in head or b"<!doctype html" in head
    partial.unlink()
    what = "an HTML page came instead of the archive" if html else "another file, or another version of it, came"
    raise UserError(
        f"{url}: {what}: sha256 expected {expected}, got {got}, {size:,} bytes; it was removed. "
        f"{_advice(url, key, checksum=True)}"
    )


def _advice(url: str, key: str, checksum: bool = False) -> str:
    for start, other in ALTERNATIVES.items():
        if url.startswith(start):
            return f"Set {key}.url to {other}{url.removeprefix(start)} or to the path of a file that you have"
    also = f" (and {key}.sha256, if you trust the file)" if checksum else ""
    return f"Set {key}.url to another address or to the path of a file that you have{also}"


def _reason(error: Exception) -> str:
    """Return the innermost cause in a few words: the outer layers of requests repeat it at length."""
    while (inner := getattr(error, "reason", None) or error.__cause__ or error.__context__) is not None:
        if not isinstance(inner, Exception):
            break
        error = inner
    return str(error).split(": ", 1)[-1].replace("\n", " ")[:200] or type(error).__name__


class _Progress:
    """A progress bar on a terminal; in a log, a line every LOG_INTERVAL seconds."""

    def __init__(self, name: str, have: int, total: int | None):
        self.name, self.done, self.total, self.last_line = name, have, total, time.monotonic()
        self.bar = None
        if sys.stderr.isatty():
            self.bar = tqdm(desc=name, initial=have, total=total, unit="B", unit_scale=True)

    def __enter__(self) -> "_Progress":
        return self

    def advance(self, count: int) -> None:
        self.done += count
        if self.bar is not None:
            self.bar.update(count)
        elif time.monotonic() - self.last_line > LOG_INTERVAL:
            self.last_line = time.monotonic()
            self._print_line()

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
        else:
            self._print_line()

    def _print_line(self) -> None:
        total = f" of {self.total / 1e6:.1f}" if self.total else ""
        print(f"{self.name}: {self.done / 1e6:.1f}{total} MB", file=sys.stderr, flush=True)
