"""Networks that were not trained here, from their files: weights for an architecture, or a program that is whole."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seunet.models import build_model
from seunet.models.calling import SizeError, call_network, pad
from seunet.models.checkpoint import load_model
from seunet.models.declared import Declared, channels_of_weights
from seunet.models.foreign import Conventions, ForeignNetwork
from seunet.models.programs import PROGRAMS
from seunet.models.state_dicts import first_line, fit, read_weights
from seunet.runtime.errors import UserError


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
    path: Path,
    given: GivenNetwork,
    channels: int | None = None,
    classes: int | None = None,
    device: torch.device | str = "cpu",
) -> tuple[nn.Module, dict[str, Any]]:
    """Return a given network, in evaluation mode, and its description as in model.json.

    path: a file, or a folder of a network that was trained here. channels, classes: of the data set; None: as many as
    the network has, which is read from its file, or found by asking it.
    Raises UserError for a file that is none of them, is damaged, or does not fit its network.
    """
    conventions, folder = given.conventions, folder_of(path)
    if folder is not None and given.architecture is None:
        network, description = load_model(folder, device, given.options)
        if conventions != Conventions():
            network = ForeignNetwork(network, conventions, channels or description["in_channels"], path.name)
        return network.to(device).eval(), description
    expected = None if channels is None and conventions.channels is None else conventions.in_channels(channels or 0)
    network, declared, metadata = load_network(path, given, expected, classes)
    in_channels = declared.channels or expected
    if in_channels is None:
        raise UserError(f"{path}: does not say how many channels its images have; say channels: rgb, bgr or grey")
    network = ForeignNetwork(network, conventions, channels or in_channels, path.name, declared).to(device).eval()
    count = classes or (2 if conventions.output == "sigmoid" else declared.classes)
    if count is None:
        count = asked_classes(network, conventions.image_channels(in_channels), declared)
    counts = {"in_channels": in_channels, "num_classes": count, "options": dict(given.options)}
    return network, metadata | counts


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
    path: Path, given: GivenNetwork, channels: int | None, classes: int | None
) -> tuple[nn.Module, Declared, dict[str, Any]]:
    """Return the network of a file, on the CPU, in evaluation mode; what it says of its images; and its metadata.

    channels: that it is to read; classes: of its answer; None: as in the file.
    Raises UserError for a file that is none of the kinds, is damaged, or does not fit its network.
    """
    kind = kind_of(path)
    if kind == "state_dict":
        if given.architecture is None:
            raise UserError(
                f"{path}: holds weights alone; name the architecture that they belong to, package.module:factory (or "
                "give a TorchScript or ONNX file, which holds its network)"
            )
        out_channels = given.conventions.out_channels(classes)
        network, declared = build_and_fit(path, given.architecture, dict(given.options), channels, out_channels)
        return network, declared, {}
    if given.architecture is not None:
        raise UserError(f"{path}: {kind}, which holds its own network; leave the architecture out")
    try:
        program = PROGRAMS[kind](path)
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise UserError(f"{path}: cannot be read as {kind} ({first_line(error)}); export it again") from error
    return program, program.declared, program.metadata


def build_and_fit(
    path: Path, architecture: str, options: dict[str, Any], channels: int | None, classes: int | None
) -> tuple[nn.Module, Declared]:
    """Return the network of an architecture with the weights of a file, and the channels that it was built with.

    channels, classes: how many it has; where None, or where the weights have other channels, those of the weights are
    tried: what fits all tensors is right.
    """
    weights = read_weights(path)
    of_weights = channels_of_weights(weights.values())
    inputs = list(dict.fromkeys(count for count in (channels, of_weights) if count)) or [3]
    outputs = [classes] if classes else list(likely_classes(list(weights.values())))
    problem: UserError | None = None
    for in_channels in inputs:
        for out_channels in outputs:
            network = build_model(architecture, in_channels, out_channels, **options)
            try:
                fit(network, weights, path)
            except UserError as error:
                problem = problem or error
            else:
                return network.eval(), Declared(channels=in_channels, classes=out_channels)
    raise problem or UserError(f"{path}: holds no weights; say classes")


def likely_classes(weights: Sequence[Tensor]) -> Iterator[int]:
    """Yield how many channels the answer of a network may have: those of its last layers, at most three numbers."""
    yield from list(dict.fromkeys(value.shape[0] for value in reversed(weights) if value.dim()))[:3]


def asked_classes(network: ForeignNetwork, channels: int, declared: Declared) -> int:
    """Return how many channels a network answers with, of an image (1, channels, H, W) that it takes."""
    problem: UserError | None = None
    generator = torch.Generator().manual_seed(0)
    for side in (64, 256):
        size = declared.height or side, declared.width or side
        image = torch.rand(1, channels, *size, generator=generator).to(network.mean.device)
        try:
            return call_network(network, image).shape[1]
        except SizeError as error:
            return call_network(network, pad(image, error.multiple)).shape[1]
        except UserError as error:
            problem = problem or error
    assert problem is not None
    raise problem
