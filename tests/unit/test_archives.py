"""Fetching from a small server of all vices, and archives that must not be read."""

import contextlib
import gzip
import hashlib
import io
import struct
import tarfile
import threading
import tracemalloc
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seunet.data import archive_members, archives
from seunet.data.archives import fetch
from seunet.runtime.errors import UserError

CONTENT = bytes(range(256)) * 2000
SHA = hashlib.sha256(CONTENT).hexdigest()
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"


class Handler(BaseHTTPRequestHandler):
    """/good knows ranges, /plain does not, /cut breaks off once, /busy is 503 once, /html is a page."""

    def do_GET(self):  # noqa: N802
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        first = [path for path, _ in server.requests].count(self.path) == 1
        if self.path == "/html":
            return self.answer(200, HTML)
        if self.path == "/busy" and first:
            return self.answer(503, b"later")
        if self.path not in ("/good", "/plain", "/cut", "/busy", "/always-cut", "/gzip"):
            return self.answer(404, b"no")
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if self.path != "/plain" else 0
        if start >= len(CONTENT):
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(CONTENT)}"})
        cut = self.path == "/always-cut" or (self.path == "/cut" and first)
        extra = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        if self.path == "/gzip":
            extra["Content-Encoding"] = "gzip"
        return self.answer(206 if start else 200, CONTENT[start:], extra, send=1000 if cut else None)

    def answer(self, status, body, headers=(), send=None):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:send])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(archives, "BACKOFF", 0.01)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.url = [], f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/good", "/plain", "/cut", "/busy", "/gzip"])
def test_fetches(server, tmp_path, path):
    target = tmp_path / "new" / "a.bin"
    fetch(server.url + path, SHA.upper(), target)
    assert target.read_bytes() == CONTENT
    assert [file.name for file in target.parent.iterdir()] == ["a.bin"]
    if path == "/cut":
        assert server.requests[1] == ("/cut", "bytes=1000-")  # resumed, not begun again


def test_fetched_is_not_fetched_again(server, tmp_path):
    fetch(server.url + "/good", SHA, tmp_path / "a.bin")
    fetch(server.url + "/good", SHA, tmp_path / "a.bin")
    assert len(server.requests) == 1


@pytest.mark.parametrize("path", ["/good", "/plain"])
@pytest.mark.parametrize("left", [CONTENT[:5000], CONTENT, b"something else", CONTENT + b"more"])
def test_continues_or_discards_what_was_left(server, tmp_path, path, left):
    (tmp_path / "a.bin.partial").write_bytes(left)
    fetch(server.url + path, SHA, tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert not (tmp_path / "a.bin.partial").exists()


def test_cut_for_good_keeps_what_came(server, tmp_path):
    with pytest.raises(UserError, match="always-cut.*2 attempts.*next run continues it.*datasets.x.archives.y.url"):
        fetch(server.url + "/always-cut", SHA, tmp_path / "a.bin", retries=1, key="datasets.x.archives.y")
    assert (tmp_path / "a.bin.partial").read_bytes() == CONTENT[:2000]
    assert not (tmp_path / "a.bin").exists()
    fetch(server.url + "/good", SHA, tmp_path / "a.bin")
    assert server.requests[-1] == ("/good", "bytes=2000-")


@pytest.mark.parametrize(
    ("path", "sha", "said"),
    [
        ("/html", SHA, f"HTML page.*expected {SHA}, got .*{len(HTML)} bytes.*Set .*url"),
        ("/good", "0" * 64, f"another file.*expected 0+, got {SHA}, 512,000 bytes"),
        ("/none", SHA, "404 Not Found. Set .*url to another address"),
        ("/good", None, "sha256: missing"),
        ("/good", "", "sha256: missing"),
    ],
)
def test_refusals_name_the_address_and_leave_nothing(server, tmp_path, path, sha, said):
    with pytest.raises(UserError, match=said) as caught:
        fetch(server.url + path, sha, tmp_path / "a.bin")
    assert server.url + path in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) <= 1  # nothing of it gets better by asking again


def test_no_network(server, tmp_path):
    url = server.url + "/good"
    server.shutdown()
    server.server_close()
    with pytest.raises(UserError, match="cannot be reached .*refused.*2 attempts.*Set .*path of a file"):
        fetch(url, SHA, tmp_path / "a.bin", retries=1)


def test_pet_errors_name_the_other_host():
    advice = archives._advice("https://thor.robots.ox.ac.uk/~vgg/data/pets/images.tar.gz", "k")
    assert "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz" in advice


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_local_files(tmp_path, form):
    (tmp_path / "a b.bin").write_bytes(CONTENT)
    fetch(form.format(str(tmp_path / "a b.bin")), SHA, tmp_path / "out.bin")
    assert (tmp_path / "out.bin").read_bytes() == CONTENT


def test_local_path_is_relative_to_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)
    fetch("a.bin", SHA, tmp_path / "out.bin")
    assert (tmp_path / "out.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["none.bin", "file:///none.bin", "ftp://host/a", "/"])
def test_bad_local_addresses(tmp_path, url):
    with pytest.raises(UserError, match="key.url"):
        fetch(url, SHA, tmp_path / "out.bin", key="key")
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(source, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    (tmp_path / "a.bin").write_bytes(CONTENT)
    monkeypatch.setattr(archives.shutil, "copyfile", full)
    with pytest.raises(UserError, match="the disk is full"):
        fetch(str(tmp_path / "a.bin"), SHA, tmp_path / "out.bin")
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


# Reading archives


def tar(path, entries, mode="w:gz"):
    """Write {name: bytes or TarInfo} as a tar archive; pairs (name, …) may repeat."""
    with tarfile.open(path, mode) as archive:
        for name, entry in entries:
            info = entry if isinstance(entry, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = b"" if isinstance(entry, tarfile.TarInfo) else entry
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(path, entries):
    with contextlib.suppress(UserWarning), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def special(kind, name="x", link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


FILES = [("d/a.txt", b"one"), ("d/b.txt", b"two" * 1000), ("d/._b.txt", b"apple")]


@pytest.mark.parametrize("mode", ["w", "w:gz", "zip"])
def test_members(tmp_path, mode):
    path = tmp_path / "archive"
    zipped(path, FILES) if mode == "zip" else tar(path, FILES, mode)
    assert list(archive_members.read_members(path)) == FILES
    assert list(archive_members.read_members(path, lambda name: name == "d/b.txt")) == [FILES[1]]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (("../evil", b"x"), "leaves the folder"),
        (("d/../../evil", b"x"), "leaves the folder"),
        (("/etc/evil", b"x"), "leaves the folder"),
        (("C:\\evil", b"x"), "leaves the folder"),
        (("..\\evil", b"x"), "leaves the folder"),
        (("d/./a.txt", b"x"), "twice"),
    ],
)
@pytest.mark.parametrize("write", [tar, zipped])
def test_hostile_names(tmp_path, write, entry, said):
    with pytest.raises(UserError, match=said) as caught:
        list(archive_members.read_members(write(tmp_path / "a", [*FILES, entry]), lambda name: False))
    assert str(tmp_path / "a") in str(caught.value)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_tar_links_and_devices(tmp_path, kind):
    path = tar(tmp_path / "a", [("x", special(kind, link="/etc/passwd"))])
    with pytest.raises(UserError, match="link, a device"):
        list(archive_members.read_members(path))


def test_zip_links(tmp_path):
    link = zipfile.ZipInfo("x")
    link.external_attr = 0o120777 << 16
    with pytest.raises(UserError, match="link, a device"):
        list(archive_members.read_members(zipped(tmp_path / "a", [(link, "/etc/passwd")])))


@pytest.mark.parametrize("write", [tar, zipped])
def test_bombs(tmp_path, monkeypatch, write):
    path = write(tmp_path / "a", [(f"{i}", bytes(10_000)) for i in range(20)])
    monkeypatch.setattr(archive_members, "LIMIT", 100_000)
    with pytest.raises(UserError, match="refused, over"):
        list(archive_members.read_members(path))
    monkeypatch.setattr(archive_members, "FILE_LIMIT", 9_999)
    with pytest.raises(UserError, match="10,000 bytes, the limit is 9,999"):
        list(archive_members.read_members(path))


def test_bomb_behind_the_end_of_a_tar(tmp_path, monkeypatch):
    path = tar(tmp_path / "a", FILES)
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(5_000_000)))
    monkeypatch.setattr(archive_members, "LIMIT", 100_000)
    with pytest.raises(UserError, match="refused, over"):
        list(archive_members.read_members(path))


def peak_bytes(path):
    """Return the most memory that reading an archive takes; it must be refused."""
    tracemalloc.start()
    with pytest.raises(UserError, match="damaged"):
        list(archive_members.read_members(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_a_zip_that_holds_more_than_it_declares(tmp_path):
    actual, declared = 50_000_000, 1000
    path = zipped(tmp_path / "a", [("a", bytes(actual))])
    lie = path.read_bytes().replace(struct.pack("<I", actual), struct.pack("<I", declared))
    path.write_bytes(lie)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("a").file_size == declared
    assert peak_bytes(path) < 2_000_000


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_whose_method_unpacks_all_at_once(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a", "w", method) as archive:
        archive.writestr("a", b"a")
    with pytest.raises(UserError, match="member 'a': it is compressed otherwise than by deflate"):
        list(archive_members.read_members(tmp_path / "a"))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_tar_with_a_name_of_absurd_length(tmp_path, kind):
    header = special(kind)
    header.size = 50_000_000
    with gzip.open(tmp_path / "a", "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.GNU_FORMAT) + bytes(header.size))
    assert peak_bytes(tmp_path / "a") < 10_000_000  # two blocks of the stream among it


def test_a_tar_with_names_within_names(tmp_path):
    name = special(tarfile.GNUTYPE_LONGNAME)
    name.size = 5
    data = (name.tobuf(tarfile.GNU_FORMAT) + b"abcd".ljust(512, b"\0")) * 2000
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        list(archive_members.read_members(tmp_path / "a"))


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    form=st.sampled_from(["w", "w:gz", "zip"]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=5),
    kept=st.just(1.0) | st.floats(0, 1),
)
def test_any_damage_is_one_line(tmp_path, form, changes, kept):
    files = [("d/a.txt", b"one"), ("d/ü.txt", b"two" * 1000), ("e" * 150, b"y")]
    path = zipped(tmp_path / "a", files) if form == "zip" else tar(tmp_path / "a", files, form)
    data = bytearray(path.read_bytes())
    for place, byte in changes:
        data[int(place * len(data))] = byte
    path.write_bytes(data[: int(kept * len(data))])
    try:
        assert all(isinstance(content, bytes) for _, content in archive_members.read_members(path))
    except UserError as error:
        assert len(str(error).splitlines()) == 1 and str(path) in str(error)


@pytest.mark.parametrize("write", [tar, zipped])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_damage(tmp_path, write, damage):
    noise = hashlib.shake_128(b"noise").digest(50_000)
    data = write(tmp_path / "a", [("a", noise), ("b", noise)]).read_bytes()
    half = len(data) // 2
    flipped = data[:half] + bytes([data[half] ^ 255]) + data[half + 1 :]
    broken = {"cut": data[:-40], "flip": flipped, "empty": b"", "text": HTML * 50}[damage]
    (tmp_path / "a").write_bytes(broken)
    with pytest.raises(UserError, match="truncated, damaged, or no tar or zip") as caught:
        list(archive_members.read_members(tmp_path / "a"))
    assert str(tmp_path / "a") in str(caught.value)


def test_missing_archive_and_missing_members(tmp_path):
    with pytest.raises(UserError, match="no such archive"):
        list(archive_members.read_members(tmp_path / "none"))
    path = tar(tmp_path / "a", FILES)
    with pytest.raises(UserError, match="1 expected file.*d/c.txt"):
        list(
            archive_members.read_pairs(path, {"d/a.txt": "a", "d/c.txt": "c"}, path, {"d/b.txt": "a", "d/._b.txt": "c"})
        )
