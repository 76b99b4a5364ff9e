"""Networks that their files hold whole: TorchScript, torch.export (.pt2), ONNX."""

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seunet.models.declared import METADATA, Declared, channels_of_weights, parsed_metadata
from seunet.runtime.errors import UserError

EXTRA_FILE = f"{METADATA}.json"  # in the archives of torch
DTYPES = {  # of ONNX
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
}


class Program(nn.Module):
    """The network of a file, what the file says of its images, and its metadata."""

    declared: Declared
    metadata: dict[str, Any]


class TorchScript(Program):
    """The network of a TorchScript file."""

    def __init__(self, path: Path):
        super().__init__()
        extra = {EXTRA_FILE: ""}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # newer files are of torch.export; older ones are read
            self.program = torch.jit.load(str(path), map_location="cpu", _extra_files=extra).eval()
        self.metadata = parsed_metadata(extra[EXTRA_FILE])
        self.declared = Declared(channels=channels_of_weights(self.program.parameters()))

    def forward(self, images: Tensor) -> Any:
        """(N, C, H, W) → the network's output."""
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
        self.declared = Declared.of_shapes(taken[0].shape, shape, taken[0].dtype)

    def forward(self, images: Tensor) -> Any:
        """(N, C, H, W) → the network's output."""
        return self.program(images.to("cpu", self.declared.dtype)).to(images.device)


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
        self.path, self.input = path, inputs[0]
        self.metadata = parsed_metadata(self.session.get_modelmeta().custom_metadata_map.get(METADATA))
        dtype = DTYPES.get(self.input.type, torch.float32)
        self.declared = Declared.of_shapes(self.input.shape, self.session.get_outputs()[0].shape, dtype)

    def forward(self, images: Tensor) -> Any:
        """(N, C, H, W) → the network's output; image by image if the file fixes the batch to one."""
        for axis, name in ((2, "height"), (3, "width")):
            fixed = self.input.shape[axis]
            if isinstance(fixed, int) and fixed != images.shape[axis]:
                raise UserError(
                    f"{self.path}: takes images of {name} {fixed} alone, not {images.shape[axis]}; export it with free "
                    "height and width"
                )
        x = images.to("cpu", self.declared.dtype).contiguous()
        parts = x.split(1) if self.input.shape[0] == 1 else [x]
        answers = [self.session.run(None, {self.input.name: part.numpy()}) for part in parts]
        outputs = [torch.cat([torch.from_numpy(part) for part in output]) for output in zip(*answers, strict=True)]
        return outputs[0].to(images.device) if len(outputs) == 1 else tuple(outputs)


PROGRAMS: dict[str, Callable[[Path], Program]] = {
    "torchscript": TorchScript,
    "exported": Exported,
    "onnx": OnnxNetwork,
}
