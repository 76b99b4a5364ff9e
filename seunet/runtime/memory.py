"""Freed memory that a process keeps, because the next step or image asks for as much again."""

import ctypes
import os
import sys

# of glibc's malloc.h
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 2**25  # bytes of a tensor, the most that glibc chooses by itself; larger ones go back at once


def keep_freed_memory() -> None:
    """Let glibc's malloc keep what is freed: the system clears each page that it gives, a tenth of a small step.

    Elsewhere, and where the environment says something about malloc, nothing changes. No peak grows.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
        library.mallopt(TRIM_THRESHOLD, 2**31 - 1)
