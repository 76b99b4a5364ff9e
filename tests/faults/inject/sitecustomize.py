"""Python imports this at its start: in the first job of the rule named by FAULT_RULE, it does FAULT_KIND.

Kills, memory, disk and permissions strike FAULT_DELAY seconds later, from a thread, wherever the job then is;
damage to an input strikes before the job reads anything.
"""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


def strike() -> None:
    """Do the fault of the environment."""
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


if armed():
    delay = float(os.environ["FAULT_DELAY"])
    if os.environ["FAULT_KIND"] in ("input truncated", "input corrupted", "clock jump"):
        strike()
    elif os.environ["FAULT_KIND"] != "second Snakemake":  # that one is started from outside
        timer = threading.Timer(delay, strike)
        timer.daemon = True
        timer.start()
