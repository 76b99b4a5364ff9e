"""Networks as files for other programs: ONNX, and the programs of torch.export (.pt2)."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic

TOLERANCE = 1e-4  # of the file's answers against torch's, relative to the largest logit from 1 on
SUFFIXES = (".onnx", ".pt2")


@dataclass(frozen=True)
class Free:
    """What may change from image to image: the batch, and height and width by steps of `multiple` (0: fixed)."""

    batch: bool
    multiple: int
    size: tuple[int, int]

    def __str__(self) -> str:
        """Say it in words."""
        batch = "any batch" if self.batch else "the batch of the example alone"
        if not self.multiple:
            return f"{batch}; images of {self.size[0]} × {self.size[1]} pixels alone"
        sides = f"multiples of {self.multiple}" if self.multiple > 1 else "any"
        return f"{batch}; height and width: {sides}"

    def shapes(self) -> tuple[dict[int, object]]:
        """Return the free dimensions of the image as torch.export takes them."""
        dimensions: dict[int, object] = {0: Dim("batch", min=1)} if self.batch else {}
        if self.multiple:
            for axis, name in ((2, "height"), (3, "width")):
                steps = Dim(f"{name}_steps" if self.multiple > 1 else name, min=2)
                dimensions[axis] = self.multiple * steps if self.multiple > 1 else steps
        return (dimensions,)


def export(model: nn.Module, path: Path | str, example_shape: tuple[int, int, int, int]) -> Free:
    """Write a network in evaluation mode to a .onnx or .pt2 file and return what its images are free to be.

    Free are the batch, height and width as far as the network can be exported so. The file is read again and compared
    with torch, at the size of the example and, where sizes are free, at another one.

    example_shape: (N, C, H, W) of an image that the network takes. Raises UserError when the name has another suffix,
    the network cannot be exported, or the file's answers differ from torch's by more than 1e-4. Needs the packages of
    the extra `export` for .onnx.
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
                write(model, temporary, example_shape, free)
                check(model, temporary, example_shape, free)
            return free
        except ImportError as error:
            raise UserError(f"{path}: needs the package {error.name!r}: pip install 'seunet[export]'") from error
        except Exception as error:  # of many kinds, all from torch; the next attempt asks for less
            problems.append(" ".join(str(error).split())[:200])
    raise UserError(f"{path}: the network cannot be exported ({problems[-1]})")


def attempts(model: nn.Module, shape: tuple[int, int, int, int]) -> Iterator[Free]:
    """Yield what may be free, the most first."""
    multiple = getattr(model, "size_multiple", 1)
    coarsest = getattr(model, "base", 1) ** (getattr(model, "scales_at_test", 1) - 1) * 2 ** getattr(model, "depth", 0)
    for sides in sorted({multiple, multiple * round(coarsest)} if multiple == 1 else {multiple}):
        if all(side % sides == 0 and side > sides for side in shape[2:]):
            yield Free(True, sides, shape[2:])
    yield Free(True, 0, shape[2:])
    yield Free(False, 0, shape[2:])


def write(model: nn.Module, path: Path, shape: tuple[int, int, int, int], free: Free) -> None:
    """Write a network to a file."""
    batch = max(2, shape[0]) if free.batch else shape[0]  # torch takes a batch of one for a constant
    image = torch.rand(batch, *shape[1:])
    program = torch.export.export(model, (image,), dynamic_shapes=free.shapes())
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it has paths of this machine
    if path.suffix == ".pt2":
        torch.export.save(program, path)
    else:
        import onnxruntime  # noqa: F401  # before the work: the check needs it
        import onnxscript  # noqa: F401

        to_onnx(program, path)


def to_onnx(program: ExportedProgram, path: Path) -> None:
    """Write a program as ONNX, the weights in the same file."""
    onnx = torch.onnx.export(program, dynamo=True, verbose=False, input_names=["image"], output_names=["logits"])
    assert onnx is not None  # with dynamo=True
    for node in onnx.model.graph.all_nodes():
        node.metadata_props.clear()  # from which lines of which files it came, most of the file beside the weights
    onnx.save(path, external_data=False)


def check(model: nn.Module, path: Path, shape: tuple[int, int, int, int], free: Free) -> None:
    """Raise UserError unless the file answers as the network does."""
    sizes = [shape]
    if free.batch or free.multiple:
        batch, channels, height, width = shape
        sizes.append((batch + free.batch, channels, height + free.multiple, width + free.multiple))
    generator = torch.Generator().manual_seed(0)
    answer = reader(path)
    for size in sizes:
        image = torch.rand(size, generator=generator)
        expected = model(image)
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
