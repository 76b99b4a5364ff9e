"""Networks as files for other programs: ONNX, and the programs of torch.export (.pt2)."""

import copy
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from seunet.models.calling import run_padded, size_multiple
from seunet.models.declared import METADATA
from seunet.models.diagonals import ByDiagonals, has_diagonals
from seunet.models.folding import can_be_folded, folded
from seunet.models.programs import EXTRA_FILE
from seunet.ops.interpolation import cut, of_length, size_of
from seunet.ops.tracing import for_onnx
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic

TOLERANCE = 1e-4  # of the file's answers against torch's, relative to the largest logit from 1 on
SUFFIXES = (".onnx", ".pt2")
WEIGHTS = 2**30  # values: kernels of any size are constants, and no node cuts or reshapes them
OPSET = 18  # of ONNX; what runtimes of the last three years read
AXES = {0: "batch", 2: "height", 3: "width"}


@dataclass(frozen=True)
class Free:
    """What may change from image to image: the batch, and height and width.

    multiple: to which the file continues images by their border pixels before the network; 0: sides are fixed. step:
    pixels of the image between two of the network's coarsest map; traces need larger images.
    """

    batch: bool
    multiple: int
    size: tuple[int, int]
    step: int = 1

    def __str__(self) -> str:
        """Say it in words."""
        batch = "any batch" if self.batch else "the batch of the example alone"
        if not self.multiple:
            return f"{batch}; images of {self.size[0]} × {self.size[1]} pixels alone"
        inside = f", continued to multiples of {self.multiple} in the file" if self.multiple > 1 else ""
        return f"{batch}; any height and width{inside}"

    def shapes(self) -> tuple[dict[int, object]]:
        """Return the free dimensions of the image as torch.export takes them."""
        dimensions: dict[int, object] = {0: Dim("batch", min=1)} if self.batch else {}
        if self.multiple:
            dimensions |= {axis: Dim(AXES[axis], min=self.step + 1) for axis in (2, 3)}
        return (dimensions,)


class AnySize(nn.Module):
    """A network with what surrounds it in a prediction: images are continued by their border pixels, logits are cut."""

    def __init__(self, model: nn.Module, multiple: int):
        super().__init__()
        self.model, self.multiple = model, multiple

    def forward(self, image: Tensor) -> Tensor:
        """(N, C, H, W) → (N, classes, H, W)."""
        if self.multiple <= 1:
            return self.model(image)
        height, width = size_of(image)
        logits = self.model(of_length(of_length(image, 2, self.whole(height)), 3, self.whole(width)))
        return cut(logits, (height, width))

    def whole(self, side: int) -> int:
        """Return the next multiple."""
        return (side + self.multiple - 1) // self.multiple * self.multiple


def export(
    model: nn.Module,
    path: Path | str,
    example_shape: tuple[int, int, int, int],
    description: Mapping[str, Any] | None = None,
    opset: int = OPSET,
    say: Callable[[str], None] = lambda step: None,
) -> Free:
    """Write a network in evaluation mode to a .onnx or .pt2 file and return what its images are free to be.

    Free are the batch, height and width as far as the network can be exported so. The file is read again and compared
    with torch, at the size of the example and, where sizes are free, at others.

    example_shape: (N, C, H, W) of an image that the network takes. description: for the metadata of the file, as
    model.json has it. opset: of ONNX. say: is told each step. Raises UserError when the name has another suffix, the
    network cannot be exported, or the file's answers differ from torch's by more than 1e-4. Needs the packages of the
    extra `export` for .onnx.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: expected a name that ends with {' or '.join(SUFFIXES)}")
    if model.training:
        raise UserError("export: the network is in training mode; call model.eval() first")
    problems = []
    for free in attempts(model, example_shape):
        try:
            with quiet(), torch.no_grad(), atomic(path) as temporary:
                say(f"tracing the network: {free}")
                program = traced(model, example_shape, free, path.suffix == ".onnx")
                metadata = json.dumps({**described(description or {}), "size_multiple": free.multiple})
                say("writing the file")
                write(program, temporary, metadata, opset)
                say("comparing the file with torch")
                check(model, temporary, example_shape, free)
            return free
        except ImportError as error:
            raise UserError(f"{path}: needs the package {error.name!r}: pip install 'seunet[export]'") from error
        except Exception as error:  # of many kinds, all from torch; the next attempt asks for less
            problems.append(" ".join(str(error).split())[:200])
    raise UserError(f"{path}: the network cannot be exported ({problems[-1]})")


def described(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description without the layers of its fingerprint, which nobody can watch in a file."""
    seen = description.get("fingerprint")
    return {**description, **({"fingerprint": {**seen, "layers": {}}} if seen else {})}


def attempts(model: nn.Module, shape: tuple[int, int, int, int]) -> Iterator[Free]:
    """Yield what may be free, the most first."""
    yield Free(True, size_multiple(model), shape[2:], coarsest_step(model))
    yield Free(True, 0, shape[2:])
    yield Free(False, 0, shape[2:])


def coarsest_step(model: nn.Module) -> int:
    """Return how many pixels of the image lie between two of the network's coarsest map."""
    if getattr(model, "layout", "dense") == "dense":
        return size_multiple(model)
    pyramid: Any = model
    return round(pyramid.base ** (pyramid.scales_at_test - 1)) * 2**pyramid.depth


def traced(model: nn.Module, shape: tuple[int, int, int, int], free: Free, is_onnx: bool) -> ExportedProgram:
    """Return the program of a network, with weights that are contiguous and no batch norm where it is ours."""
    is_ours = can_be_folded(model)
    lean: Any = folded(model) if is_ours else copy.deepcopy(model)
    for value in lean.parameters():
        value.data = value.data.contiguous()
    if is_onnx and is_ours and has_diagonals(lean):
        lean = ByDiagonals(lean)
    batch, channels, height, width = shape
    if free.multiple:  # sides that are no multiples, and not equal, so that the trace takes none for a constant
        height, width = (-(-side // free.step) * free.step + 1 for side in (height, width + free.step))
    image = torch.rand(max(2, batch) if free.batch else batch, channels, height, width)  # a batch of 1 is a constant
    with for_onnx() if is_onnx else nullcontext():
        program = torch.export.export(
            AnySize(lean, free.multiple),
            (image,),
            dynamic_shapes=free.shapes(),
            prefer_deferred_runtime_asserts_over_guards=True,
        )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it has paths of this machine
    return program


def write(program: ExportedProgram, path: Path, metadata: str, opset: int) -> None:
    """Write a program to a file."""
    if path.suffix == ".pt2":
        torch.export.save(program, path, extra_files={EXTRA_FILE: metadata})
    else:
        import onnxruntime  # noqa: F401  # before the work: the check needs it
        import onnxscript  # noqa: F401

        to_onnx(program, path, metadata, opset)


def to_onnx(program: ExportedProgram, path: Path, metadata: str, opset: int) -> None:
    """Write a program as ONNX, the weights in the same file."""
    from onnxscript.optimizer import fold_constants

    onnx = torch.onnx.export(
        program, dynamo=True, verbose=False, opset_version=opset, input_names=["image"], output_names=["logits"]
    )
    assert onnx is not None  # with dynamo=True
    fold_constants(onnx.model, onnx_shape_inference=False, input_size_limit=WEIGHTS, output_size_limit=WEIGHTS)
    graph = onnx.model.graph
    for node in graph.all_nodes():
        node.metadata_props.clear()  # from which lines of which files it came, most of the file beside the weights
    for value in (*graph.inputs, *graph.outputs):
        assert value.shape is not None
        for axis, name in AXES.items():
            if not isinstance(value.shape[axis], int):
                value.shape[axis] = name
    onnx.model.metadata_props[METADATA] = metadata
    onnx.save(path, external_data=False)


def check(model: nn.Module, path: Path, shape: tuple[int, int, int, int], free: Free) -> None:
    """Raise UserError unless the file answers as the network does."""
    batch, channels, height, width = shape
    sizes = [shape]
    if free.batch:
        sizes.append((batch + 1, channels, height, width))
    if free.multiple:
        sizes.append((batch, channels, height + free.step // 2 + 1, width + free.step))
    generator = torch.Generator().manual_seed(0)
    answer = reader(path)
    for size in sizes:
        image = torch.rand(size, generator=generator)
        expected = run_padded(model, image, size_multiple(model))
        difference = float((answer(image) - expected).abs().max() / expected.abs().max().clamp(min=1))
        if not difference <= TOLERANCE:
            raise UserError(f"for an image of {size} the file's answer is {difference:.1e} from torch's")


def reader(path: Path):
    """Return a function that answers as the file does: image (N, C, H, W) → logits."""
    if path.suffix == ".pt2":
        return torch.export.load(path).module()
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])

    def answer(image: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: image.numpy()})[0])

    return answer


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what torch tells its developers while it exports."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # below it, that torchvision is not installed
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
