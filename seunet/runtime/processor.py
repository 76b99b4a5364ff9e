"""The processor of this machine."""

import platform
from pathlib import Path


def cpuinfo(key: str) -> str:
    """Return what /proc/cpuinfo says of the first processor; on other systems than Linux the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), platform.machine())


def instructions() -> str:
    """Return the instructions of the processor, separated by blanks."""
    return cpuinfo("Features" if platform.machine() == "aarch64" else "flags")
