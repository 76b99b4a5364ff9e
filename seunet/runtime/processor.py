"""The processor of this machine."""

import platform
from pathlib import Path


def cpuinfo(*keys: str) -> str:
    """Return what /proc/cpuinfo says first under any of the keys; on other systems than Linux the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(keys)), platform.machine())


def instructions() -> list[str]:
    """Return the names of the processor's instructions, on x86 and ARM."""
    return cpuinfo("flags", "Features").split()
