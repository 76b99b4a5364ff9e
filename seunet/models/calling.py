"""Calling a network: sides that it does not take are padded, and an answer that is no logits is refused in one line."""

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.runtime.errors import UserError, is_out_of_memory

MULTIPLES = (2, 4, 8, 16, 32, 64, 128)  # tried for a network that fails at some size and declares no size_multiple
ONE_VALUE = "Expected more than 1 value per channel"  # what torch says of batch norm on one image of 1 × 1


class WrongSizeError(UserError):
    """The answer has not the height and width of the images."""


class SizeError(UserError):
    """The network takes no images of this size, but of sides that are multiples of `multiple`."""

    def __init__(self, message: str, multiple: int):
        super().__init__(message)
        self.multiple = multiple


def call(model: nn.Module, images: Tensor, classes: int | None = None) -> Tensor:
    """Return the logits (N, classes, H, W) of images (N, C, H, W), checked but for values that are not finite.

    A network with `answers_per_image` A gives (A · N, classes, H, W): that many answers for every image.
    Images whose sides are no multiples of the network's `size_multiple` are continued by their border pixels, and the
    answer is cut. classes: how many channels the answer must have; None: any number.
    Raises UserError when the network fails on these images or answers with something else.
    """
    multiple = size_multiple(model)
    try:
        return ask(model, images, multiple, classes)
    except Exception as error:  # whatever a network of other people raises
        if is_out_of_memory(error) or (isinstance(error, UserError) and not isinstance(error, WrongSizeError)):
            raise
        raise explained(model, images, multiple, error) from error


def ask(run: Callable[[Tensor], Tensor], images: Tensor, multiple: int, classes: int | None = None) -> Tensor:
    """Return what `run` says of padded images, checked and cut to the images' size."""
    height, width = images.shape[-2:]
    padded = pad(images, multiple)
    answer = run(padded)
    count = len(images) * getattr(run, "answers_per_image", 1)
    check_answer(answer, count, padded.shape[-2:], classes, title(run))
    return answer[..., :height, :width]


def size_multiple(model: nn.Module) -> int:
    """Return what a network declares that the sides of its images must be multiples of; 1 where it declares nothing."""
    multiple = getattr(model, "size_multiple", 1)
    if not isinstance(multiple, int) or isinstance(multiple, bool) or multiple < 1:
        raise UserError(f"{title(model)}.size_multiple: expected a whole number from 1 on, got {multiple!r}")
    return multiple


def pad(images: Tensor, multiple: int) -> Tensor:
    """Return images continued by their border pixels, to the right and below, to sides that are multiples."""
    missing = [-side % multiple for side in images.shape[-2:]]
    return F.pad(images, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else images


def check_answer(answer: Any, count: int, size: Sequence[int], classes: int | None, name: str) -> None:
    """Raise UserError, saying what came and what is asked, unless the answer is `count` logits of images of a size."""
    height, width = size
    asked = f"a tensor of floats ({count}, {classes or 'classes'}, {height}, {width}) is asked, one channel per class"
    if not isinstance(answer, Tensor):
        raise UserError(f"the network {name} returned {shown(answer)}; {asked}: let its forward return that alone")
    came = f"the network {name} returned a tensor of {shown_type(answer)} {tuple(answer.shape)}"
    if answer.dim() != 4 or len(answer) != count or not answer.is_floating_point():
        raise UserError(f"{came}; {asked}")
    if tuple(answer.shape[-2:]) != (height, width):
        raise WrongSizeError(f"{came}, of other height and width than the images; {asked}: upsample it in its forward")
    channels = answer.shape[1]
    if classes is not None and channels != classes:
        hint = "; a network of one channel for two classes is tested with output: sigmoid" * (channels == 1)
        raise UserError(f"{came}, which has {channels} channel(s) for {classes} classes; {asked}{hint}")


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
    """Raise UserError when logits do not depend on the weights: then nothing could be learnt."""
    if not logits.requires_grad:
        raise UserError(
            f"the answer of the network {title(model)} has no gradient, so nothing can be learnt; look for detach, "
            "no_grad or argmax in its forward"
        )


def check_finite(logits: Tensor, model: nn.Module) -> None:
    """Raise UserError when logits hold NaN or infinite values."""
    finite = torch.isfinite(logits)
    if not finite.all():
        share = 1 - finite.double().mean().item()
        raise UserError(
            f"the network {title(model)} returned values that are not finite (NaN or infinite: {share:.2%} of them); "
            "such weights predict nothing: train again with a lower learning rate, or look at the network's input"
        )


def explained(model: nn.Module, images: Tensor, multiple: int, error: Exception) -> UserError:
    """Say in one line why a network failed: by the size of the images, if it takes larger ones, else by its error."""
    height, width = images.shape[-2:]
    if ONE_VALUE in str(error):
        return UserError(
            f"batch norm of the network {title(model)} needs more than one value per channel, and {len(images)} image "
            f"of {height} × {width} pixels gives one: raise training.batch_size or training.crop"
        )
    for larger in (candidate for candidate in MULTIPLES if candidate > multiple):
        if takes(model, images, larger):
            padded = pad(images[:1], larger).shape[-2:]
            message = (
                f"the network {title(model)} cannot take images of {height} × {width} pixels, but takes "
                f"{padded[0]} × {padded[1]}: set its attribute size_multiple to {larger} (or the key of that name, for "
                "given weights), and images are padded to such sides; or choose sizes that are multiples of it"
            )
            return SizeError(message, larger)
    if isinstance(error, UserError):
        return error
    where = traceback.extract_tb(error.__traceback__)[-1]
    said = " ".join(str(error).split())
    said = said if len(said) <= 300 else said[:299] + "…"
    return UserError(
        f"the network {title(model)} fails on images {tuple(images.shape)}: {type(error).__name__}: {said} "
        f"({where.filename}:{where.lineno})"
    )


@torch.no_grad()
def takes(model: nn.Module, images: Tensor, multiple: int) -> bool:
    """Tell whether a network answers images padded to multiples in their own size."""
    if all(side % multiple == 0 for side in images.shape[-2:]):
        return False  # no other images than those it failed on
    try:
        ask(model, images, multiple)
    except Exception:
        return False
    return True


def title(model: Any) -> str:
    """Return what to call a network in a message: its `title` where it has one, else its class."""
    name = getattr(model, "title", None)
    return name if isinstance(name, str) else type(model).__name__


def shown(answer: Any) -> str:
    """Return in words what a network returned instead of a tensor."""
    if isinstance(answer, dict):
        return f"a dict with the keys {', '.join(map(str, answer)) or 'none'}"
    if isinstance(answer, list | tuple):
        parts = ", ".join(str(tuple(part.shape)) if isinstance(part, Tensor) else shown_type(part) for part in answer)
        return f"a {shown_type(answer)} of {len(answer)} ({parts})"
    return "nothing (None)" if answer is None else f"an object of type {shown_type(answer)}"


def shown_type(value: Any) -> str:
    """Return the name of a value's type, of a tensor that of its numbers."""
    return str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else type(value).__name__
