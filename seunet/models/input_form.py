"""Asking a network in the form that it wants: the layout and type of its images, and how many of them at once.

Files of ONNX and torch.export declare their form; of others it is found by trial, when the first call fails.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from seunet.models.declared import Declared, name_of
from seunet.runtime.errors import UserError, is_out_of_memory

BATCHES_TO_TRY = (1, 2, 4, 8, 16, 32, 64)  # sizes that a file may have fixed without saying so
SIDES_TO_TRY = (64, 256, 224, 512, 128, 96, 48, 32)  # the same; of images that a network is asked about first
MOST_PIXELS = 2**22  # of a batch that is tried
WHOLE = (torch.uint8, torch.int16, torch.int32, torch.int64)  # types whose images have values 0 … 255


def run_in_form(network: Callable[[Tensor], Any], images: Tensor, form: Declared) -> Any:
    """Return what a network answers to images (N, C, H, W), asked in a form: a tensor (N, C, H, W) where it can be one.

    A fixed batch is filled up by its last image, whose further answers are dropped.
    """
    parts = images.split(form.batch) if form.batch else [images]
    outputs = [network(as_declared(filled_batch(part, form.batch), form)) for part in parts]
    if not all(isinstance(output, Tensor) and output.dim() == 4 for output in outputs):
        return outputs[0]
    output = torch.cat(outputs)[: len(images)]
    height, width = images.shape[-2:]
    if output.shape[2:] != (height, width) and output.shape[1:3] == (height, width):
        output = output.permute(0, 3, 1, 2)
    return output.to(images.device)


def filled_batch(images: Tensor, batch: int | None) -> Tensor:
    """Return images (N, C, H, W), followed by copies of the last one until they are a whole batch."""
    missing = (batch or len(images)) - len(images)
    return torch.cat([images, images[-1:].expand(missing, -1, -1, -1)]) if missing else images


def as_declared(images: Tensor, form: Declared) -> Tensor:
    """Return images in [0, 1] (N, C, H, W) in the layout, range and type of a form."""
    if form.white != 1:
        images = images * form.white
    if not form.dtype.is_floating_point:
        images = images.round().clamp(0, form.white)
    x = images.to(form.dtype)
    return x.permute(0, 2, 3, 1).contiguous() if form.channels_last else x


def find_form(
    network: Callable[[Tensor], Any], images: Tensor, form: Declared, batches: Sequence[int] = BATCHES_TO_TRY
) -> Declared | None:
    """Return the form in which a network answers that fails in the form that its file declares; None if in no other.

    Tried are channels that come last, and fixed batches, where the file does not say them.
    """
    for other in other_forms(form, images, batches):
        if out_channels(network, images, other) is not None:
            return other
    return None


def other_forms(form: Declared, images: Tensor, batches: Sequence[int]) -> Iterator[Declared]:
    """Yield the forms that a file leaves open: first another layout, then fixed batches, then both."""
    tried = [n for n in batches if n != len(images) and n * images[0, 0].numel() <= MOST_PIXELS]
    layouts = [False, True] if form.height is None and form.width is None else [form.channels_last]
    for batch in [None, *tried] if form.batch is None else [form.batch]:
        for channels_last in layouts:
            other = replace(form, batch=batch, channels_last=channels_last)
            if other != form:
                yield other


def out_channels(network: Callable[[Tensor], Any], images: Tensor, form: Declared) -> int | None:
    """Return how many channels a network answers with; None where it fails, or answers with no map of this size."""
    try:
        output = run_in_form(network, images, form)
    except Exception as error:  # the code of other people may raise anything
        if is_out_of_memory(error):
            raise
        return None
    is_map = isinstance(output, Tensor) and (len(output), *output.shape[2:]) == (len(images), *images.shape[2:])
    return output.shape[1] if is_map else None


@torch.no_grad()
def probe_channels(
    network: Callable[[Tensor], Any], form: Declared, channels: Sequence[int], multiple: int
) -> Declared | None:
    """Return a form with the channels of input and output, found by asking; None where the network never answers.

    channels: how many the images may have, the likeliest first. multiple: of the sides of images.
    """
    generator = torch.Generator().manual_seed(0)
    for side in dict.fromkeys(-(-side // multiple) * multiple for side in SIDES_TO_TRY):
        for count in channels:
            image = torch.rand(1, count, form.height or side, form.width or side, generator=generator)
            for found in (form, *other_forms(form, image, BATCHES_TO_TRY if side == SIDES_TO_TRY[0] else ())):
                if (classes := out_channels(network, image, found)) is not None:
                    return replace(found, channels=count, classes=classes)
        if form.height and form.width:
            break
    return None


@cache
def say_form(form: Declared, title: str) -> None:
    """Print, once, in which form a network is asked that failed as its file declares it."""
    print(f"{title}: asked with {form}, since it takes no other images", file=sys.stderr, flush=True)


def check_form(form: Declared, title: str, is_normalised: bool) -> None:
    """Raise UserError for a type of values that images cannot have, and for 0 … 255 that would be normalised."""
    if not form.dtype.is_floating_point and form.dtype not in WHOLE:
        raise UserError(f"{title}: takes images of {name_of(form.dtype)}; export it for float32 or uint8")
    if form.white != 1 and is_normalised:
        raise UserError(f"normalise: {title} takes values from 0 to 255 and prepares them itself; leave normalise out")


def check_sides(images: Tensor, form: Declared, title: str) -> None:
    """Raise UserError where a file fixes other sides than the images (N, C, H, W) have."""
    sides = {"height": (form.height, images.shape[2]), "width": (form.width, images.shape[3])}
    for name, (fixed, side) in sides.items():
        if fixed is None or fixed == side:
            continue
        way = fixed_sides(fixed) if form.height == form.width else "export it with free height and width"
        raise UserError(f"{title}: takes images of {name} {fixed} alone, not {side}; {way}")


def fixed_sides(side: int) -> str:
    """Return what can be done about a network that takes images of side × side pixels alone."""
    return (
        "export it with free height and width, or have larger images cut into such tiles and smaller ones filled up: "
        f"--tile {side} --size-multiple {side} (keys tile.size and size_multiple)"
    )
