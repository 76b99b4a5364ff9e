"""Networks that were not trained here, from their files: weights for an architecture, or a program that is whole."""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seunet.models import build_model
from seunet.models.checkpoint import load_model
from seunet.models.declared import Declared, channels_of_weights
from seunet.models.external_network import Conventions, ExternalNetwork
from seunet.models.input_form import probe_channels, say_form
from seunet.models.packages import DESCRIPTIONS, Package
from seunet.models.programs import PROGRAMS, Program
from seunet.models.state_dicts import first_line, fit, read_weights
from seunet.runtime.errors import UserError


@dataclass(frozen=True)
class ExternalSpec:
    """A network that is not trained here: the keys of a model with `weights` in the configuration.

    architecture, options: they build the network of a state_dict; other files hold their network. conventions: which
    images the network expects, and what it returns. key, prefix: where in a checkpoint its weights are; None: where
    only one group of tensors fits.
    """

    architecture: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    conventions: Conventions = Conventions()
    key: str | None = None
    prefix: str | None = None

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> "ExternalSpec":
        """Return the network that a mapping with the keys of the configuration describes."""
        fields = {"channels": "channels", "output": "output", "size_multiple": "multiple"}  # by key
        chosen = {field: settings[key] for key, field in fields.items() if settings.get(key) is not None}
        conventions = Conventions(**chosen, **(settings.get("normalise") or {}))
        where = settings.get("key"), settings.get("prefix")
        return cls(settings.get("architecture"), settings.get("options") or {}, conventions, *where)


def load_external(
    path: Path,
    given: ExternalSpec,
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
        refuse_places(path, given)
        network, description = load_model(folder, device, given.options)
        if conventions != Conventions():
            network = ExternalNetwork(network, conventions, channels or description["in_channels"], path.name)
        return network.to(device).eval(), description
    is_known = channels is not None or conventions.channels is not None
    expected = conventions.in_channels(channels or 0) if is_known else None
    network, declared, metadata = load_network(path, given, expected, classes)
    assert declared.channels is not None  # load_network found them
    network = ExternalNetwork(network, conventions, channels or declared.channels, path.name, declared)
    count = classes or (2 if conventions.output == "sigmoid" else declared.classes)
    counts = {"in_channels": declared.channels, "num_classes": count, "options": dict(given.options)}
    return network.to(device).eval(), metadata | counts


def refuse_places(path: Path, given: ExternalSpec) -> None:
    """Raise UserError where key or prefix are given for a network that is no checkpoint."""
    if given.key is not None or given.prefix is not None:
        raise UserError(
            f"{path}: holds a whole network; key and prefix choose among a checkpoint's weights: remove them"
        )


def folder_of(path: Path) -> Path | None:
    """Return the folder of a network that was trained here, given itself or its weights; None for other files."""
    if path.is_dir():
        return path
    return path.parent if path.name == "model.safetensors" and (path.parent / "model.json").is_file() else None


def kind_of(path: Path) -> str:
    """Return what a file of weights is: "state_dict", "torchscript", "exported", "onnx" or "bioimageio".

    Its suffix and content say it.

    Raises UserError when there is no such file, or for a .zip of something else.
    """
    if not path.is_file():
        raise UserError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; name a file of weights")
    if path.suffix in (".onnx", ".pt2"):
        return {".onnx": "onnx", ".pt2": "exported"}[path.suffix]
    if path.suffix != ".safetensors" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name in DESCRIPTIONS for name in names):
            return "bioimageio"
        if any(name.endswith("/constants.pkl") for name in names):
            return "torchscript"
    elif path.suffix == ".zip":
        raise UserError(f"{path}: not a whole zip file; download or copy it again")
    if path.suffix == ".zip":
        raise UserError(
            f"{path}: no package of bioimage.io ({DESCRIPTIONS[0]} is not in it); unpack it, and name a file"
        )
    return "state_dict"


def load_network(
    path: Path, given: ExternalSpec, channels: int | None, classes: int | None
) -> tuple[nn.Module, Declared, dict[str, Any]]:
    """Return the network of a file, on the CPU, in evaluation mode; the form of its images; and its metadata.

    channels: that it is to read; classes: of its answer; None: as in the file. The form has the channels.
    Raises UserError for a file that is none of the kinds, is damaged, or does not fit its network.
    """
    kind = kind_of(path)
    if kind == "state_dict":
        if given.architecture is None:
            read_weights(path, given.key)  # says so where the file is of another kind
            raise UserError(
                f"{path}: holds weights alone; name the architecture that they belong to, package.module:factory (or "
                "give a TorchScript or ONNX file, which holds its network)"
            )
        network, declared = build_and_fit(path, given, channels, given.conventions.out_channels(classes))
        return network, declared, {}
    refuse_places(path, given)
    if given.architecture is not None:
        raise UserError(f"{path}: {kind}, which holds its own network; leave the architecture out")
    try:
        program = (PROGRAMS | {"bioimageio": Package})[kind](path)
    except UserError:
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise UserError(f"{path}: cannot be read as {kind} ({first_line(error)}); export it again") from error
    return program, asked(program, path, given.conventions, channels, classes), program.metadata


def asked(
    program: Program, path: Path, conventions: Conventions, channels: int | None, classes: int | None
) -> Declared:
    """Return the form of a program's images, with the channels of input and output: as declared, or found by asking.

    channels, classes: as many as are expected, or None. Raises UserError where neither says them.
    """
    declared = program.declared
    if declared.channels and (declared.classes or classes):
        return declared
    likely = [declared.channels] if declared.channels else [channels, program.likely_channels, 3, 1, 4]
    counts = list(dict.fromkeys(count for count in likely if count))
    found = probe_channels(program, declared, counts, conventions.multiple or 1)
    if found is None:
        if classes is None:
            raise UserError(f"{path}: does not say how many classes it has, and answers to no image; name its classes")
        return replace(declared, channels=counts[0])
    if (found.channels_last, found.batch) != (declared.channels_last, declared.batch):
        say_form(found, path.name)
    return found


def build_and_fit(
    path: Path, given: ExternalSpec, channels: int | None, classes: int | None
) -> tuple[nn.Module, Declared]:
    """Return the network of an architecture with the weights of a file, and the channels that it was built with.

    channels, classes: how many it has; where None, or where the weights have other channels, those of the weights are
    tried: what fits all tensors is right.
    """
    assert given.architecture is not None
    weights = read_weights(path, given.key)
    tensors = [tensor for mapping in weights.values() for tensor in mapping.values()]
    inputs = list(dict.fromkeys(count for count in (channels, channels_of_weights(tensors)) if count)) or [3]
    outputs = list(dict.fromkeys([*([classes] if classes else []), *likely_classes(weights.values())]))
    problem: UserError | None = None
    for out_channels in outputs:
        for in_channels in inputs:
            network = build_model(given.architecture, in_channels, out_channels, **given.options)
            try:
                fit(network, weights, path, given.prefix)
            except UserError as error:
                problem = problem or error
                continue
            if classes and out_channels != classes:
                raise UserError(f"{problem} They fit with {out_channels} classes; name all, in the network's order")
            return network.eval(), Declared(channels=in_channels, classes=out_channels)
    raise problem or UserError(f"{path}: holds no weights; save network.state_dict()")


def likely_classes(weights: Iterable[Mapping[str, Tensor]]) -> Iterator[int]:
    """Yield how many channels the answer of a network may have: those of the last layers in a file, five numbers."""
    counts = [[value.shape[0] for value in reversed(list(part.values())) if value.dim()] for part in weights]
    yield from list(dict.fromkeys(count for part in sorted(counts, key=len, reverse=True) for count in part))[:5]
