"""`seunet predict`: the classes of every pixel of images."""

from pathlib import Path
from typing import Annotated

import typer

PALETTE = [0xDE8F05, 0x0173B2, 0x029E73, 0xCC78BC, 0xD55E00, 0x56B4E9, 0xECE133, 0xCA9161]


def predict(
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
    import torch
    from tqdm import tqdm

    from seunet.data.images import Window, open_image, read_file, to_array
    from seunet.data.rescaling import rescale_logits, rescaled_size
    from seunet.experiment import inference
    from seunet.models.checkpoint import load_model
    from seunet.runtime.files import atomic

    network, description = load_model(model)
    multiple = getattr(network, "size_multiple", 1)
    value_range = description.get("value_range")
    window = Window(value_range) if value_range else None
    tiling = inference.Tiling(tile, margin) if tile else None
    for path in tqdm(images, disable=len(images) == 1):
        image = open_image(read_file(path), str(path))
        width, height = image.size
        # the nearest sides below that the network takes; the answer is brought back to the image's own size
        size = (rescaled_size(height, 1, multiple), rescaled_size(width, 1, multiple))
        pixels = to_array(image, description["in_channels"], size, window)
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
        classes = rescale_logits(inference.predict(network, x, tiling), (height, width)).argmax(1)[0]
        with atomic(output / f"{path.stem}.png") as temporary:
            class_map(classes.byte().numpy()).save(temporary)
    typer.echo(f"{len(images)} class map(s) in {output}/: {', '.join(enumerated(description['classes']))}")


def class_map(classes):
    """Return a palette image whose pixel values are the classes, (H, W) uint8."""
    from PIL import Image

    picture = Image.fromarray(classes, mode="P")
    picture.putpalette([channel for colour in PALETTE for channel in colour.to_bytes(3)])
    return picture


def enumerated(classes: list[str]) -> list[str]:
    """Return "0 pet", "1 background", …."""
    return [f"{i} {name}" for i, name in enumerate(classes)]
