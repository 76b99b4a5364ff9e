"""`--at auto` and `--at auto-each`: images are shown at the factor of their own pixels that the network finds best."""

import csv
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic
from seunet.runtime.tables import read_rows

if TYPE_CHECKING:
    from torch import Tensor

    from seunet.commands.inputs import Input
    from seunet.data.formats.picture import Picture
    from seunet.experiment.application import InputScale, TrainedNetwork
    from seunet.experiment.fingerprint import Fingerprint
    from seunet.experiment.magnification import Magnification

TABLE = "magnification.csv"
COLUMNS = ("file", "factor", "score", "second_best", "margin")
REFERENCES = 32  # images of a folder that make a fingerprint
GUESSES = 8  # images that tell whether a hint is due
CLEARLY = 0.05  # nats by which another factor must be better for a hint


class FixedFactor:
    """All images at a scale that is known: --at training, native or a factor."""

    def __init__(self, network: "TrainedNetwork", scale: "InputScale", description: str):
        self.network, self.scale, self.description, self.key = network, scale, description, str(scale)

    def of(self, image: "Input") -> "InputScale":
        """Return the scale."""
        return self.scale

    def logits(self, image: "Input", picture: "Picture") -> "Tensor":
        """Return the logits (1, classes, h, w) of an image that is opened."""
        return self.network.logits(picture, self.scale)

    def context(self) -> AbstractContextManager[None]:
        """Return a context that changes nothing."""
        return nullcontext()

    def write(self, output: Path, keep: bool = False) -> None:
        """Write nothing: no factor was looked for."""


class AutoFactors:
    """--at auto: one factor for all images, found from a few of them; --at auto-each: one for each."""

    def __init__(self, network: "TrainedNetwork", images: Sequence["Input"], reference: "Fingerprint", each: bool):
        self.network, self.reference = network, reference
        self.for_all = None if each else find(network, images, reference)
        self.description = str(self.for_all) if self.for_all else f"each shown at a factor of its own, see {TABLE}"
        self.key = f"auto {self.for_all.factor}" if self.for_all else "auto-each"  # what decides the answers
        self.rows: dict[str, dict[str, Any]] = {}

    def of(self, image: "Input") -> "InputScale":
        """Return the scale of an image."""
        from seunet.experiment.application import InputScale

        return InputScale(self.found(image).factor)

    def found(self, image: "Input") -> "Magnification":
        """Return the factor of an image, and keep how it was found for the table."""
        found = self.for_all or find(self.network, [image], self.reference)
        self.rows[str(image.path)] = row_of(found)
        return found

    def logits(self, image: "Input", picture: "Picture") -> "Tensor":
        """Return the logits (1, classes, h, w) of an image that is opened, at its factor."""
        from seunet.experiment.application import InputScale

        found = self.found(image)
        if found.factor == 1 and found.as_it_is is not None:
            return found.as_it_is
        with self.context():
            return self.network.logits(picture, InputScale(found.factor))

    def context(self) -> AbstractContextManager[None]:
        """Return the context in which a SEU-Net with windows answers by the one of the scale of its training."""
        from seunet.experiment.fingerprint import finest_window_only

        return finest_window_only(self.network.predictor)

    def write(self, output: Path, keep: bool = False) -> None:
        """Write the table of all images; keep: with the rows that are there of others."""
        path = output / TABLE
        there = {row.pop("file"): row for row in read_rows(path)} if keep else {}
        if rows := there | self.rows:
            write_rows(path, COLUMNS, [{"file": file, **row} for file, row in rows.items()])


def row_of(found: "Magnification") -> dict[str, Any]:
    """Return the cells of the table for what was found."""
    second = found.second
    return {
        "factor": f"{found.factor:.4g}",
        "score": f"{found.best.score:.4f}",
        "second_best": f"{second.factor:.4g}" if second else "",
        "margin": f"{found.margin:.4f}" if second else "",
    }


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write a CSV file; it is whole or not there."""
    text = StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def find(network: "TrainedNetwork", images: Sequence["Input"], reference: "Fingerprint") -> "Magnification":
    """Return the factor of these images; those that cannot be read are passed over, but not all of them."""
    from seunet.experiment.magnification import PROBES, find_magnification, spaced

    pictures = opened(network, [images[i] for i in spaced(len(images), PROBES)])
    if len({picture.shape[-2:] for picture in pictures}) > 1:
        typer.echo("the images have several sizes; if they have several magnifications, take --at auto-each", err=True)
    return find_magnification(network.model, pictures, reference)


def opened(network: "TrainedNetwork", images: Sequence["Input"], scale: "InputScale | None" = None) -> list[Any]:
    """Return images (C, H, W) at a scale, by default at their own pixels; UserError where none can be read."""
    from seunet.experiment.application import InputScale, open_picture

    pictures, mistake = [], None
    for image in images:
        try:
            pictures.append(network.shown(open_picture(image.path), scale or InputScale(), is_answered=False)[0])
        except UserError as error:
            mistake = error
    if mistake and not pictures:
        raise mistake
    return pictures


def reference_of(network: "TrainedNetwork", folder: Path | None) -> "Fingerprint":
    """Return what a network sees at the scale of its training.

    As images of --reference show it, else as model.json has it, else as batch norm remembers it.
    Raises UserError where nothing tells it.
    """
    from seunet.commands.inputs import find_images
    from seunet.experiment.fingerprint import Fingerprint, fingerprint
    from seunet.experiment.magnification import spaced

    if folder is not None:
        images = find_images([folder], folder / TABLE)
        chosen = [images[i] for i in spaced(len(images), REFERENCES)]
        return fingerprint(network.model, (image[None] for image in opened(network, chosen)))
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


def hint(network: "TrainedNetwork", images: Sequence["Input"], scale: "InputScale") -> str | None:
    """Return a line for the user where images look as if they had another magnification than those of the training.

    Only for a network that remembers those; a few images are shown at half, once and twice the scale.
    """
    from seunet.experiment.fingerprint import Fingerprint
    from seunet.experiment.magnification import find_magnification, spaced

    written = network.description.get("fingerprint")
    if not written:
        return None
    try:
        shown = opened(network, [images[i] for i in spaced(len(images), GUESSES)], scale)
        found = find_magnification(network.model, shown, Fingerprint.read(written), (2, 1, 0.5))
    except UserError:  # the answers themselves will tell
        return None
    gain = found.best.score - next(trial.score for trial in found.trials if trial.factor == 1)
    if gain < CLEARLY:
        return None
    size = "larger" if found.factor < 1 else "smaller"
    return f"hint: these images look {size} in scale than those of the training; --at auto finds their factor"
