"""One way to accelerate: an operator is a function of torch, the reference, with a compiled twin beside it.

Each call takes the twin where it can: on float32 or bfloat16 tensors of a CPU, with a C++ compiler, outside of tracing
(torch.compile, torch.export, torch.jit.trace, torch.func), and unless SEUNET_COMPILED=0. Else it takes the reference.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from seunet.ops import native

OPERATORS: dict[str, "Operator"] = {}


class Operator:
    """A reference and, once it is registered by `compiled`, its twin of the same arguments."""

    def __init__(self, reference: Callable[..., Any]):
        functools.update_wrapper(self, reference)
        self.reference = reference
        self.twin: Callable[..., Any] | None = None
        OPERATORS[reference.__name__] = self

    def compiled(self, twin: Callable[..., Any]) -> Callable[..., Any]:
        """Register the twin."""
        self.twin = twin
        return twin

    def __call__(self, *arguments: Any) -> Any:
        """Apply the twin if it takes all tensors among the arguments, else the reference."""
        if self.twin and is_compiled(*tensors(arguments)):
            return self.twin(*arguments)
        return self.reference(*arguments)


def tensors(arguments: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors of floating-point numbers among arguments, and in lists among them."""
    for argument in arguments:
        if isinstance(argument, list | tuple):
            yield from tensors(argument)
        elif isinstance(argument, Tensor) and argument.is_floating_point():
            yield argument


def is_compiled(*maps: Tensor) -> bool:
    """Tell whether compiled code takes these tensors, here and now; the first call compiles."""
    return not is_traced() and all(map(native.takes, maps)) and native.is_available()


def is_traced() -> bool:
    """Tell whether torch records what is done, so that it must be done by torch's operators alone."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
        or torch._C._len_torch_dispatch_stack() > 0
    )
