"""Networks that their files hold whole: TorchScript, torch.export (.pt2), ONNX."""

import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seunet.models.declared import METADATA, Declared, channels_of_weights, parsed_metadata
from seunet.models.whole_values import Step, exported_uses, onnx_uses, torchscript_uses, wants_255
from seunet.runtime.errors import UserError

EXTRA_FILE = f"{METADATA}.json"  # in the archives of torch
DTYPES = {  # of ONNX
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
    "tensor(int32)": torch.int32,
    "tensor(int64)": torch.int64,
}


class Program(nn.Module):
    """The network of a file, what the file says of its images, and its metadata.

    likely_channels: of its images, where the file does not say it.
    """

    declared: Declared
    metadata: dict[str, Any]
    likely_channels: int | None = None


class TorchScript(Program):
    """The network of a TorchScript file."""

    def __init__(self, path: Path):
        super().__init__()
        extra = {EXTRA_FILE: ""}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # newer files are of torch.export; older ones are read
            self.program = torch.jit.load(str(path), map_location="cpu", _extra_files=extra).eval()
        self.metadata = parsed_metadata(extra[EXTRA_FILE])
        self.declared = of_white(Declared(), torchscript_uses(self.program))
        self.likely_channels = channels_of_weights(self.program.parameters())

    def forward(self, images: Tensor) -> Any:
        """Images → the network's output."""
        return self.program(images)


class Exported(Program):
    """The network of a file of torch.export, which has no training mode to switch off."""

    def __init__(self, path: Path):
        super().__init__()
        extra = {EXTRA_FILE: ""}
        exported = torch.export.load(str(path), extra_files=extra)
        self.program: Callable[[Tensor], Any]
        self.__dict__["program"] = exported.module()  # no submodule: it refuses eval()
        self.metadata = parsed_metadata(extra[EXTRA_FILE])
        values = {node.name: node.meta.get("val") for node in exported.graph.nodes}
        taken = [values.get(name) for name in exported.graph_signature.user_inputs]
        returned = values.get(next(iter(exported.graph_signature.user_outputs), ""))
        if len(taken) != 1 or not isinstance(taken[0], Tensor) or taken[0].dim() != 4:
            raise UserError(f"{path}: takes {len(taken)} inputs; one input of images (N, C, H, W) is expected")
        shape = returned.shape if isinstance(returned, Tensor) else None
        self.declared = of_white(Declared.of_shapes(taken[0].shape, shape, taken[0].dtype), exported_uses(exported))

    def forward(self, images: Tensor) -> Any:
        """Images in the form that is declared → the network's output."""
        return self.program(images.cpu())


class OnnxNetwork(Program):
    """The network of an ONNX file, run by onnxruntime on the CPU."""

    def __init__(self, path: Path):
        super().__init__()
        try:
            onnxruntime = import_module("onnxruntime")  # of an extra: no environment of the workflow has it
        except ModuleNotFoundError as error:
            raise UserError(f"{path}: ONNX files need onnxruntime; pip install 'seunet[export]'") from error
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        settings.log_severity_level = 3  # errors
        self.session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            shapes = ", ".join(f"{entry.name} {entry.shape}" for entry in inputs)
            raise UserError(f"{path}: takes {shapes}; one input of images (N, C, H, W) is expected")
        self.input: str = inputs[0].name
        self.metadata = parsed_metadata(self.session.get_modelmeta().custom_metadata_map.get(METADATA))
        if inputs[0].type not in DTYPES:
            raise UserError(f"{path}: takes {inputs[0].type}; export it for float32 or uint8")
        dtype = DTYPES[inputs[0].type]
        form = Declared.of_shapes(inputs[0].shape, self.session.get_outputs()[0].shape, dtype)
        self.declared = of_white(form, onnx_uses(path))

    def forward(self, images: Tensor) -> Any:
        """Images in the form that is declared → the network's output."""
        answers = [torch.from_numpy(part) for part in self.session.run(None, {self.input: images.cpu().numpy()})]
        return answers[0] if len(answers) == 1 else tuple(answers)


def of_white(form: Declared, uses: Iterable[Step]) -> Declared:
    """Return a form with the value of white that a program's first steps say; of programs that say nothing, 1."""
    with suppress(Exception):  # a graph of a kind that nobody thought of is no reason not to run it
        return replace(form, white=255) if wants_255(uses) else form
    return form


PROGRAMS: dict[str, Callable[[Path], Program]] = {
    "torchscript": TorchScript,
    "exported": Exported,
    "onnx": OnnxNetwork,
}
