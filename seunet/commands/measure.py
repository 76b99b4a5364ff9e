"""`seunet measure`: how a trained network, of ours or of other people, keeps working when the scale changes."""

from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from seunet.commands.measure_folder import RESULTS, VERDICT, data_name, own_folder, refuse_other_results
from seunet.commands.measurement import multiple_of, variants_of, write_results
from seunet.commands.network_options import PredictingOptions, takes_network
from seunet.commands.option_parsing import by_options, mask_patterns, numbers, parsed_classes
from seunet.commands.own_data import data_settings, description_of
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic_folder

SCALES = "0.25,0.35,0.5,0.71,1,1.41,2,2.83,4"


class Fit(StrEnum):
    """How images come to one size."""

    squash = "squash"
    pad = "pad"
    tiles = "tiles"


@takes_network
def measure(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="WEIGHTS FOLDER",
            help="A folder of results/models, a TorchScript, .pt2, .onnx or .zip file (bioimage.io), or weights with "
            "--architecture; and a "
            "folder with images and masks.",
        ),
    ],
    options: PredictingOptions,
    output: Annotated[
        Path | None, typer.Option(help="Folder for tables, figures and verdict; default: measured/NETWORK-FOLDER.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the results of an earlier call.")] = False,
    weights: Annotated[
        Path | None, typer.Option(help="The weights, in place of the first argument: .safetensors, or a state_dict.")
    ] = None,
    images: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Of the images below FOLDER; default: images/{name}.*")
    ] = None,
    masks: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN", help="Of the masks; default: masks/{name}.*; or, as JSON, a pattern for each class."
        ),
    ] = None,
    valid: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Of masks of the field of view: where they are 0, pixels do not count."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=VALUE,…",
            help="Which value of the masks is which class, in the network's order; nonzero=cell for instances on a "
            "background of 0; or as JSON, as in a configuration.",
        ),
    ] = None,
    ignore: Annotated[
        str | None, typer.Option(metavar="VALUE,…", help="Values of the masks that do not count.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="auto",
            help="Also show all images of a scale at the one factor that suits them best, and say what that gains.",
        ),
    ] = None,
    metric: Annotated[str | None, typer.Option(metavar="mean_iou|CLASS", help="What is measured.")] = None,
    scales: Annotated[str, typer.Option(metavar="SCALE,…", help="Of the test images; 1 is added.")] = SCALES,
    image_size: Annotated[
        str | None, typer.Option(metavar="SIDE|HEIGHT,WIDTH", help="Of the images at scale 1; default: as in training.")
    ] = None,
    fit: Annotated[
        Fit | None, typer.Option(help="How images come to that size; default: as in training, else squash.")
    ] = None,
    value_range: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH", help="Black and white of images of more than 8 bits; default: as in training."
        ),
    ] = None,
) -> None:
    """Measure a trained network on images and masks at many scales, without any training.

    Writes scores.csv (as results/tables/scores.csv), class_iou.csv, per_image.csv (the IoU of every image, scale and
    class), iou and consistency (PNG, SVG) and verdict.txt, which is printed too: one sentence, and the worst images.

    Examples:

        seunet measure results/models/pet/unet/seed0 mine --output measured

        seunet measure results/models/hela/unet/seed0 mine --at auto

        seunet measure net.onnx mine --output-kind sigmoid --normalise 0.5/0.5

        seunet measure mine --architecture monai.networks.nets:UNet --weights unet.pt --option spatial_dims=2
    """
    from seunet.config.reading import validated
    from seunet.data.arrays import Prepared
    from seunet.data.prepared import prepare
    from seunet.settings.dataset import Testing

    if at not in (None, "auto"):
        raise UserError(f"--at: {at!r} is not auto; the scales of the test images are those of --scales")
    if options.reference and at is None:
        raise UserError("--reference: goes with --at auto, and this call has none; leave it out")
    weights, folder = weights_and_folder(paths, weights)
    given = options.given()
    description = description_of(weights, given)
    chosen = {
        **{"images": images, "masks": mask_patterns(masks), "valid": valid, "fit": fit and fit.value},
        "image_size": numbers("--image-size", image_size, int) if image_size else None,
        "value_range": numbers("--value-range", value_range) if value_range else None,
        "classes": parsed_classes(classes) if classes else None,
        "ignore": numbers("--ignore", ignore, int) if ignore else None,
        "metric": metric if metric in (None, "mean_iou", "mean_dice") else {"iou": metric},
    }
    name = data_name(folder)
    tests: dict[str, Any] = {"test_scales": list(dict.fromkeys([1, *numbers("--scales", scales)]))}
    tests |= {"tile": tiling} if (tiling := options.tiling()) else {}
    tests |= {"precision": options.precision.value}
    with by_options(name):
        testing = validated(Testing, tests)
        data = data_settings(folder, chosen, description)
    output = output or own_folder(weights, folder)
    refuse_other_results(output, overwrite)
    with atomic_folder(output) as results, TemporaryDirectory(prefix="seunet-") as temporary:
        with by_options(name):
            prepare(name, data, {}, Path(temporary), only_test=True)
        prepared = Prepared(temporary)
        testing = testing.model_copy(
            update={"size_multiple": multiple_of(weights, given, prepared, min(testing.test_scales))}
        )
        said = write_results(weights, variants_of(weights, options, at == "auto"), prepared, testing, results)
    typer.echo(said)
    typer.echo(f"written: {', '.join(RESULTS)} and {VERDICT} in {output}/")


def weights_and_folder(paths: list[Path], weights: Path | None) -> tuple[Path, Path]:
    """Return the weights and the folder of the data; raise UserError unless there is one of each."""
    if len(paths) != (2 if weights is None else 1):
        raise UserError(
            f"{len(paths)} paths given: name the weights, then a folder with images/ and masks/ (with --weights, the "
            "folder alone)"
        )
    weights, folder = weights or paths[0], paths[-1]
    if not weights.exists():
        raise UserError(f"{weights}: no such file or folder; name the weights of a network")
    if not folder.is_dir():
        raise UserError(
            f"{folder}: {'a file' if folder.exists() else 'no such folder'}; name one with images/ and masks/"
        )
    return weights, folder
