"""Programs that want images in 0 … 255: they divide by 255, or take a mean of that range away, before anything else.

Asked with [0, 1], as their float input allows, such a network sees black and answers without a word.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

PASSING = ("to", "permute", "contiguous", "_to_copy", "clone", "cast", "transpose", "identity", "unsqueeze")
DIVIDING = ("div", "div_", "true_divide")
MULTIPLYING = ("mul", "mul_")
SUBTRACTING = ("sub", "sub_")
# What a program does first with its images: (operator, its constant or None, and what it does next) of each use
Step = tuple[str, Any, Callable[[], Iterable[Any]]]


def wants_255(uses: Iterable[Step]) -> bool:
    """Tell whether what a program does first with its images says that white is 255."""
    for operator, constant, following in uses:
        if operator in PASSING and wants_255(following()):
            return True
        if constant is None:
            continue
        values = np.abs(np.asarray(constant, dtype=float))
        largest = float(values.max()) if values.size else math.nan
        if operator in DIVIDING and values.size == 1 and math.isclose(largest, 255, abs_tol=1):
            return True
        if operator in MULTIPLYING and values.size == 1 and math.isclose(largest, 1 / 255, rel_tol=0.01):
            return True
        if operator in SUBTRACTING and 2 < largest <= 255:
            return True
    return False


def torchscript_uses(program: torch.jit.ScriptModule) -> Iterable[Step]:
    """Return the first uses of the images of a TorchScript program."""

    def of(value: Any) -> Iterable[Step]:
        for use in value.uses():
            node, inputs = use.user, list(use.user.inputs())
            constant = inputs[1].toIValue() if use.offset == 0 and len(inputs) > 1 else None
            usable = constant if isinstance(constant, int | float | Tensor) else None
            yield node.kind().removeprefix("aten::"), usable, partial(of, node.output())

    return of(list(program.inlined_graph.inputs())[1])


def exported_uses(exported: torch.export.ExportedProgram) -> Iterable[Step]:
    """Return the first uses of the images of a program of torch.export."""
    constants = {**exported.constants, **exported.state_dict}
    signature = exported.graph_signature
    places = {**signature.inputs_to_buffers, **signature.inputs_to_lifted_tensor_constants}

    def of(node: Any) -> Iterable[Step]:
        for user in node.users:
            second = user.args[1] if len(user.args) > 1 and user.args[0] is node else None
            if isinstance(second, torch.fx.Node):
                second = constants.get(places.get(second.name, ""))
            usable = second if isinstance(second, int | float | Tensor) else None
            name = getattr(user.target, "__name__", str(user.target)).partition(".")[0]
            yield name, usable, partial(of, user)

    image = next(node for node in exported.graph.nodes if node.name == signature.user_inputs[0])
    return of(image)


def onnx_uses(path: Path) -> Iterable[Step]:
    """Return the first uses of the images of an ONNX file; none where the package onnx is missing."""
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError:
        return []
    graph = onnx.load(str(path), load_external_data=False).graph
    small = [entry for entry in graph.initializer if math.prod(entry.dims) <= 64 and not entry.external_data]
    constants = {entry.name: numpy_helper.to_array(entry) for entry in small}
    for node in graph.node:
        value = next((entry.t for entry in node.attribute if entry.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            constants[node.output[0]] = numpy_helper.to_array(value)

    def of(name: str) -> Iterable[Step]:
        for node in graph.node:
            if name in node.input:
                first = node.input[0] == name and len(node.input) > 1
                constant = constants.get(node.input[1]) if first else None
                yield node.op_type.lower(), constant, partial(of, node.output[0])

    return of(graph.input[0].name)
