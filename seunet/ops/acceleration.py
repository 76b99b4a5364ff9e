"""One way to accelerate: an operator is a function in torch, the reference, with a compiled twin beside it.

Each call takes the twin where that is possible: on tensors of a CPU whose types the compiled code knows, with a C++
compiler, outside of tracing (tracing.py), and unless SEUNET_COMPILED=0.
Otherwise it takes the reference. No other module decides this.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, ParamSpec, TypeVar

from torch import Tensor

from seunet.ops import native
from seunet.ops.tracing import is_traced

P = ParamSpec("P")
R = TypeVar("R")
OPERATORS: dict[str, "Operator[Any, Any]"] = {}


class Operator(Generic[P, R]):
    """A reference and, once `compiled` has registered it, its twin: a function of the same arguments."""

    def __init__(self, reference: Callable[P, R]):
        functools.update_wrapper(self, reference)
        self.reference = reference
        self.twin: Callable[P, R] | None = None
        OPERATORS[reference.__name__] = self

    def compiled(self, twin: Callable[P, R]) -> Callable[P, R]:
        """Register the twin."""
        self.twin = twin
        return twin

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Apply the twin if it takes all tensors among the arguments, else the reference."""
        if self.twin and is_compiled(*tensors([*args, *kwargs.values()])):
            return self.twin(*args, **kwargs)
        return self.reference(*args, **kwargs)


def tensors(arguments: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors among arguments, and in lists among them."""
    for argument in arguments:
        if isinstance(argument, list | tuple):
            yield from tensors(argument)
        elif isinstance(argument, Tensor):
            yield argument


def is_compiled(*operands: Tensor) -> bool:
    """Tell whether compiled code takes these tensors, here and now; the first call compiles."""
    return not is_traced() and all(map(native.takes, operands)) and native.is_available()
