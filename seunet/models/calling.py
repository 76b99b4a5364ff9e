"""Calling a network: `call_network` pads the images, runs the network, checks that it returns logits, and crops them.

A network may come from other people, so every failure becomes a UserError of one line. `explain_failure` finds out
whether the size of the images is the cause.
"""

import math
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.models.checks import check_positive
from seunet.models.input_form import SIDES_TO_TRY, fixed_sides
from seunet.runtime.errors import UserError, is_out_of_memory

# A network that halves its maps k times often needs sides that are multiples of 2^k. If it fails and declares a smaller
# size_multiple, these are tried, smallest first, so that the message can name the right one.
MULTIPLES_TO_TRY = (2, 4, 8, 16, 32, 64, 128)
ONE_VALUE = "Expected more than 1 value per channel"  # torch's message for batch norm on one image of 1 × 1


class WrongSizeError(UserError):
    """The network returned logits of another height and width than the images."""


class SizeError(UserError):
    """The network fails on images of this size, but not if their sides are multiples of `multiple`."""

    def __init__(self, message: str, multiple: int):
        super().__init__(message)
        self.multiple = multiple


def call_network(model: nn.Module, images: Tensor, classes: int | None = None) -> Tensor:
    """Return the logits (N, classes, H, W) of images (N, C, H, W). Values that are not finite are not looked for.

    A network with `logits_per_image` A returns (A · N, classes, H, W): A logits for every image.
    Images whose sides are not multiples of the network's `size_multiple` are padded with their border pixels, and the
    logits are cropped. classes: how many channels the logits must have; None: any number.
    Raises UserError if the network fails on these images, or returns something else.
    """
    multiple = size_multiple(model)
    try:
        return run_padded(model, images, multiple, classes)
    except Exception as error:  # the code of other people may raise anything
        if is_out_of_memory(error) or (isinstance(error, UserError) and not isinstance(error, WrongSizeError)):
            raise
        raise explain_failure(model, images, multiple, error) from error


def run_padded(run: Callable[[Tensor], Tensor], images: Tensor, multiple: int, classes: int | None = None) -> Tensor:
    """Pad images to multiples, pass them to `run`, check the logits, and crop them to the images' size."""
    height, width = images.shape[-2:]
    padded = pad(images, multiple)
    output = run(padded)
    count = len(images) * getattr(run, "logits_per_image", 1)
    check_logits(output, count, padded.shape[-2:], classes, title(run))
    return output[..., :height, :width]


def size_multiple(model: nn.Module) -> int:
    """Return the number that the sides of an image must be multiples of, as the network declares it; 1 by default."""
    multiple: int = getattr(model, "size_multiple", 1)
    check_positive(**{f"{title(model)}.size_multiple": multiple})
    return multiple


def nearest_side(side: float, multiple: int) -> int:
    """Return the multiple nearest to a side, and no less than one."""
    return max(1, int(side / multiple + 0.5)) * multiple


def sides_at(size: Sequence[int], factor: float, multiple: int) -> tuple[int, int]:
    """Return the sides at which an image of a size is shown at a factor: at 1 its own, else the nearest multiples."""
    if factor == 1:
        return size[0], size[1]
    return nearest_side(size[0] * factor, multiple), nearest_side(size[1] * factor, multiple)


def pad(images: Tensor, multiple: int) -> Tensor:
    """Pad images with their border pixels, to the right and below, until their sides are multiples."""
    missing = [-side % multiple for side in images.shape[-2:]]
    return F.pad(images, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else images


def check_logits(output: Any, count: int, size: Sequence[int], classes: int | None, name: str) -> None:
    """Raise UserError unless a network's output is float (count, classes, height, width)."""
    height, width = size
    wanted = f"a tensor of floats ({count}, {classes or 'classes'}, {height}, {width}) is asked, one channel per class"
    if not isinstance(output, Tensor):
        got = f"the network {name} returned {describe(output)}"
        raise UserError(f"{got}; {wanted}: let its forward return that alone")
    got = f"the network {name} returned a tensor of {type_name(output)} {tuple(output.shape)}"
    if output.dim() != 4 or len(output) != count or not output.is_floating_point():
        raise UserError(f"{got}; {wanted}")
    if tuple(output.shape[-2:]) != (height, width):
        raise WrongSizeError(f"{got}, of other height and width than the images; {wanted}: upsample it in its forward")
    channels = output.shape[1]
    if classes is not None and channels != classes:
        hint = "; a network of one channel for two classes is tested with output: sigmoid" * (channels == 1)
        raise UserError(f"{got}, which has {channels} channel(s) for {classes} classes; {wanted}{hint}")


def check_trainable(model: nn.Module) -> None:
    """Raise UserError for a network without weights to train, or with a state that is no tensor and cannot be saved."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(
            f"the network {title(model)} has no weights to train (none has requires_grad); a network that is ready is "
            "tested as a model with weights"
        )
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise UserError(
                f"the network {title(model)} keeps {name} of type {type(value).__name__} among its weights, which "
                "cannot be saved; make it a tensor, or an option"
            )


def check_gradient(logits: Tensor, model: nn.Module) -> None:
    """Raise UserError if logits do not depend on the weights: nothing can be learnt then."""
    if not logits.requires_grad:
        raise UserError(
            f"the answer of the network {title(model)} has no gradient, so nothing can be learnt; look for detach, "
            "no_grad or argmax in its forward"
        )


def check_finite(logits: Tensor, model: nn.Module) -> None:
    """Raise UserError when logits hold NaN or infinite values."""
    if torch.isfinite(logits.sum()):  # one pass; a sum that overflows is looked at value by value
        return
    finite = torch.isfinite(logits)
    if not finite.all():
        share = 1 - finite.double().mean().item()
        way = "train again with a lower learning rate, or look at the network's input"
        if hasattr(model, "conventions"):  # it was not trained here
            way = "look at normalise, and whether the file itself gives such values to whom it comes from"
        raise UserError(
            f"the network {title(model)} returned values that are not finite (NaN or infinite: {share:.2%} of them); "
            f"such weights predict nothing: {way}"
        )


def explain_failure(model: nn.Module, images: Tensor, multiple: int, error: Exception) -> UserError:
    """Return the error of a network that failed, in one line for users.

    If the network accepts the same images padded to larger multiples, the size is the cause (SizeError). Otherwise the
    line holds the network's own error.
    """
    height, width = images.shape[-2:]
    if ONE_VALUE in str(error):
        return UserError(
            f"batch norm of the network {title(model)} needs more than one value per channel, and {len(images)} image "
            f"of {height} × {width} pixels gives one: raise training.batch_size or training.crop"
        )
    larger = next((m for m in MULTIPLES_TO_TRY if m > multiple and accepts_padded(model, images, m)), None)
    if larger is not None:
        return size_error(model, images, larger)
    side = next((side for side in SIDES_TO_TRY if accepts(model, squares(images, side))), None)
    if side is not None and not accepts(model, squares(images, 2 * side)):
        return UserError(
            f"the network {title(model)} cannot take images of {height} × {width} pixels, but takes {side} × {side} "
            f"alone; {fixed_sides(side)}"
        )
    if isinstance(error, UserError):
        return error
    where = traceback.extract_tb(error.__traceback__)[-1]
    reason = " ".join(str(error).split())
    reason = reason if len(reason) <= 300 else reason[:299] + "…"
    return UserError(
        f"the network {title(model)} fails on images {tuple(images.shape)}: {type(error).__name__}: {reason} "
        f"({where.filename}:{where.lineno})"
    )


def size_error(model: nn.Module, images: Tensor, multiple: int) -> SizeError:
    """Return the error of a network that takes the images padded to a multiple, and does not take them as they are."""
    height, width = images.shape[-2:]
    padded = pad(images[:1], multiple)
    said = f"the network {title(model)} cannot take images of {height} × {width} pixels, but takes "
    said += " × ".join(map(str, padded.shape[-2:]))
    step = math.gcd(height, width, multiple)
    if accepts(model, F.pad(padded, (0, step, 0, step), mode="replicate")):  # which is no multiple
        way = "these are too small for it; leave out such small scales, or give larger images"
    else:
        way = (
            f"set its size_multiple to {multiple} (--size-multiple, the key of given weights, its option, or its "
            "attribute), and images are padded to such sides; or choose sizes that are multiples of it"
        )
    return SizeError(f"{said}: {way}", multiple)


def squares(images: Tensor, side: int) -> Tensor:
    """Return images (N, C, H, W), resampled to (N, C, side, side)."""
    return F.interpolate(images, size=(side, side), mode="bilinear", align_corners=False)


def accepts_padded(model: nn.Module, images: Tensor, multiple: int) -> bool:
    """Tell whether a network returns logits of the right size for images that are padded to multiples."""
    if all(side % multiple == 0 for side in images.shape[-2:]):
        return False  # padding changes nothing, and the network failed on these images
    return accepts(model, pad(images, multiple))


@torch.no_grad()
def accepts(model: nn.Module, images: Tensor) -> bool:
    """Tell whether a network returns logits of the right size for images as they are."""
    try:
        run_padded(model, images, 1)
    except Exception:
        return False
    return True


def title(model: Any) -> str:
    """Return the name of a network for messages: its `title` if it has one, else its class."""
    name = getattr(model, "title", None)
    return name if isinstance(name, str) else type(model).__name__


def describe(output: Any) -> str:
    """Return a description of what a network returned instead of a tensor."""
    if isinstance(output, dict):
        return f"a dict with the keys {', '.join(map(str, output)) or 'none'}"
    if isinstance(output, list | tuple):
        parts = ", ".join(str(tuple(part.shape)) if isinstance(part, Tensor) else type_name(part) for part in output)
        return f"a {type_name(output)} of {len(output)} ({parts})"
    return "nothing (None)" if output is None else f"an object of type {type_name(output)}"


def type_name(value: Any) -> str:
    """Return the name of a value's type; for a tensor, that of its numbers."""
    return str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else type(value).__name__
