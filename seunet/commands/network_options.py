"""The options that say which network a command asks, and how: the same for all commands.

A command takes a parameter `options: NetworkOptions` and is decorated with `takes_network`: typer then sees the options
of that class in its place.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from seunet.commands.option_parsing import normalisation, numbers, options_of
from seunet.runtime.errors import UserError

if TYPE_CHECKING:
    from seunet.models.external_loading import ExternalSpec

MOST_CLASSES = 2**15 - 1  # class maps are int16
PANEL = "Networks of other people"

Weights = Annotated[
    Path,
    typer.Argument(
        metavar="WEIGHTS",
        help="The folder of a trained network, such as results/models/pet/unet/seed0; a .onnx, .pt2 or TorchScript "
        "file; a package of bioimage.io (.zip); or weights with --architecture.",
    ),
]


class Channels(StrEnum):
    """Which channels a network takes."""

    rgb = "rgb"
    bgr = "bgr"
    grey = "grey"


class OutputKind(StrEnum):
    """What a network returns."""

    logits = "logits"
    probabilities = "probabilities"
    sigmoid = "sigmoid"


class Precision(StrEnum):
    """How numbers are stored while a network predicts."""

    float32 = "float32"
    bfloat16 = "bfloat16"


@dataclass(frozen=True)
class NetworkOptions:
    """What a network expects and returns, where it was not trained here or is asked in another way."""

    architecture: Annotated[
        str | None,
        typer.Option(
            metavar="package.module:factory", help="What builds the network of a state_dict.", rich_help_panel=PANEL
        ),
    ] = None
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An argument of the factory; may be repeated.", rich_help_panel=PANEL),
    ] = None
    key: Annotated[
        str | None,
        typer.Option(
            help="Where in a checkpoint the weights are, such as state_dict; default: where only one group fits.",
            rich_help_panel=PANEL,
        ),
    ] = None
    prefix: Annotated[
        str | None,
        typer.Option(help="What their names begin with there, such as model; the same.", rich_help_panel=PANEL),
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…|NUMBER",
            help="Names of the classes in the network's order, or their number; default: as the network says.",
            rich_help_panel=PANEL,
        ),
    ] = None
    normalise: Annotated[
        str | None,
        typer.Option(
            metavar="MEAN/STD",
            help="For images in [0, 1], such as 0.485,0.456,0.406/0.229,0.224,0.225.",
            rich_help_panel=PANEL,
        ),
    ] = None
    channels: Annotated[
        Channels | None,
        typer.Option(help="What the network takes; default: as the images.", rich_help_panel=PANEL),
    ] = None
    output_kind: Annotated[
        OutputKind,
        typer.Option(help="What the network returns; sigmoid: one channel for two classes.", rich_help_panel=PANEL),
    ] = OutputKind.logits
    size_multiple: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4096,
            help="What sides must be multiples of; others are padded by border pixels.",
            rich_help_panel=PANEL,
        ),
    ] = None

    def given(self) -> "ExternalSpec":
        """Return what a network that was not trained here expects and returns; UserError for a wrong option."""
        from seunet.models.external_loading import ExternalSpec

        return ExternalSpec.read(
            {
                "architecture": self.architecture,
                "options": options_of(self.option),
                "key": self.key,
                "prefix": self.prefix,
                "normalise": normalisation(self.normalise),
                "channels": self.channels and self.channels.value,
                "output": self.output_kind.value,
                "size_multiple": self.size_multiple,
            }
        )

    def class_names(self) -> list[str] | int | None:
        """Return the names of --classes, or their number."""
        if self.classes is None:
            return None
        if self.classes.strip().isdecimal():
            if not 0 < int(self.classes) <= MOST_CLASSES:
                raise UserError(f"--classes: {self.classes} is out of bounds; expected 1 to {MOST_CLASSES}")
            return int(self.classes)
        names = [name.strip() for name in self.classes.split(",")]
        if not all(names) or len(names) != len(set(names)):
            raise UserError(
                f"--classes: {self.classes!r} is no list of different names such as background,leaf, nor a number"
            )
        return names


@dataclass(frozen=True)
class PredictingOptions(NetworkOptions):
    """The same, and how a network is asked about large images."""

    tile: Annotated[
        int,
        typer.Option(
            min=0, help="Tiles of this side for larger images, where the network cannot predict in bands; 0: whole."
        ),
    ] = 0
    margin: Annotated[int, typer.Option(min=0, help="Context around each tile, in pixels.")] = 0
    value_range: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Which values of images are black and white; default: as in training."),
    ] = None
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Images of the scale of training, for a network that does not remember it; see --at auto.",
            rich_help_panel=PANEL,
        ),
    ] = None
    precision: Annotated[
        Precision,
        typer.Option(help="bfloat16: less than half of the time where the processor or GPU has it."),
    ] = Precision.float32

    def tiling(self) -> dict[str, int] | None:
        """Return the size and margin of tiles; None: images are predicted whole."""
        return {"size": self.tile, "margin": self.margin} if self.tile else None

    def black_and_white(self) -> list[float] | None:
        """Return the two values of --value-range; UserError where they are none."""
        if self.value_range is None:
            return None
        values = numbers("--value-range", self.value_range)
        if len(values) != 2 or not -math.inf < values[0] < values[1] < math.inf:
            raise UserError(f"--value-range: {self.value_range!r} is not LOW,HIGH, two numbers with LOW below HIGH")
        return values


def takes_network(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the options of its parameter `options` in the place of that parameter.

    An option that the command has itself, with another meaning, is its own.
    """
    parameters = dict(inspect.signature(command, eval_str=True).parameters)
    kind = parameters.pop("options").annotation
    hints = get_type_hints(kind, include_extras=True)
    shared = {
        field.name: inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(kind)
        if field.name not in parameters
    }

    @wraps(command)
    def run(**given: Any) -> None:
        chosen = {name: given.pop(name) for name in shared}
        command(**given, options=kind(**chosen))

    run.__signature__ = inspect.Signature([*parameters.values(), *shared.values()])  # type: ignore[attr-defined]
    return run
