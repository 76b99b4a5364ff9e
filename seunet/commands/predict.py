"""`seunet predict`: the class of every pixel of images."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seunet.commands.network_opening import open_network
from seunet.commands.network_options import PredictingOptions, Weights, takes_network
from seunet.runtime.errors import UserError
from seunet.runtime.wording import counted

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from seunet.commands.auto_factor import AutoFactors, FixedFactor
    from seunet.commands.inputs import Input
    from seunet.commands.prediction_files import PredictionFiles
    from seunet.data.formats.georeference import Georeference
    from seunet.experiment.application import InputScale, TrainedNetwork


AUTO = "auto"  # how the values of --at begin that look for a factor


class Kind(StrEnum):
    """What class maps are written as."""

    png = "png"
    tif = "tif"


class Probabilities(StrEnum):
    """How probabilities are written."""

    npz = "npz"
    png = "png"


@takes_network
def predict(
    weights: Weights,
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT…", help="Images, or folders with all images below.")],
    options: PredictingOptions,
    output: Annotated[Path, typer.Option(help="Folder for the answers, made where it is not there.")] = Path(
        "predictions"
    ),
    at: Annotated[
        str,
        typer.Option(
            metavar="training|native|auto|auto-each|FACTOR",
            help="How large the network is shown an image: as in its training, with the image's own pixels, at the one "
            "factor of them that suits all images best, at one for each, or at a factor such as 0.5.",
        ),
    ] = "training",
    overlay: Annotated[bool, typer.Option("--overlay", help="Also write each image with outlines, …_overlay.png.")] = (
        False
    ),
    probabilities: Annotated[
        Probabilities | None,
        typer.Option(
            help="Also write probabilities: npz (float16, classes × height × width), or png (16 bits, one per class)."
        ),
    ] = None,
    kind: Annotated[
        Kind,
        typer.Option(
            "--format", help="Of the class maps; tif keeps georeference and pixel size of TIFFs (GeoTIFF, ImageJ, OME)."
        ),
    ] = Kind.png,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace answers of an earlier call; never any other file.")
    ] = False,
    skip_existing: Annotated[
        bool,
        typer.Option("--skip-existing", help="Pass over images that this network has answered, with the same options."),
    ] = False,
) -> None:
    """Segment images: for each, write a file of its name and size whose pixel values are the classes.

    An image is brought to the scale that the network was trained at, the answer back to the image's own pixels; images
    that their EXIF tag turns are answered upright. Nothing but earlier answers is ever overwritten. A file that cannot
    be read does not stop the others: it is listed at the end, and the status is 1. With --at auto, which factors were
    found is in magnification.csv.

    Examples:

    seunet predict results/models/pet/unet/seed0 photos --output classes --overlay

    seunet predict results/models/pet/unet/seed0 scan.tif --at native --probabilities npz

    seunet predict results/models/hela/unet/seed0 frames --at auto

    seunet predict results/models/city/unet/seed0 orthophotos --format tif --skip-existing

    seunet predict net.onnx photos --normalise 0.5/0.5 --classes background,leaf
    """
    from tqdm import tqdm

    from seunet.commands.factor_table import refuse_other_table
    from seunet.commands.inputs import find_images
    from seunet.commands.origin import Origin, already_answered
    from seunet.commands.prediction_files import PredictionFiles, refuse_overwriting

    network = open_network(weights, options)
    images = find_images(inputs, output)
    if at.startswith(AUTO):
        refuse_other_table(output)
    elif options.reference:
        raise UserError("--reference: goes with --at auto and --at auto-each, and this call has neither; leave it out")
    shown = shown_at(at, network, images, options.reference)
    answers = PredictionFiles(output, network.classes, overlay, probabilities, kind)
    origin = Origin.of(weights, options, [shown.origin_key, network.value_range])
    done, known = already_answered(images, answers, origin) if skip_existing else (set(), set())
    others = f"another network, image or call with other options (now {shown.description})"
    of_others = {"origin": others} if skip_existing else {}
    refuse_overwriting(images, answers, overwrite, known, **of_others)
    mistakes: list[str] = []
    before, images = [[image for image in images if (image.path in done) is is_done] for is_done in (True, False)]
    try:
        for image in tqdm(images, unit="image", disable=None):
            try:
                prediction = segment(network, image, shown, answers)
            except UserError as error:
                mistakes.append(str(error))
                continue
            write(answers, image, origin.mark(image.path), **prediction)
    finally:  # the table has what was answered until here
        shown.write_table(output, before)
    if done:
        typer.echo(f"{counted(len(done), 'image')} had been answered already")
    report_intensities(network)
    report(answers, len(images), mistakes, shown.description)


def shown_at(
    at: str, network: "TrainedNetwork", images: "list[Input]", reference: Path | None
) -> "FixedFactor | AutoFactors":
    """Return how large images are when the network reads them, from --at."""
    from seunet.commands.auto_factor import AutoFactors, FixedFactor, magnification_hint, reference_fingerprint

    if at in ("auto", "auto-each"):
        return AutoFactors(network, images, reference_fingerprint(network, reference), each=at == "auto-each")
    shown = FixedFactor(network, *input_scale(at, network))
    if at == "training" and (line := magnification_hint(network, images, shown.scale)):
        typer.echo(line, err=True)
    return shown


def input_scale(at: str, network: "TrainedNetwork") -> tuple["InputScale", str]:
    """Return the scale that --at gives, and a description for the user."""
    from seunet.experiment.application import InputScale

    if at == "training" and network.training_scale:
        return network.training_scale, f"shown {network.training_scale}, as in training"
    if at == "training":
        return (
            InputScale(),
            f"shown at their own pixels, since {network.source} does not say the size of the training images",
        )
    return InputScale(factor_of(at)), f"shown {InputScale(factor_of(at))}"


def factor_of(at: str) -> float:
    """Return the factor of --at, 1 for native; UserError when it is none."""
    try:
        factor = 1.0 if at == "native" else float(at)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise UserError(f"--at: {at!r} is neither training, native, auto, auto-each nor a factor such as 0.5")
    return factor


def segment(
    network: "TrainedNetwork", image: "Input", shown: "FixedFactor | AutoFactors", answers: "PredictionFiles"
) -> dict[str, Any]:
    """Return the `logits` (1, C, h, w) for an image, its `size`, its `place`, and for an overlay its `colours`."""
    from seunet.data.formats.georeference import Georeference, georeference
    from seunet.experiment.application import open_picture, own_size, read_file

    picture = open_picture(image.path)
    prediction = {"logits": shown.logits(image, picture), "size": own_size(picture), "place": Georeference()}
    if answers.kind == "tif":
        prediction["place"] = georeference(read_file(image.path), picture)
    return prediction | ({"colours": network.colours(picture)} if answers.overlay else {})


def write(
    answers: "PredictionFiles",
    image: "Input",
    mark: str,
    logits: "Tensor",
    size: tuple[int, int],
    place: "Georeference",
    colours: "np.ndarray | None" = None,
) -> None:
    """Write all files that an image gets, the class map last."""
    from seunet.commands.prediction_files import overlaid, write_class_map, write_png, write_probabilities
    from seunet.experiment.application import classes_at, probabilities_at

    classes = classes_at(logits, size).cpu().numpy()
    if colours is not None:
        write_png(answers.overlaid(image), overlaid(colours, classes), mark)
    if files := answers.probability_files(image):
        write_probabilities(files, probabilities_at(logits, size).cpu().numpy(), answers.classes, mark)
    write_class_map(answers.class_map(image), classes, len(answers.classes), mark, place)
    if place.lost:
        typer.echo(f"{image.path}: the answer does not keep {place.lost}", err=True)


def report(answers: "PredictionFiles", images: int, mistakes: list[str], scale: str) -> None:
    """Print how many of the images were segmented, at which scale, and then the mistakes."""
    from seunet.commands.prediction_files import palette

    written = images - len(mistakes)
    if written:
        typer.echo(f"{counted(written, 'class map')} in {answers.output}/, on the images' own pixels; {scale}")
        names = zip(answers.classes, palette().tolist(), strict=False)
        typer.echo(", ".join(f"{typer.style('■', fg=tuple(rgb))} {i} {name}" for i, (name, rgb) in enumerate(names)))
    report_mistakes(mistakes, images)


def report_intensities(network: "TrainedNetwork") -> None:
    """Print which values lay outside of the network's range, and which images hardly used it."""
    for line in network.window.report() if network.window else ():
        typer.echo(line, err=True)


def report_mistakes(mistakes: list[str], images: int) -> None:
    """Print each mistake on standard error, and exit with status 1 if there are any; images: how many there were."""
    for mistake in mistakes:
        typer.echo(f"error: {mistake}", err=True)
    if mistakes and images > 1:
        typer.echo(f"{counted(len(mistakes), 'file')} of {images} could not be segmented, see above", err=True)
    if mistakes:
        raise typer.Exit(1)
