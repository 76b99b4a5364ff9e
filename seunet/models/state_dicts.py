"""Weights alone, without their network: read from files of trainers, and loaded into the network that they fit."""

import pickle
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from seunet.runtime.errors import UserError

WRAPPERS = ("_orig_mod", "module")  # parts of names that torch.compile and DataParallel add
TOP = "."  # written for the outermost mapping, and for no prefix
UNCOUNTED = "num_batches_tracked"  # which old checkpoints lack, and torch does without
DEEPEST = 4  # mappings within mappings that are looked through


@dataclass(frozen=True)
class Group:
    """Tensors of a checkpoint: those in one of its mappings, `key`, whose names begin with `prefix`, without it."""

    key: str
    prefix: str
    tensors: Mapping[str, Tensor]

    def __str__(self) -> str:
        """Return the options that choose it."""
        return f"--key {self.key or TOP} --prefix {self.prefix or TOP}"


def read_content(path: Path) -> Any:
    """Return what a .safetensors file or a file of torch.save holds; no code of it is run."""
    try:
        return load_file(path) if path.suffix == ".safetensors" else load_tensors(path)
    except pickle.UnpicklingError as error:
        if not may_be_pickled(path):
            raise UserError(
                f"{path}: no file of weights; name one of torch.save or safetensors, an exported network, or the "
                "folder of a trained one"
            ) from error
        raise UserError(
            f"{path}: holds other things than tensors, which are not read since they could run any code; save the "
            "network's state_dict alone: torch.save(network.state_dict(), …), or as .safetensors"
        ) from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{path}: damaged, or no file of weights ({first_line(error)}); save it again") from error


def may_be_pickled(path: Path) -> bool:
    """Tell whether a file begins as those of torch.save do: a zip file, or a pickle of protocol 2 and later."""
    with path.open("rb") as file:
        return file.read(4).startswith((b"PK\x03\x04", b"\x80"))


def load_tensors(path: Path) -> Any:
    """Return what torch.save wrote. Checkpoints of trainers hold objects beside the tensors, which are left unread."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        others = unknown_to_torch(path)
        with torch.serialization.safe_globals([(Unread, name) for name in others]):
            content = torch.load(path, map_location="cpu", weights_only=True)
        if not others or not any(mappings_of(content)):
            raise error
        return content


def unknown_to_torch(path: Path) -> list[str]:
    """Return the names of what a file asks for beside tensors: classes and functions, which are not imported."""
    try:
        return torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (RuntimeError, ValueError, pickle.UnpicklingError):  # of the format before torch 1.6, or damaged
        return []


class Unread:
    """What stands in the place of an object that is no tensor: made from anything, it does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "Unread":
        """Return one, whatever it is made from."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def mappings_of(content: Any, key: str = "", depth: int = DEEPEST) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield (path, tensors by name) of every mapping in a checkpoint that holds tensors, the outermost first."""
    if not isinstance(content, Mapping):
        return
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if tensors:
        yield key, tensors
    for name, value in content.items() if depth else ():
        yield from mappings_of(value, f"{key}.{name}" if key else str(name), depth - 1)


def read_weights(path: Path, key: str | None = None) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of a file, by the path of the mapping that holds them and by their names.

    key: the mapping that the user chose. Raises UserError where there are no tensors, or none there.
    """
    content = read_content(path)
    mappings = dict(mappings_of(content))
    if not mappings:
        held = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
        raise UserError(f"{path}: no state_dict in it, but {held[:200]}; save network.state_dict()")
    if key is None:
        return mappings
    if key.removeprefix(TOP) not in mappings:
        raise UserError(f"{path}: no tensors under the key {key!r}, but under {', '.join(map(repr, mappings))}")
    return {key: mappings[key.removeprefix(TOP)]}


def fit(network: nn.Module, weights: Mapping[str, dict[str, Tensor]], path: Path, prefix: str | None = None) -> None:
    """Load weights into a network, all of its own: the one group of them that has exactly its names.

    weights: as `read_weights` returns them. prefix: of the names, that the user chose. What torch.compile and
    DataParallel add to names counts for nothing. Raises UserError where no group fits, or several that differ.
    """
    wanted = set(network.state_dict())
    groups = [group for key, tensors in weights.items() for group in groups_of(key, tensors, wanted, prefix)]
    if not groups:
        largest = max(weights.values(), key=len)
        raise UserError(f"{path}: {misfit(network, without_common_prefix(largest, wanted))}")
    for other in groups[1:]:
        if not all(torch.equal(value, other.tensors[name]) for name, value in groups[0].tensors.items()):
            raise UserError(
                f"{path}: holds several weights for {type(network).__name__}: {', or '.join(map(str, groups))}; choose"
            )
    try:
        network.load_state_dict(groups[0].tensors)
    except RuntimeError as error:
        raise UserError(f"{path}: {misfit(network, groups[0].tensors)}") from error
    say_left(path, groups[0].key, groups[0].prefix, tuple(weights[groups[0].key]))


def groups_of(key: str, tensors: Mapping[str, Tensor], wanted: set[str], prefix: str | None) -> list[Group]:
    """Return the groups of a mapping whose names are exactly the wanted ones."""
    names = {name: name for name in tensors}
    found: list[Group] = []
    for wrapper in ("", *WRAPPERS):
        names = {short: full for name, full in names.items() if (short := unwrapped(name, wrapper))}
        for start in prefixes_of(names, wanted):
            inside = {name[len(start) :]: tensors[full] for name, full in names.items() if name.startswith(start)}
            missing = {name for name in wanted - inside.keys() if not name.endswith(UNCOUNTED)}
            if (
                not missing
                and inside.keys() <= wanted
                and prefix in (None, start, start.removesuffix("."), start or TOP)
            ):
                found.append(Group(key, start, inside))
        if found:
            break
    return found


def prefixes_of(names: Mapping[str, str], wanted: set[str]) -> list[str]:
    """Return what may stand before the wanted names: nothing, or parts that end with a point."""
    first = next((name for name in sorted(wanted) if not name.endswith(UNCOUNTED)), None)
    ends = [name.removesuffix(first) for name in names if first is not None and name.endswith(first)]
    return [start for start in ends if not start or start.endswith(".")]


def unwrapped(name: str, wrapper: str) -> str:
    """Return a name without the parts that a wrapper added."""
    return ".".join(part for part in name.split(".") if part != wrapper) if wrapper else name


def without_common_prefix(tensors: Mapping[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Return tensors without the parts that all their names begin with, as far as no name is a wanted one."""
    weights = dict(tensors)
    while weights and not wanted & weights.keys():
        if len({name.partition(".")[0] for name in weights}) > 1 or not all("." in name for name in weights):
            break
        weights = {name.partition(".")[2]: value for name, value in weights.items()}
    return weights


def misfit(network: nn.Module, weights: Mapping[str, Tensor]) -> str:
    """Return why weights do not fit a network, in one line."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        problem = " ".join((str(error).partition("\n")[2] or str(error)).split())
        problem = problem if len(problem) <= 200 else problem[:199] + "…"
        return f"the weights do not fit {type(network).__name__}: {problem}"
    return f"the weights do not fit {type(network).__name__} under the prefix that was chosen"


@cache
def say_left(path: Path, key: str, prefix: str, names: tuple[str, ...]) -> None:
    """Print, once, which tensors were left out where only those with a prefix were taken."""
    left = [name for name in names if not unwrapped(name, WRAPPERS[0]).startswith(prefix)]
    if left:
        of_key = f" of {key}" if key else ""
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        said = f"{path}: took the weights{of_key} that begin with {prefix}, and left {', '.join(left[:3])}{more}"
        print(said, file=sys.stderr, flush=True)


def first_line(error: Exception) -> str:
    """Return the message of an error in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:159] + "…"
