"""Packages of bioimage.io (.zip): a network as ONNX or TorchScript, and what is done to its images.

Format: model descriptions 0.4 and 0.5 of https://bioimage.io. `integrations/bioimageio.py` writes them.
"""

import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.models.declared import Declared
from seunet.models.input_form import fixed_sides
from seunet.models.preprocessing import is_of_image, name_of, steps_after, steps_before
from seunet.models.programs import PROGRAMS, Program
from seunet.runtime.errors import UserError

DESCRIPTIONS = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
WEIGHTS = ("onnx", "torchscript")  # that are read, the first one that is there
ROLES = {"batch": "b", "channel": "c"}  # by the type of an axis, in 0.5; those of space by its name
SAME = 0.01  # of the largest value: by which the package's own example may be missed, in no more than 1 % of its values


@dataclass(frozen=True)
class TensorForm:
    """Axes of an input or output: their names and roles in its order; channels; (min, step) of y and x, 0: fixed."""

    roles: Mapping[str, str]
    batch: int | None
    channels: int | None
    names: Sequence[str]
    sizes: Mapping[str, tuple[int, int]]

    def in_own_order(self, x: Tensor) -> Tensor:
        """Return values (N, C, H, W) with the axes in the order of the tensor."""
        return x.permute(*("bcyx".index(role) for role in self.roles.values())).contiguous()

    def as_nchw(self, x: Tensor) -> Tensor:
        """Return values in the order of the tensor as (N, C, H, W)."""
        order = "".join(self.roles.values())
        return x.permute(*(order.index(role) for role in "bcyx"))


class Package(Program):
    """The network of a package, with its preprocessing: images (N, C, H, W) in [0, 1] → its answer before softmax."""

    def __init__(self, path: Path):
        super().__init__()
        try:
            with zipfile.ZipFile(path) as archive:
                rdf = described(archive)
                self.program = program_of(archive, rdf)
                self.title, (taken,), (returned,) = path.name, rdf["inputs"], rdf["outputs"]
                examples = [example(archive, rdf, kind) for kind in ("input", "output")]
            self.is_ours = bool(self.program.metadata)  # it takes [0, 1], and continues images itself
            self.taken, self.returned = form_of(taken), form_of(returned)
            before = taken.get("preprocessing") or []
            self.before = steps_before(before, self.taken.roles)
            self.after = steps_after(returned.get("postprocessing") or [])
            self.white = 1.0 if self.is_ours else white_of(taken, before, examples[0])
            if examples[0] is not None and examples[1] is not None:
                self.check(examples[0], examples[1])
        except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: not a package as bioimage.io describes them ({error!r})") from error
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        self.whole_images = any(map(is_of_image, before)) and not self.is_ours
        self.declared = Declared(self.taken.batch, self.taken.channels, classes=self.returned.channels)
        names = {"classes": list(self.returned.names)} if len(self.returned.names) > 1 else {}
        self.metadata = names | self.program.metadata

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] → (N, classes, H, W)."""
        x = images * self.white
        for step in () if self.is_ours else self.before:
            x = step(x)
        return self.answer(x)

    def answer(self, x: Tensor) -> Tensor:
        """Return the network's answer (N, classes, H, W) to prepared values, which are continued to sides it takes."""
        height, width = x.shape[-2:]
        sides = [self.side_of(side, *self.taken.sizes[role]) for side, role in ((height, "y"), (width, "x"))]
        x = F.pad(x, (0, sides[1] - width, 0, sides[0] - height), mode="replicate")
        output = self.program(self.taken.in_own_order(x).to(self.program.declared.dtype))
        if not isinstance(output, Tensor) or output.dim() != 4:
            return output
        output = self.returned.as_nchw(output)
        return output[..., :height, :width] if list(output.shape[-2:]) == sides else output

    def side_of(self, side: int, least: int, step: int) -> int:
        """Return the next length that the network takes; UserError where it takes none so long."""
        if self.is_ours and step:
            return side
        if side > least and not step:
            raise UserError(f"{self.title}: takes images of {least} pixels alone, not {side}; {fixed_sides(least)}")
        return least + (math.ceil((side - least) / step) * step if side > least else 0)

    def check(self, image: np.ndarray, expected: np.ndarray) -> None:
        """Raise UserError unless the package's own example is answered as it says."""
        x = self.taken.as_nchw(torch.from_numpy(image.astype(np.float32)))
        with torch.no_grad():
            for step in self.before:
                x = step(x)
            output = self.answer(x)
            for step in self.after:
                output = step(output)
        right = self.returned.as_nchw(torch.from_numpy(expected.astype(np.float32)))
        if output.shape != right.shape:
            raise UserError(f"its example has {tuple(right.shape)} as answer, not {tuple(output.shape)}")
        wrong = (output.float() - right).abs() > SAME * right.abs().max().clamp(min=1e-3)
        if wrong.float().mean() > 0.01:
            raise UserError(
                f"its own example is answered otherwise than it says ({wrong.float().mean():.0%} of the values): the "
                "package is damaged, or not as bioimage.io describes them"
            )


def described(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Return the description in a package; UserError for what cannot be read here."""
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise UserError("packages need PyYAML; pip install 'seunet[export]'") from error
    name = next(name for name in DESCRIPTIONS if name in archive.namelist())
    try:
        rdf = yaml.safe_load(archive.read(name))
    except yaml.YAMLError as error:
        raise UserError(f"{name}: no YAML ({' '.join(str(error).split())[:100]})") from error
    version = str(rdf.get("format_version", "missing")) if isinstance(rdf, dict) else "missing"
    if not version.startswith(("0.4.", "0.5.")):
        raise UserError(f"{name}: format_version {version}; models of 0.4 and 0.5 are read")
    if (of := rdf.get("type", "model")) != "model":
        raise UserError(f"{name}: describes a {of}, and no model")
    for kind in ("inputs", "outputs"):
        if len(rdf[kind]) != 1:
            raise UserError(f"{name}: {len(rdf[kind])} {kind}; one is expected")
    return rdf


def program_of(archive: zipfile.ZipFile, rdf: Mapping[str, Any]) -> Program:
    """Return the network of the first weights that can be read."""
    kind = next((kind for kind in WEIGHTS if rdf["weights"].get(kind)), None)
    if kind is None:
        raise UserError(f"holds {', '.join(rdf['weights'])} alone; weights as ONNX or TorchScript are read")
    entry = rdf["weights"][kind]
    with TemporaryDirectory(prefix="seunet-") as folder:
        for part in (entry, entry.get("external_data")):
            if part:
                content = read(archive, part["source"])
                if part.get("sha256", digest := sha256(content).hexdigest()) != digest:
                    raise UserError(f"{part['source']}: another sha256 than {part['sha256']}; download it again")
                Path(folder, PurePosixPath(part["source"]).name).write_bytes(content)
        try:
            return PROGRAMS[kind](Path(folder, PurePosixPath(entry["source"]).name))
        except UserError as error:
            raise UserError(str(error).replace(f"{folder}/", "")) from error
        except Exception as error:  # whatever a damaged file leads to
            raise UserError(f"{entry['source']}: cannot be read as {kind} ({str(error)[:100]})") from error


def read(archive: zipfile.ZipFile, source: str) -> bytes:
    """Return a file of the package; UserError where it lies elsewhere."""
    name = str(PurePosixPath(source))
    if name not in archive.namelist():
        raise UserError(f"names {source}, which is not in it; package it with its files (bioimageio package)")
    return archive.read(name)


def example(archive: zipfile.ZipFile, rdf: Mapping[str, Any], kind: str) -> np.ndarray | None:
    """Return the example of the input or output; None where there is none in the package."""
    old = rdf.get(f"test_{kind}s") or [None]
    source = (rdf[f"{kind}s"][0].get("test_tensor") or {}).get("source", old[0])
    if source is None or str(PurePosixPath(source)) not in archive.namelist():
        return None
    return np.load(io.BytesIO(read(archive, source)))


def form_of(tensor: Mapping[str, Any]) -> TensorForm:
    """Return the axes of an input or output; UserError unless they are batch, channel, y and x."""
    axes = axes_of(tensor)
    if sorted(role for _, role, _ in axes) != sorted("bcyx"):
        raise UserError(f"has the axes {', '.join(name for name, _, _ in axes)}; batch, channel, y and x are expected")
    sizes = {role: size for _, role, size in axes}
    named = {name: sizes[role] for name, role, _ in axes}
    batch, channels = (size if isinstance(size, int) else None for size in (sizes["b"], sizes["c"]))
    steps = {role: min_and_step(sizes[role], named) for role in "yx"}
    names = next((axis["channel_names"] for axis in tensor["axes"] if "channel_names" in axis), ())
    return TensorForm({name: role for name, role, _ in axes}, batch, channels, names, steps)


def axes_of(tensor: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Return name, role and size of each axis as the description has them."""
    axes, shape = tensor["axes"], tensor.get("shape")
    if isinstance(axes, str):  # 0.4
        sizes: Sequence[Any] = [None] * len(axes)  # those of another tensor
        if isinstance(shape, list):
            sizes = shape
        elif shape and "min" in shape:
            pairs = zip(shape["min"], shape["step"], strict=True)
            sizes = [{"min": low, "step": step} if step else low for low, step in pairs]
        return [(name, name, size) for name, size in zip(axes, sizes, strict=True)]
    return [
        (
            name := axis.get("id") or axis["type"],
            ROLES.get(axis["type"], name),
            len(axis["channel_names"]) if axis["type"] == "channel" else axis.get("size"),
        )
        for axis in axes
    ]


def min_and_step(size: Any, sizes: Mapping[str, Any]) -> tuple[int, int]:
    """Return the least length of an axis, and the step to larger ones; 0: there are none.

    sizes: of the other axes, to one of which this one may refer.
    """
    if isinstance(size, dict) and "axis_id" in size:
        size = sizes.get(size["axis_id"])
    if isinstance(size, dict) and "min" in size:
        return int(size["min"]), int(size["step"])
    return (size, 0) if isinstance(size, int) else (1, 1)


def white_of(tensor: Mapping[str, Any], before: Sequence[Mapping[str, Any]], image: np.ndarray | None) -> float:
    """Return the value of white in the images that a package takes; image: its example.

    Raises UserError where nothing says it, and it matters.
    """
    data = tensor.get("data") or {}
    data = data[0] if isinstance(data, list) else data
    first = next((entry for entry in before if name_of(entry) != "ensure_dtype"), None)
    if tensor.get("data_type", data.get("type")) == "uint8" or (first and is_of_image(first)):
        return 255
    said = tensor.get("data_range") or data.get("range") or [None, None]
    top = float(said[1] or math.inf) if image is None else float(image.max())
    if top == math.inf:
        raise UserError("does not say which values its images have; a test_tensor, or a range, would")
    if top > 255:
        raise UserError(f"wants images with values up to {top:g}, and here they have 8 bits: 0 to 255, or 0 to 1")
    return 1 if top <= 1 else 255
