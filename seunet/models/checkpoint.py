"""Weights with what it takes to rebuild their network, and the state from which a training resumes."""

import hashlib
import io
import json
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from seunet.models import build_model
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic


def save_model(folder: Path, model: nn.Module, description: dict[str, Any]) -> None:
    """Write model.safetensors, then model.json. `description` holds at least what `load_model` reads.

    Bytes are made first, then written: on a full disk the writers of torch and safetensors raise no OSError. Weights
    that two layers share are written twice. The border is written even where it is the default of the network: see
    `load_model`.
    """
    if hasattr(model, "border"):
        description = description | {"options": description["options"] | {"border": model.border}}
    own = {"memory_format": torch.contiguous_format}
    weights = {name: value.detach().cpu().clone(**own) for name, value in model.state_dict().items()}
    with atomic(folder / "model.safetensors") as path:
        path.write_bytes(save(weights))
    with atomic(folder / "model.json") as path:
        path.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def load_model(
    folder: Path | str, device: torch.device | str = "cpu", options: Mapping[str, Any] | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """Rebuild the network of a folder, in evaluation mode; return it and its description.

    options: of the network, over those that it was trained with; such as windows, they must fit the weights.
    Raises UserError when a file is missing or damaged, or when the weights do not fit the network.
    """
    folder = Path(folder)
    description = read_description(folder / "model.json")
    architecture, options = description["architecture"], {**description["options"], **(options or {})}
    if architecture in ("seunet", "sresnet"):  # without the key, they were trained when zeros were the only border
        options = {"border": "zeros", **options}
    try:
        model = build_model(architecture, description["in_channels"], description["num_classes"], **options)
    except UserError as error:
        raise UserError(f"{folder / 'model.json'}: {error}") from error
    path = folder / "model.safetensors"
    try:
        weights = load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; train the model first") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}); delete it and train again") from error
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        problem = textwrap.shorten(str(error).partition("\n")[2] or str(error), 200)  # torch names every tensor
        raise UserError(f"{path}: the weights do not fit the network of model.json: {problem}") from error
    return model.to(device).eval(), description


def read_description(path: Path) -> dict[str, Any]:
    """Read model.json; raise UserError when it is missing, damaged or incomplete."""
    if path.parent.is_file():
        raise UserError(f"{path.parent}: is a file; name the folder of a trained network (model.json and its weights)")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; train the model first") from error
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); delete it and train again") from error
    for key, kind in {"architecture": str, "in_channels": int, "num_classes": int, "options": dict}.items():
        if not isinstance(description, dict) or not isinstance(description.get(key), kind):
            raise UserError(f"{path}: the key {key!r} is missing or wrong; delete it and train again")
    return description


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the resume state of a training: whole, or not at all, and with its checksum.

    A line with the sha256 of the rest comes first, since torch reads damaged values without a word, and a file beside
    it could be older.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    checksum = hashlib.sha256(buffer.getbuffer()).hexdigest()
    with atomic(path) as temporary:
        temporary.write_bytes(b"\n".join([checksum.encode(), buffer.getbuffer()]))


def read_state(path: Path) -> dict[str, Any]:
    """Return the resume state in a file; raise ValueError when its bytes are not those that were written."""
    checksum, _, content = path.read_bytes().partition(b"\n")
    if checksum != hashlib.sha256(content).hexdigest().encode():
        raise ValueError("its checksum is wrong")
    return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")


def load_state(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Read the resume state if there is one; raise UserError when it is damaged or belongs to other settings."""
    if not path.exists():
        return None
    try:
        state = read_state(path)
        stored_hash, stored = state["hash"], json.loads(state["settings"])
    except Exception as error:  # torch.load raises many kinds; all mean the same to a user
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a whole resume state ({reason}); delete it to train anew") from error
    if stored_hash != settings_hash(settings):
        raise UserError(
            f"{path}: belongs to other settings ({difference(stored, json.loads(canonical(settings)))}); "
            "restore them to resume, or delete the file to train anew"
        )
    return state


def exchange_state(folder: Path, settings: dict[str, Any]) -> None:
    """Put the resume state of these settings in the place of last.pt; that of others waits beside, and is not lost.

    States that wait are `last-{hash of their settings}.pt`. A damaged last.pt stays where it is.
    """
    last, own = folder / "last.pt", waiting_state(folder, settings_hash(settings))
    with suppress(Exception):  # `load_state` says what is wrong with a file that cannot be read
        other = read_state(last)["hash"]
        if other != settings_hash(settings):
            last.replace(waiting_state(folder, other))
    if own.exists() and not last.exists():
        own.replace(last)


def waiting_state(folder: Path, settings: str) -> Path:
    """Return where a resume state waits while other settings are trained."""
    return folder / f"last-{settings[:12]}.pt"


def settings_hash(settings: dict[str, Any]) -> str:
    """Return the sha256 of the settings, independent of the order of their keys."""
    return hashlib.sha256(canonical(settings).encode()).hexdigest()


def canonical(settings: dict[str, Any]) -> str:
    """Return the settings as JSON with sorted keys."""
    return json.dumps(settings, sort_keys=True)


def difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Name the first setting that differs, by its path, with both values."""
    old, new = flatten(old), flatten(new)
    key = next(key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
    return f"{key} was {old.get(key)}, is {new.get(key)}"


def flatten(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one mapping from dotted paths to values."""
    if not isinstance(settings, dict):
        return {prefix: settings}
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= flatten(value, f"{prefix}.{key}" if prefix else str(key))
    return flat
