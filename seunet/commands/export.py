"""`seunet export`: a trained network as a file for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seunet.commands.network_opening import open_network
from seunet.commands.network_options import NetworkOptions, Weights, takes_network
from seunet.runtime.errors import UserError

if TYPE_CHECKING:
    from seunet.experiment.application import TrainedNetwork

SIDE = 256  # of the example, where neither --size nor model.json gives a size


@takes_network
def export(
    weights: Weights,
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx|FILE.pt2|FILE.zip", help="The file to write.")],
    options: NetworkOptions,
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            metavar="HEIGHT WIDTH",
            help="Of the images, where the network cannot leave it free; by default that of the training images.",
        ),
    ] = None,
    opset: Annotated[int, typer.Option(min=18, max=25, help="Of ONNX.")] = 18,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a network as ONNX, as a program of torch.export, or as a package of bioimage.io (.zip, with ONNX inside).

    It is read again and compared with torch (1e-4). The file maps images (N, C, H, W), float32 in [0, 1], to logits (N,
    classes, H, W); a package maps values from 0 to 255 to probabilities. Batch, height and width are free where the
    network allows; the file continues images to its multiple. Classes, scale of training and multiple are in its
    metadata. Images are to be resampled before as in training: `seunet info` says how.

    Examples:

    seunet export results/models/pet/unet/seed0 unet.onnx

    seunet export results/models/pet/seunet/seed0 seunet.pt2 --size 512 512

    seunet export results/models/hela/unet/seed0 model.zip
    """
    check_file(file, overwrite)
    check_source(weights)
    from seunet.integrations.bioimageio import export_package
    from seunet.models import export as writing

    network = open_network(weights, options, "cpu")
    shape, classes = (1, network.channels, *example_size(network, size)), network.classes

    def say(step: str) -> None:
        typer.echo(step, err=True)

    if file.suffix == ".zip":
        free = export_package(network.model, file, shape, classes, network.description, opset, say)
        taken, given = "with the values of image files", "probabilities"
    else:
        free = writing.export(network.model, file, shape, network.description, opset, say)
        taken, given = "in [0, 1]", "logits"
    typer.echo(f"{file}: image (N, {network.channels}, H, W) {taken} → {given} (N, {len(classes)}, H, W); {free}")
    typer.echo("Read again and compared with torch: the answers agree to 1e-4.")


def check_file(file: Path, overwrite: bool) -> None:
    """Raise UserError where the file has another suffix, is there, or lies in no folder."""
    if file.suffix not in (".onnx", ".pt2", ".zip"):
        raise UserError(f"{file}: expected a name that ends with .zip, .onnx or .pt2")
    if file.is_dir():
        raise UserError(f"{file}: is a folder; name the file to write")
    if file.exists() and not overwrite:
        raise UserError(f"{file}: is there; --overwrite replaces it, or name another file")


def check_source(weights: Path) -> None:
    """Raise UserError for a file whose program torch cannot write in another format."""
    from seunet.models.external_loading import kind_of

    kind = kind_of(weights) if weights.is_file() else ""
    names = {"onnx": "an ONNX file", "torchscript": "a TorchScript file", "bioimageio": "a package"}
    if kind in names:
        raise UserError(
            f"{weights}: the program of {names[kind]} cannot be written anew; give the weights of its network, with "
            "--architecture"
        )


def example_size(network: "TrainedNetwork", size: tuple[int, int] | None) -> tuple[int, int]:
    """Return height and width of an example that the network takes: as asked, or those of training, rounded up."""
    from seunet.models.calling import size_multiple

    multiple = size_multiple(network.model)
    if size is None:
        frame = network.training_scale.frame if network.training_scale else None
        height, width = (-(-side // multiple) * multiple for side in (frame.size if frame else (SIDE, SIDE)))
        return height, width
    for side in size:
        if side < 1 or side % multiple:
            raise UserError(f"--size: {side} is no multiple of {multiple}, which this network needs")
    return size
