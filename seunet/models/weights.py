"""Files of networks that were not trained here: a state_dict for an architecture, TorchScript, torch.export, ONNX."""

import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from seunet.models import build_model
from seunet.models.checkpoint import load_model
from seunet.models.foreign import Conventions, ForeignNetwork
from seunet.runtime.errors import UserError

NESTED = ("state_dict", "model_state_dict", "model")  # under which checkpoints of trainers keep the weights


@dataclass(frozen=True)
class GivenNetwork:
    """A network that is not trained here: the keys of a model with `weights` in the configuration.

    architecture, options: they build the network of a state_dict; other files hold their network. conventions: which
    images the network expects, and what it returns.
    """

    architecture: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    conventions: Conventions = Conventions()

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> "GivenNetwork":
        """Return the network that a mapping with the keys of the configuration describes."""
        fields = {"channels": "channels", "output": "output", "size_multiple": "multiple"}  # by key
        chosen = {field: settings[key] for key, field in fields.items() if settings.get(key) is not None}
        conventions = Conventions(**chosen, **(settings.get("normalise") or {}))
        return cls(settings.get("architecture"), settings.get("options") or {}, conventions)


def load_given(
    path: Path, given: GivenNetwork, channels: int, classes: int, device: torch.device | str = "cpu"
) -> tuple[nn.Module, dict[str, Any]]:
    """Return a given network, in evaluation mode, and its description as in model.json.

    path: a file, or a folder of a network that was trained here. channels, classes: of the data set.
    Raises UserError for a file that is none of them, is damaged, or does not fit its network.
    """
    conventions, folder = given.conventions, folder_of(path)
    if folder is not None and given.architecture is None:
        network, description = load_model(folder, device, given.options)
    else:
        in_channels, out_channels = conventions.in_channels(channels), conventions.out_channels(classes)
        network = load_network(path, given.architecture, dict(given.options), in_channels, out_channels)
        description = {"in_channels": in_channels, "num_classes": classes, "options": dict(given.options)}
    if folder is None or conventions != Conventions():
        network = ForeignNetwork(network, conventions, channels, path.name)
    return network.to(device).eval(), description


def folder_of(path: Path) -> Path | None:
    """Return the folder of a network that was trained here, given itself or its weights; None for other files."""
    if path.is_dir():
        return path
    return path.parent if path.name == "model.safetensors" and (path.parent / "model.json").is_file() else None


def kind_of(path: Path) -> str:
    """Return what a file of weights is: "state_dict", "torchscript", "exported" or "onnx", by its suffix and content.

    Raises UserError when there is no such file.
    """
    if not path.is_file():
        raise UserError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; name a file of weights")
    if path.suffix in (".onnx", ".pt2"):
        return {".onnx": "onnx", ".pt2": "exported"}[path.suffix]
    if path.suffix != ".safetensors" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                return "torchscript"
    return "state_dict"


def load_network(
    path: Path, architecture: str | None, options: dict[str, Any], in_channels: int, out_channels: int
) -> nn.Module:
    """Return the network of a file, on the CPU, in evaluation mode.

    architecture, options: what builds the network of a state_dict; the other kinds of files hold theirs.
    Raises UserError for a file that is none of them, is damaged, or does not fit its network.
    """
    kind = kind_of(path)
    if kind == "state_dict":
        if architecture is None:
            raise UserError(
                f"{path}: holds weights alone; name the architecture that they belong to, package.module:factory (or "
                "give a TorchScript or ONNX file, which holds its network)"
            )
        network = build_model(architecture, in_channels, out_channels, **options)
        fit(network, read_weights(path), path)
        return network.eval()
    if architecture is not None:
        raise UserError(f"{path}: {kind}, which holds its own network; leave the architecture out")
    try:
        return LOADERS[kind](path)
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise UserError(f"{path}: cannot be read as {kind} ({first_line(error)}); export it again") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file, or of a file of torch.save, from which no code is run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: holds other things than tensors, which are not read since they could run any code; save the "
            "network's state_dict alone: torch.save(network.state_dict(), …), or as .safetensors"
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{path}: damaged, or no file of weights ({first_line(error)}); save it again") from error
    return tensors_of(content, path)


def tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state_dict in what torch.save wrote: itself, or what a trainer keeps under a usual name."""
    for name in NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        held = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise UserError(f"{path}: no state_dict in it, but {held[:200]}; save network.state_dict()")
    return dict(content)


def fit(network: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Load weights into a network, all of them; a prefix that all names share, such as `module.`, is left out."""
    wanted = network.state_dict().keys()
    while weights and not wanted & weights.keys():
        prefixes = {name.partition(".")[0] for name in weights}
        if len(prefixes) > 1 or not all("." in name for name in weights):
            break
        weights = {name.partition(".")[2]: value for name, value in weights.items()}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        problem = " ".join((str(error).partition("\n")[2] or str(error)).split())
        problem = problem if len(problem) <= 200 else problem[:199] + "…"
        raise UserError(f"{path}: the weights do not fit {type(network).__name__}: {problem}") from error


def load_torchscript(path: Path) -> nn.Module:
    """Return the network of a TorchScript file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer files are of torch.export; older ones are read
        return torch.jit.load(str(path), map_location="cpu").eval()


class Exported(nn.Module):
    """The network of a file of torch.export, which has no training mode to switch off."""

    def __init__(self, path: Path):
        super().__init__()
        self.program: Callable[[Tensor], Any]
        self.__dict__["program"] = torch.export.load(str(path)).module()  # no submodule: it refuses eval()

    def forward(self, images: Tensor) -> Any:
        """(N, C, H, W) → the network's output."""
        return self.program(images.cpu()).to(images.device)


class OnnxNetwork(nn.Module):
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
        self.dtype = {"tensor(float16)": torch.float16, "tensor(double)": torch.float64}.get(
            self.input.type, torch.float32
        )

    def forward(self, images: Tensor) -> Any:
        """(N, C, H, W) → the network's output; image by image if the file fixes the batch to one."""
        for axis, name in ((2, "height"), (3, "width")):
            fixed = self.input.shape[axis]
            if isinstance(fixed, int) and fixed != images.shape[axis]:
                raise UserError(
                    f"{self.path}: takes images of {name} {fixed} alone, not {images.shape[axis]}; export it with free "
                    "height and width"
                )
        x = images.to("cpu", self.dtype).contiguous()
        parts = x.split(1) if self.input.shape[0] == 1 else [x]
        answers = [self.session.run(None, {self.input.name: part.numpy()}) for part in parts]
        outputs = [torch.cat([torch.from_numpy(part) for part in output]) for output in zip(*answers, strict=True)]
        return outputs[0].to(images.device) if len(outputs) == 1 else tuple(outputs)


LOADERS = {"torchscript": load_torchscript, "exported": Exported, "onnx": OnnxNetwork}


def first_line(error: Exception) -> str:
    """Return the message of an error in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:159] + "…"
