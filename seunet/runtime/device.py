"""The device of a job: a GPU that no other job on this machine holds, or the CPU."""

import os
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock, Timeout

POLL_SECONDS = 5.0
_held: list[FileLock] = []  # a lock keeps its GPU for as long as this process lives, however it ends


@cache  # a process claims one GPU, however often it asks
def best_device() -> torch.device:
    """Return a visible GPU (see CUDA_VISIBLE_DEVICES) of this process' own, else the CPU; say which.

    Jobs that share a machine, as those of `snakemake --resources gpu=2`, so get a GPU each, and wait when there are
    more jobs than GPUs. Under Slurm a job sees its own GPUs only, and never waits.
    """
    cards = visible_cards()
    if not cards:
        print("device: cpu (no GPU is visible)", file=sys.stderr, flush=True)
        return torch.device("cpu")
    index = claim(cards)
    torch.cuda.set_device(index)
    device = torch.device("cuda", index)
    print(f"device: {device}, {device_name(device)}, {cards[index]}", file=sys.stderr, flush=True)
    return device


def visible_cards() -> list[str]:
    """Return the identity of each visible GPU, which unlike its index is the same in every process."""
    if not torch.cuda.is_available():
        return []
    return [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]


def claim(cards: list[str], folder: Path | None = None) -> int:
    """Return the index of the first card that no other process of this user holds, and hold it; wait for one."""
    folder = folder or Path(tempfile.gettempdir()) / f"seunet-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    waited = False
    while True:
        for index, card in enumerate(cards):
            lock = FileLock(folder / f"{card}.lock", blocking=False)
            with suppress(Timeout):
                lock.acquire()
                _held.append(lock)
                return index
        if not waited:
            print(f"waiting: other jobs hold all {len(cards)} visible GPUs", file=sys.stderr, flush=True)
        waited = True
        time.sleep(POLL_SECONDS)


def device_name(device: torch.device) -> str:
    """Return the name of the device for the record."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
