"""What records the operators of torch, if anything does: each recorder takes away more of what eager torch may do."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import torch
from torch import Tensor


class Recorder(IntEnum):
    """What records, from the least to the most demanding."""

    NONE = 0  # eager torch: compiled code may be used
    COMPILE = 1  # torch.compile, or a dispatch mode: operators of torch alone
    TRANSFORM = 2  # torch.jit.trace, torch.func: no autograd functions of our own
    EXPORT = 3  # torch.export: to be run elsewhere, on images of any size
    ONNX = 4  # the same for an ONNX file: nodes of ONNX, where operators of torch would be many


ONNX_SIZES: list[dict[str, Tensor]] = []  # of the trace for an ONNX file, if there is one: see onnx_nodes.py


@contextmanager
def for_onnx() -> Iterator[None]:
    """Let what torch.export records be for an ONNX file."""
    ONNX_SIZES.append({})
    try:
        yield
    finally:
        ONNX_SIZES.pop()


def recorder() -> Recorder:
    """Return what records the operators here and now."""
    if torch.compiler.is_exporting():
        return Recorder.ONNX if ONNX_SIZES else Recorder.EXPORT
    if torch.jit.is_tracing() or torch._C._are_functorch_transforms_active():
        return Recorder.TRANSFORM
    is_recorded = torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0
    return Recorder.COMPILE if is_recorded else Recorder.NONE


def is_traced() -> bool:
    """Tell whether anything records."""
    return recorder() != Recorder.NONE
