"""`seunet export`: a trained network as a file for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seunet.commands.network_options import NetworkOptions, Weights, open_network, takes_network
from seunet.runtime.errors import UserError

if TYPE_CHECKING:
    from seunet.experiment.application import TrainedNetwork

SIDE = 256  # of the example, where neither --size nor model.json gives a size


@takes_network
def export(
    weights: Weights,
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx|FILE.pt2", help="The file to write.")],
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
    """Write a network as ONNX or as a program of torch.export; it is read again and compared with torch (1e-4).

    The file maps images (N, C, H, W), float32 in [0, 1], to logits (N, classes, H, W). Batch, height and width are free
    where the network allows; the file continues images to its multiple. Classes, scale of training and multiple are in
    its metadata. Images are to be resampled before as in training: `seunet
    info` says how.

    Examples:

    seunet export results/models/pet/unet/seed0 unet.onnx

    seunet export results/models/pet/seunet/seed0 seunet.pt2 --size 512 512
    """
    check_file(file, overwrite)
    check_source(weights)
    from seunet.models import export as writing

    network = open_network(weights, options, "cpu")
    shape = (1, network.channels, *example_size(network, size))
    free = writing.export(
        network.model, file, shape, network.description, opset, lambda step: typer.echo(step, err=True)
    )
    typer.echo(
        f"{file}: image (N, {network.channels}, H, W) in [0, 1] → logits (N, {len(network.classes)}, H, W); {free}"
    )
    typer.echo("Read again and compared with torch: the answers agree to 1e-4.")


def check_file(file: Path, overwrite: bool) -> None:
    """Raise UserError where the file has another suffix, is there, or lies in no folder."""
    if file.suffix not in (".onnx", ".pt2"):
        raise UserError(f"{file}: expected a name that ends with .onnx or .pt2")
    if file.is_dir():
        raise UserError(f"{file}: is a folder; name the file to write")
    if file.exists() and not overwrite:
        raise UserError(f"{file}: is there; --overwrite replaces it, or name another file")


def check_source(weights: Path) -> None:
    """Raise UserError for a file whose program torch cannot write in another format."""
    from seunet.models.external_loading import kind_of

    kind = kind_of(weights) if weights.is_file() else ""
    if kind in ("onnx", "torchscript"):
        raise UserError(
            f"{weights}: the program of {'an ONNX' if kind == 'onnx' else 'a TorchScript'} file cannot be written "
            "anew; give the weights of its network, with --architecture"
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
