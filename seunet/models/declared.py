"""What the file of a network says of the images that it takes: their number, channels, sides, type and layout."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

METADATA = "seunet"  # under which exported files of ours keep their description, JSON with the keys of model.json
DESCRIBED = {  # what is read of it
    "architecture": str,
    "classes": list,
    "preparation": dict,
    "training": dict,
    "seed": int,
    "fingerprint": dict,
}


@dataclass(frozen=True)
class Declared:
    """Shape and type of the images that a network takes. None: free, or not said.

    batch, channels, height, width: of the input. classes: channels of the output. channels_last: the input is
    (N, H, W, C). dtype: of its values. white: the value of white, 1 or 255; of whole numbers 255.
    """

    batch: int | None = None
    channels: int | None = None
    height: int | None = None
    width: int | None = None
    classes: int | None = None
    channels_last: bool = False
    dtype: torch.dtype = torch.float32
    white: int = 1

    @classmethod
    def of_shapes(cls, taken: Sequence[Any], returned: Sequence[Any] | None, dtype: torch.dtype) -> "Declared":
        """Return what the shapes of a program's input and output say; dimensions that are no numbers are free."""
        shape = [side if isinstance(side, int) and side > 0 else None for side in taken]
        last = is_channels_last(shape)
        batch, channels, height, width = [shape[0], shape[3], shape[1], shape[2]] if last else shape
        classes = None
        if returned is not None and len(returned) == 4:
            answer = [side if isinstance(side, int) and side > 0 else None for side in returned]
            classes = answer[3 if last and is_channels_last(answer) else 1]
        return cls(batch, channels, height, width, classes, last, dtype, 1 if dtype.is_floating_point else 255)

    def __str__(self) -> str:
        """Return a description for users."""
        sides = [f"{name} {side}" for name, side in (("height", self.height), ("width", self.width)) if side]
        parts = [f"{', '.join(sides)} alone" if sides else "", f"batches of {self.batch}" if self.batch else ""]
        parts += ["channels last" * self.channels_last, name_of(self.dtype) * (self.dtype != torch.float32)]
        parts += ["values from 0 to 255" * (self.white == 255)]
        return ", ".join(part for part in parts if part)


def name_of(dtype: torch.dtype) -> str:
    """Return the name of a type, such as uint8."""
    return str(dtype).removeprefix("torch.")


def is_channels_last(shape: Sequence[int | None]) -> bool:
    """Tell whether a shape with four dimensions is (N, H, W, C) and not (N, C, H, W)."""
    _, second, third, last = shape
    if last is None or second == last:
        return False
    if third == last:  # (N, C, side, side)
        return False
    if second == third and second is not None:  # (N, side, side, C)
        return True
    return second is None or last < second


def channels_of_weights(weights: Iterable[Tensor]) -> int | None:
    """Return the channels that the first convolution reads, from the weights of a network in their order."""
    return next((value.shape[1] for value in weights if value.dim() == 4), None)


def parsed_metadata(text: str | bytes | None) -> dict[str, Any]:
    """Return the description in the metadata of an exported file of ours; of other files an empty mapping."""
    try:
        content = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: content[key] for key, kind in DESCRIBED.items() if isinstance(content.get(key), kind)}
