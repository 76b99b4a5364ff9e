"""Compiled operators on a CPU: the C++ files of this folder, built at first use and kept for later processes.

They need a C++ compiler ($CXX, or g++). acceleration.py says when they are called. Maps are channels-last; threads are
those of torch, through the OpenMP that torch has loaded.
"""

import ctypes
import functools
import hashlib
import logging
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seunet.runtime.processor import instructions

SOURCES = sorted(Path(__file__).parent.glob("*.cpp"))
HEADERS = sorted(Path(__file__).parent.glob("*.h"))
# no fused multiply-add: products are rounded as torch rounds them
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-fopenmp", "-std=c++17", "-fPIC")
C_TYPES = {
    torch.float32: "float",
    torch.bfloat16: "bfloat16",
    torch.int8: "int8_t",
    torch.int16: "int16_t",
    torch.int32: "int32_t",
}
POINTERS = {dtype: f"{name}*" for dtype, name in C_TYPES.items()}


def takes(x: Tensor) -> bool:
    """Tell whether the compiled code takes this tensor: on the CPU, not empty, and of a type that has a name in C++."""
    plain = type(x) in (Tensor, torch.nn.Parameter)
    return plain and x.is_cpu and x.dtype in C_TYPES and x.numel() > 0


def is_available() -> bool:
    """Tell whether there is compiled code: not with SEUNET_COMPILED=0, nor without a compiler."""
    return os.environ.get("SEUNET_COMPILED") != "0" and library() is not None


Argument = Tensor | int | float | None


def call(name: str, *arguments: Argument | Sequence[Argument]) -> None:
    """Call a compiled function; torch's threads come last.

    Tensors go as pointers to their memory, None as a null pointer, sequences as arrays of these or of int64. The name
    ends with the types of the numbers, such as float32: see `name_of`. Raises TypeError, before anything is called, if
    the arguments are not those that the library lists.
    """
    function, kinds = functions()[name]
    if len(arguments) != len(kinds):
        raise TypeError(f"{name}: takes {len(kinds)} arguments, got {len(arguments)}")
    values = []
    for i, (kind, value) in enumerate(zip(kinds, arguments, strict=True)):
        try:
            values.append(converted(kind, value))
        except TypeError as error:
            raise TypeError(f"{name}, argument {i}: {error}") from None
    function(*values, ctypes.c_int64(torch.get_num_threads()))


def converted(kind: str, value: Argument | Sequence[Argument]) -> Any:
    """Return an argument as C takes it; what it points to must live until the call returns.

    kind: its type in C++, such as `int64_t`, `float*` or `float**`, which is a sequence of tensors.
    """
    if isinstance(value, Tensor):
        if kind == POINTERS.get(value.dtype) and is_dense(value):
            return ctypes.c_void_p(value.data_ptr())
    elif kind == "int64_t" and isinstance(value, int):
        return ctypes.c_int64(value)
    elif kind == "double" and isinstance(value, int | float):
        return ctypes.c_double(value)
    elif kind.endswith("*") and value is None:
        return ctypes.c_void_p(None)
    elif kind.endswith("*") and isinstance(value, list | tuple):
        elements = [converted(kind[:-1], element) for element in value]
        return (type(elements[0]) * len(elements))(*elements)
    raise TypeError(f"expected {kind}, got {describe(value)}")


def is_dense(x: Tensor) -> bool:
    """Tell whether the numbers of a CPU tensor lie one behind another; those of (N, C, H, W) channels-last."""
    order = torch.channels_last if x.dim() == 4 else torch.contiguous_format
    return x.is_cpu and x.is_contiguous(memory_format=order)


def describe(value: object) -> str:
    """Return what an error says of an argument."""
    if isinstance(value, Tensor):
        return f"a tensor of {value.dtype} on {value.device}, shape {tuple(value.shape)}, strides {value.stride()}"
    return repr(value)


@functools.cache
def functions() -> dict[str, tuple[Callable[..., None], list[str]]]:
    """Return every function that the library lists, with the types of its arguments but for the number of threads.

    Raises OSError if a function does not end with that number: then `call` cannot call it.
    """
    code = library()
    if code is None:
        raise OSError("there is no compiled code")
    code.exported_functions.restype = ctypes.c_char_p
    found: dict[str, tuple[Callable[..., None], list[str]]] = {}
    for name, address, *kinds in map(str.split, code.exported_functions().decode().splitlines()):
        if kinds.pop() != "int64_t":
            raise OSError(f"{name}: the last argument has to be the number of threads, int64_t")
        found[name] = (ctypes.CFUNCTYPE(None)(int(address)), kinds)
    return found


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
    """Return the compiled code, or None, with one warning, where it cannot be compiled."""
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
    compiler = shlex.split(os.environ.get("CXX") or "g++")
    command = [*compiler, *FLAGS]
    version = subprocess.run([*compiler, "--version"], check=True, capture_output=True, text=True).stdout
    content = [file.read_text(encoding="utf-8") for file in SOURCES + HEADERS]
    key = hashlib.sha256("\n".join([*content, *command, version, *instructions()]).encode()).hexdigest()
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seunet"
    path = folder / f"layers-{key[:16]}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # processes may compile at once; each renames its own
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            new = Path(temporary) / path.name
            build(compiler, Path(temporary), new)
            new.replace(path)
    return path


def build(compiler: list[str], folder: Path, library: Path) -> None:
    """Compile and link. Not linked to OpenMP, so that at load time the one of torch is found, not a second one."""
    objects = [str(folder / f"{source.stem}.o") for source in SOURCES]
    for source, target in zip(SOURCES, objects, strict=True):
        run([*compiler, *FLAGS], "-c", str(source), "-o", target)
    run(compiler, "-shared", "-o", str(library), *objects)


def run(command: list[str], *arguments: str) -> None:
    """Run the compiler; its errors are raised."""
    subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
