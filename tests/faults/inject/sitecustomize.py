"""Python imports this at its start: in the first job of the rule named by FAULT_RULE, it does FAULT_KIND.

FAULT_MOMENT says when: after "1.5 s" of processor time, from a thread, wherever the job then is, or at "write 3": when
the job is about to create, rename or remove a file of results/ or resources/ for the third time. Damage to an input
strikes before the job reads anything. FAULT_MARK exists once the job has begun, FAULT_MARK.struck once it is struck;
for the moment "count", FAULT_MARK.undisturbed says how many writes there were, and how many seconds.
"""

import atexit
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path


def strike() -> None:
    """Do the fault of the environment."""
    Path(os.environ["FAULT_MARK"] + ".struck").touch()
    kind, seed = os.environ["FAULT_KIND"], int(os.environ["FAULT_SEED"])
    target = Path(os.environ["FAULT_TARGET"])
    if kind == "kill job":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "terminate job":
        os.kill(os.getpid(), signal.SIGTERM)
    elif kind == "kill all":
        kill_session()
    elif kind == "terminate all":
        os.kill(os.getsid(0), signal.SIGTERM)
    elif kind == "disk full":
        fill(target, keep=seed % 40_000)
    elif kind == "read-only folder":
        subprocess.run(["mount", "-o", "remount,bind,ro", str(target)], check=True)
    elif kind == "out of memory":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + seed % 2**22
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    elif kind == "input truncated":
        damage(target, lambda data: data[: seed % len(data)])
    elif kind == "input corrupted":
        place = seed % target.stat().st_size
        damage(target, lambda data: data[:place] + bytes([data[place] ^ 1 << seed % 8]) + data[place + 1 :])
    elif kind == "clock jump":
        jump(seed)
    else:
        raise ValueError(kind)


def kill_session() -> None:
    """SIGKILL to Snakemake and all its jobs, as when the power goes."""
    session = os.getsid(0)
    for process in [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]:
        try:
            if os.getsid(process) == session and process != os.getpid():
                os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass
    os.kill(os.getpid(), signal.SIGKILL)


def fill(folder: Path, keep: int) -> None:
    """Fill the disk, but for a few bytes."""
    with (folder / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**16))
        except OSError:
            file.truncate(max(file.tell() - keep, 0))


def damage(path: Path, change) -> None:
    """Change a file behind the back of everything that looks at times."""
    stat = path.stat()
    path.write_bytes(change(path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def jump(seed: int) -> None:
    """Let the clock of this process jump, and all that was made before bear times of the other clock."""
    seconds = (1 if seed % 2 else -1) * (3600 + seed % 30_000_000)
    real = time.time
    time.time = lambda: real() + seconds
    for path in [*Path("results").rglob("*"), *Path("resources").rglob("*")]:
        with suppress(FileNotFoundError):  # the job goes on meanwhile, and renames
            os.utime(path, (real() - seconds,) * 2)


def armed() -> bool:
    """Tell whether this is the script of the rule, and the first such."""
    rule = os.environ.get("FAULT_RULE")
    if not rule or not any(part.endswith(f".{rule}.py") for part in sys.orig_argv):
        return False
    try:
        os.close(os.open(os.environ["FAULT_MARK"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


class Writes:
    """Counts the writes of this process to results/ and resources/; does something at one of them."""

    def __init__(self, number: int, action) -> None:
        self.number, self.action, self.seen = number, action, 0
        self.folders = tuple(str(Path(name).absolute()) for name in ("results", "resources"))
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple) -> None:
        """Python calls this before whatever it does to a file."""
        writes = event in ("os.rename", "os.remove") or (event == "open" and (arguments[2] or 0) & WRITING)
        if writes and isinstance(arguments[0], str | os.PathLike) and self.ours(arguments[0]):
            self.seen += 1
            if self.seen == self.number:
                self.action()

    def ours(self, path: str | os.PathLike) -> bool:
        """Tell whether a path is one of a result."""
        return str(Path(path).absolute()).startswith(self.folders)


WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def after(seconds: float) -> None:
    """Strike from a thread after so much of the processor's time, which is the same on a busy machine."""

    def watch() -> None:
        while time.process_time() < seconds:
            time.sleep(0.005)
        strike()

    threading.Thread(target=watch, daemon=True).start()


def arm(kind: str, moment: str) -> None:
    """Let the fault strike at its moment."""
    words = moment.split()
    if kind.startswith("input"):
        strike()
    elif kind == "second Snakemake":  # that one is started from outside
        Path(os.environ["FAULT_MARK"] + ".struck").touch()
    elif words[0] == "write":
        Writes(int(words[1]), strike)
    elif words[0] == "count":
        writes, note = Writes(0, None), Path(os.environ["FAULT_MARK"] + ".undisturbed")
        atexit.register(lambda: note.write_text(f"{writes.seen} {time.process_time()}"))
    else:
        after(float(words[0]))


if armed():
    arm(os.environ["FAULT_KIND"], os.environ["FAULT_MOMENT"])
