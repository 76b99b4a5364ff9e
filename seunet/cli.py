"""The command line: what to do with a trained network outside the workflow."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image
from tqdm import tqdm

from seunet.data.images import open_image, to_array
from seunet.data.rescaling import rescale_logits, rescaled_size
from seunet.experiment.inference import Tiling, predict
from seunet.models.checkpoint import load_model
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic
from seunet.runtime.provenance import compare

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Scale-equivariant segmentation networks.")
PALETTE = [0xDE8F05, 0x0173B2, 0x029E73, 0xCC78BC, 0xD55E00, 0x56B4E9, 0xECE133, 0xCA9161]


def says_mistakes(command: Callable) -> Callable:
    """Print a UserError as one line and end with status 1, without a traceback."""

    @functools.wraps(command)
    def wrapped(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except UserError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error

    return wrapped


@app.command("predict")
@says_mistakes
def predict_images(
    model: Annotated[Path, typer.Argument(help="Folder of a trained network, results/models/…/seed0.")],
    images: Annotated[list[Path], typer.Argument(help="Images to segment.")],
    output: Annotated[Path, typer.Option(help="Folder for the class maps.")] = Path("predictions"),
    tile: Annotated[
        int,
        typer.Option(help="Tiles of this side for larger images, where the network cannot predict in bands; 0: whole."),
    ] = 0,
    margin: Annotated[int, typer.Option(help="Context around each tile, in pixels.")] = 0,
) -> None:
    """Segment images; write the class of every pixel as a palette PNG of the same name and size."""
    network, description = load_model(model)
    multiple = getattr(network, "size_multiple", 1)
    tiling = Tiling(tile, margin) if tile else None
    for path in tqdm(images, disable=len(images) == 1):
        try:
            image = open_image(path.read_bytes(), str(path))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); name an image file") from error
        width, height = image.size
        # the nearest sides below that the network takes; the answer is brought back to the image's own size
        size = (rescaled_size(height, 1, multiple), rescaled_size(width, 1, multiple))
        pixels = to_array(image, description["in_channels"], size, str(path))
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        classes = rescale_logits(predict(network, x, tiling), (height, width)).argmax(1)[0]
        with atomic(output / f"{path.stem}.png") as temporary:
            class_map(classes.byte().numpy()).save(temporary)
    typer.echo(f"{len(images)} class map(s) in {output}/: {', '.join(enumerated(description['classes']))}")


@app.command("compare")
@says_mistakes
def compare_runs(
    first: Annotated[Path, typer.Argument(help="Folder of results, or its run.json.")],
    second: Annotated[Path, typer.Argument(help="The same of another run.")],
) -> None:
    """Say what differs between two runs; status 0 if their tables agree, but for measured times, else 3."""
    lines, agree = compare(first, second)
    for line in lines:
        typer.echo(line)
    typer.echo("The tables agree." if agree else "The tables differ.")
    if not agree:
        raise typer.Exit(3)


def class_map(classes: np.ndarray) -> Image.Image:
    """Return a palette image whose pixel values are the classes, (H, W) uint8."""
    picture = Image.fromarray(classes, mode="P")
    picture.putpalette([channel for colour in PALETTE for channel in colour.to_bytes(3)])
    return picture


def enumerated(classes: list[str]) -> list[str]:
    """Return "0 pet", "1 background", …."""
    return [f"{i} {name}" for i, name in enumerate(classes)]
