"""The compiled max-plus convolution on a CPU: maxplus.cpp, built at first use and kept for later processes.

Needs a C++ compiler ($CXX, or g++). Without one, or on another device, maxplus.py does the same in torch, slower.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import shlex
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("maxplus.cpp")
# no fused multiply-add: products are rounded as torch rounds them
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-std=c++17", "-shared", "-fPIC")
DTYPES = (torch.float32, torch.bfloat16)


def usable(x: Tensor) -> bool:
    """Tell whether the compiled code takes this tensor; the first call compiles."""
    return x.device.type == "cpu" and x.dtype in DTYPES and x.numel() > 0 and library() is not None


def maximum(x: Tensor, penalty: Tensor, axis: int, stride: int, step: int, radius: int) -> tuple[Tensor, Tensor]:
    """Return max_k x(stride p + step k) − penalty k² along an axis of (N, C, H, W), and the number of the tap that won.

    The number counts the taps 0, −1, 1, −2, 2, … from 0; it is an int8 or int16. Both results are channels-last.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    outputs = -(-x.shape[axis] // stride)
    shape = [outputs if i == axis else side for i, side in enumerate(x.shape)]
    best = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
    place = torch.empty(shape, dtype=torch.int8 if radius < 64 else torch.int16, memory_format=torch.channels_last)
    outer, inner = lines(x, axis)
    penalty = penalty.float().repeat(inner // x.shape[1])
    sizes = (x.shape[axis], inner, outputs, stride, step, radius)
    each_part(f"maximum_{kind(x, place)}", outer, [x, None, best, place], [x, penalty, best, place], sizes)
    return best, place


def scatter(grad: Tensor, place: Tensor, shape: torch.Size, axis: int, stride: int, step: int) -> tuple[Tensor, Tensor]:
    """Return the gradients of `maximum`: for x, of the given shape, and for −penalty, (C,)."""
    grad = grad.contiguous(memory_format=torch.channels_last)
    grad_x = torch.empty(shape, memory_format=torch.channels_last).zero_()
    outer, inner = lines(grad_x, axis)
    squares = torch.zeros(outer, inner)
    sizes = (shape[axis], inner, grad.shape[axis], stride, step)
    parts = [grad, place, grad_x, squares]
    each_part(f"scatter_{kind(grad, place)}", outer, parts, parts, sizes)
    return grad_x.to(grad.dtype), squares.view(-1, shape[1]).sum(0)


def lines(x: Tensor, axis: int) -> tuple[int, int]:
    """Return how many lines along the axis follow each other in memory, and how many lie side by side."""
    batch, channels, height, width = x.shape
    return (batch, width * channels) if axis == 2 else (batch * height, channels)


def kind(x: Tensor, place: Tensor) -> str:
    """Return the end of the name of a compiled function, such as float32_int8."""
    return f"{x.dtype}_{place.dtype}".replace("torch.", "")


def each_part(name: str, outer: int, split: list, tensors: list[Tensor], sizes: tuple[int, ...]) -> None:
    """Call a compiled function on as many parts of the outer lines as torch has threads.

    Tensors of `split` that are None are the same for all parts. What a line gives does not depend on the parts.
    """
    function = getattr(library(), name)
    threads = min(torch.get_num_threads(), outer)
    bounds = [outer * i // threads for i in range(threads + 1)]

    def call(start: int, stop: int) -> None:
        pointers = [
            tensor.data_ptr() + (0 if whole is None else start * (tensor.numel() // outer) * tensor.element_size())
            for whole, tensor in zip(split, tensors, strict=True)
        ]
        function(*map(ctypes.c_void_p, pointers), ctypes.c_int64(stop - start), *map(ctypes.c_int64, sizes))

    if threads == 1:
        return call(0, outer)
    list(pool(threads).map(call, bounds[:-1], bounds[1:]))
    return None


@functools.cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Return the threads that share the work; ctypes lets them run at once."""
    return ThreadPoolExecutor(threads)


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the compiled code, or None, said once, where it cannot be compiled."""
    try:
        return ctypes.CDLL(str(compiled()))
    except (OSError, subprocess.SubprocessError) as error:
        reason = " ".join((getattr(error, "stderr", None) or str(error)).split())[:200]
        logging.getLogger(__name__).warning("pooling runs uncompiled, which is slower: no C++ compiler (%s)", reason)
        return None


def compiled() -> Path:
    """Return the library, compiled for this source, compiler and processor if no process did that before."""
    command = [*shlex.split(os.environ.get("CXX") or "g++"), *FLAGS]
    version = subprocess.run([command[0], "--version"], check=True, capture_output=True, text=True).stdout
    key = hashlib.sha256("\n".join([SOURCE.read_text(), *command, version, processor()]).encode()).hexdigest()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seunet"
    path = folder / f"maxplus-{key[:16]}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder
        ) as temporary:  # processes may compile at once; each renames its own
            new = Path(temporary) / path.name
            subprocess.run([*command, "-o", str(new), str(SOURCE)], check=True, capture_output=True, text=True)
            new.replace(path)
    return path


def processor() -> str:
    """Return what -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())
