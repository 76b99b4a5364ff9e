"""`--at auto` and `--at auto-each`: images are shown at the factor of their own pixels that the network finds best."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seunet.commands.factor_table import TABLE, Row, row_of, update_table
from seunet.commands.inputs import Input, find_images
from seunet.runtime.errors import UserError
from seunet.runtime.wording import counted

if TYPE_CHECKING:
    from torch import Tensor

    from seunet.data.formats.picture import Picture
    from seunet.experiment.application import InputScale, TrainedNetwork
    from seunet.experiment.factor_search import Magnification
    from seunet.experiment.fingerprint import Fingerprint

REFERENCE_IMAGES = 32  # images of a folder that make a fingerprint
FEW_IMAGES = 8  # of which it is a poor one
HINT_IMAGES = 8  # images that tell whether a hint is due
MAX_PIXELS_READ = 2**25  # pixels, of all images that decide together; of larger ones fewer are read
HINT_MARGIN = 0.05  # nats by which another factor must be better for a hint


class FixedFactor:
    """All images at a scale that is known: --at training, native or a factor."""

    def __init__(self, network: "TrainedNetwork", scale: "InputScale", description: str):
        self.network, self.scale, self.description, self.origin_key = network, scale, description, str(scale)
        self.rows: dict[Input, Row | None] = {}

    def scale_of(self, image: Input) -> "InputScale":
        """Return the scale."""
        return self.scale

    def logits(self, image: Input, picture: "Picture") -> "Tensor":
        """Return the logits (1, classes, h, w) of an image that is opened."""
        self.rows[image] = None
        return self.network.logits(picture, self.scale)

    def context(self) -> AbstractContextManager[None]:
        """Return a context that changes nothing."""
        return nullcontext()

    def write_table(self, output: Path, answered: Iterable[Input]) -> None:
        """Take the images from the table of an earlier call with --at auto."""
        update_table(output, self.rows)


class AutoFactors:
    """--at auto: one factor for all images, found from a few of them; --at auto-each: one for each."""

    def __init__(self, network: "TrainedNetwork", images: Sequence[Input], reference: "Fingerprint", each: bool):
        self.network, self.reference = network, reference
        # logits that the search left are those of one image, and not of all
        self.shared = None if each else replace(find_factor(network, images, reference), as_it_is=None)
        self.description = str(self.shared) if self.shared else "each shown at a factor of its own"
        self.origin_key = f"auto {self.shared.factor}" if self.shared else "auto-each"  # what decides the answers
        self.rows: dict[Input, Row | None] = {}

    def scale_of(self, image: Input) -> "InputScale":
        """Return the scale of an image."""
        from seunet.experiment.application import InputScale

        return InputScale(self.magnification_of(image).factor)

    def magnification_of(self, image: Input) -> "Magnification":
        """Return the factor of an image, and keep how it was found for the table."""
        try:
            found = self.shared or find_factor(self.network, [image], self.reference)
        except UserError as error:
            raise UserError(error if str(image.path) in str(error) else f"{image.path}: {error}") from error
        self.rows[image] = row_of(found)
        return found

    def logits(self, image: Input, picture: "Picture") -> "Tensor":
        """Return the logits (1, classes, h, w) of an image that is opened, at its factor."""
        from seunet.experiment.application import InputScale

        found = self.magnification_of(image)
        if (logits := found.known_logits) is not None:
            return logits
        with self.context():
            return self.network.logits(picture, InputScale(found.factor))

    def context(self) -> AbstractContextManager[None]:
        """Return the context in which a SEU-Net with windows answers by the one of the scale of its training."""
        from seunet.experiment.observation import finest_window_only

        return finest_window_only(self.network.predictor)

    def write_table(self, output: Path, answered: Iterable[Input]) -> None:
        """Write the rows of these images; answered: others that an earlier call answered, at the factor of all."""
        for image in answered if self.shared else ():
            self.magnification_of(image)
        update_table(output, self.rows)


def find_factor(
    network: "TrainedNetwork", images: Sequence[Input], reference: "Fingerprint", tell: bool = False
) -> "Magnification":
    """Return the factor of these images; those that cannot be read are passed over, with a line each if `tell`."""
    from seunet.data.sampling import evenly_spaced
    from seunet.experiment.magnification import PROBES, find_magnification

    pictures = network_inputs(network, [images[i] for i in evenly_spaced(len(images), PROBES)], tell=tell)
    if len({picture.shape[-2:] for picture in pictures}) > 1:
        typer.echo("the images have several sizes; if they have several magnifications, take --at auto-each", err=True)
    return find_magnification(network.model, pictures, reference)


def network_inputs(
    network: "TrainedNetwork", images: Sequence[Input], scale: "InputScale | None" = None, tell: bool = False
) -> list[Any]:
    """Return images (C, H, W) at a scale, by default at their own pixels; UserError where none can be read.

    tell: print a line for each that cannot be read.
    """
    from seunet.experiment.application import InputScale, open_picture

    pictures, mistake, pixels = [], None, 0
    for image in images:
        if pixels >= MAX_PIXELS_READ:
            break
        try:
            picture = open_picture(image.path)
            pictures.append(network.network_input(picture, scale or InputScale(), is_answered=False)[0])
        except UserError as error:
            mistake = error
            if tell:
                typer.echo(f"passed over: {error}", err=True)
        else:
            pixels += pictures[-1][0].numel()
    if mistake and not pictures:
        raise mistake
    return pictures


def reference_fingerprint(network: "TrainedNetwork", folder: Path | None) -> "Fingerprint":
    """Return what a network sees at the scale of its training.

    As images of --reference show it, else as model.json has it, else as batch norm remembers it.
    Raises UserError where nothing tells it.
    """
    from seunet.data.sampling import evenly_spaced
    from seunet.experiment.fingerprint import Fingerprint, fingerprint
    from seunet.experiment.magnification import LEAST_SIDE, has_contrast, resized

    if folder is not None:
        images = find_images([folder], folder / TABLE)
        chosen = [images[i] for i in evenly_spaced(len(images), REFERENCE_IMAGES)]
        parts = [resized(image, 1.0) for image in network_inputs(network, chosen, tell=True)]
        if len(parts) < FEW_IMAGES:
            typer.echo(f"--reference: {counted(len(parts), 'image')}; a dozen and more tell the scale better", err=True)
        if min(min(part.shape[-2:]) for part in parts) < LEAST_SIDE:
            raise UserError(f"{folder}: images smaller than {LEAST_SIDE} pixels show no scale (--reference)")
        if not any(map(has_contrast, parts)):
            raise UserError(f"{folder}: nothing is to be seen in these images, so they show no scale (--reference)")
        return fingerprint(network.model, (part[None] for part in parts))
    if written := network.description.get("fingerprint"):
        return Fingerprint.read(written)
    remembered = Fingerprint.of_running_statistics(network.model)
    if remembered is None:
        raise UserError(
            f"{network.source}: does not tell what the network sees at the scale of its training; give some images of "
            "that scale (--reference FOLDER)"
        )
    typer.echo("the scale of training is told by batch norm alone; --reference FOLDER tells it better", err=True)
    return remembered


def magnification_hint(network: "TrainedNetwork", images: Sequence[Input], scale: "InputScale") -> str | None:
    """Return a line for the user where images look as if they had another magnification than those of the training.

    Only for a network that remembers those; a few images are shown at half, once and twice the scale.
    """
    from seunet.data.sampling import evenly_spaced
    from seunet.experiment.fingerprint import Fingerprint
    from seunet.experiment.magnification import find_magnification

    written = network.description.get("fingerprint")
    if not written:
        return None
    try:
        shown = network_inputs(network, [images[i] for i in evenly_spaced(len(images), HINT_IMAGES)], scale)
        found = find_magnification(network.model, shown, Fingerprint.read(written), (2, 1, 0.5))
    except UserError:  # the answers themselves will tell
        return None
    gain = found.best.score - next(trial.score for trial in found.trials if trial.factor == 1)
    if gain < HINT_MARGIN:
        return None
    size = "larger" if found.factor < 1 else "smaller"
    return f"hint: these images look {size} in scale than those of the training; --at auto finds their factor"
