"""Compiled operators on a CPU: the C++ files of this folder, built at first use and kept for later processes.

They need a C++ compiler ($CXX, or g++). Without one, or on another device, the modules that call them do the same in
torch, slower. Maps are channels-last; threads are those of torch, through the OpenMP that torch has loaded.
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
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
HEADERS = sorted(Path(__file__).parent.glob("*.h"))
# no fused multiply-add: products are rounded as torch rounds them
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-fopenmp", "-std=c++17", "-fPIC")
DTYPES = (torch.float32, torch.bfloat16)


def usable(x: Tensor) -> bool:
    """Tell whether the compiled code takes this tensor; the first call compiles."""
    return x.device.type == "cpu" and x.dtype in DTYPES and x.numel() > 0 and library() is not None


Argument = Tensor | int | float | None


def call(name: str, *arguments: Argument | Sequence[Argument]) -> None:
    """Call a compiled function; torch's threads come last.

    Tensors go as pointers to their memory, None as a null pointer, sequences as arrays of these or of int64. The name
    ends with the types of the numbers, such as float32: see `name_of`.
    """
    getattr(library(), name)(*map(converted, arguments), ctypes.c_int64(torch.get_num_threads()))


def converted(value: Argument | Sequence[Argument]) -> object:
    """Return an argument as C takes it; what it points to must live until the call returns."""
    if isinstance(value, list | tuple):
        elements = [converted(element) for element in value]
        return (type(elements[0]) * len(elements))(*elements)
    if isinstance(value, int):
        return ctypes.c_int64(value)
    if isinstance(value, float):
        return ctypes.c_double(value)
    return ctypes.c_void_p(None if value is None else value.data_ptr())


def name_of(function: str, *tensors: Tensor) -> str:
    """Return the name of a compiled function for the types of these tensors, such as dilate_float32_int8."""
    return "_".join([function, *(str(x.dtype).removeprefix("torch.") for x in tensors)])


def channels_last(x: Tensor) -> Tensor:
    """Return (N, C, H, W) with channels-last memory."""
    return x.contiguous(memory_format=torch.channels_last)


def empty(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str = "cpu") -> Tensor:
    """Return room for a channels-last map (N, C, H, W)."""
    return torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last)


@functools.cache
def library() -> ctypes.CDLL | None:
    """Return the compiled code, or None, said once, where it cannot be compiled."""
    try:
        return ctypes.CDLL(str(compiled()))
    except (OSError, subprocess.SubprocessError) as error:
        reason = " ".join((getattr(error, "stderr", None) or str(error)).split())[:200]
        logging.getLogger(__name__).warning(
            "layers run uncompiled, which is slower: no C++ compiler that works (%s)", reason
        )
        return None


def compiled() -> Path:
    """Return the library, compiled for these sources, compiler and processor if no process did that before."""
    command = [*shlex.split(os.environ.get("CXX") or "g++"), *FLAGS]
    version = subprocess.run([command[0], "--version"], check=True, capture_output=True, text=True).stdout
    content = [file.read_text(encoding="utf-8") for file in SOURCES + HEADERS]
    key = hashlib.sha256("\n".join([*content, *command, version, processor()]).encode()).hexdigest()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seunet"
    path = folder / f"layers-{key[:16]}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # processes may compile at once; each renames its own
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            new = Path(temporary) / path.name
            build(command, Path(temporary), new)
            new.replace(path)
    return path


def build(command: list[str], folder: Path, library: Path) -> None:
    """Compile and link. Not linked to OpenMP, so that at load time the one of torch is found, not a second one."""
    objects = [str(folder / f"{source.stem}.o") for source in SOURCES]
    for source, target in zip(SOURCES, objects, strict=True):
        run(command, "-c", str(source), "-o", target)
    run([command[0]], "-shared", "-o", str(library), *objects)


def run(command: list[str], *arguments: str) -> None:
    """Run the compiler; its errors are raised."""
    subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)


def processor() -> str:
    """Return what -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())
