"""`seunet scales`: whether a trained network survives a change of scale on images without masks."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seunet.commands.network_opening import open_network
from seunet.commands.network_options import PredictingOptions, Weights, takes_network
from seunet.runtime.errors import UserError
from seunet.runtime.wording import counted

if TYPE_CHECKING:
    import numpy as np

    from seunet.commands.inputs import Input
    from seunet.experiment.application import TrainedNetwork
    from seunet.experiment.scale_agreement import ScaledPrediction

FIGURE = "magnification.png"  # score against factor, of all images


@dataclass(frozen=True)
class Pictures:
    """The file that each image gets."""

    output: Path

    def files(self, image: "Input") -> list[Path]:
        """Return it, in a list."""
        return [self.output / image.name.with_name(f"{image.name.stem}_scales.png")]


@takes_network
def scales(
    weights: Weights,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Images, or folders with all images below.")],
    options: PredictingOptions,
    output: Annotated[Path, typer.Option(help="Folder for the pictures, made where it is not there.")] = Path("scales"),
    at: Annotated[
        str,
        typer.Option(
            metavar="training|native|auto|auto-each|FACTOR",
            help="What ×1 is: the scale of training, the image's own pixels, or a factor of them: the one that suits "
            "all images best, one for each, or a number.",
        ),
    ] = "training",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures of an earlier call.")] = False,
) -> None:
    """Show images to a network at ×¼, ×½, ×1, ×2 and ×4, and say whether its answer survives: no mask is needed.

    For each image one picture: what was shown, what was answered, how many pixels keep the class that they have at ×1,
    how far the classes overlap with those at ×1 (mean IoU), and for lifted networks which scale decided how many
    pixels. An answer that survives may still be wrong: only masks tell that.

    Examples:

    seunet scales results/models/pet/seunet/seed0 photos/dog.jpg photos/cat.jpg --output scales
    """
    from tqdm import tqdm

    from seunet.commands.inputs import find_images
    from seunet.commands.predict import report_intensities, report_mistakes, shown_at
    from seunet.commands.prediction_files import refuse_overwriting
    from seunet.experiment import scale_agreement
    from seunet.experiment.application import open_picture
    from seunet.report.figures.scales import draw_image_at_scales  # noqa: F401  fails early if matplotlib is missing

    network = open_network(weights, options)
    found = find_images(images, output)
    pictures = Pictures(output)
    refuse_overwriting(found, pictures, overwrite)
    refuse_other_figure(output / FIGURE)
    shown = shown_at(at, network, found, options.reference)
    mistakes, all_answers = [], []
    for image in tqdm(found, unit="image", disable=None):
        try:
            picture = open_picture(image.path)
            with shown.context():
                answers = scale_agreement.predict_at_scales(network, picture, shown.scale_of(image))
            colours = network.colours(picture)
        except UserError as error:
            mistakes.append(str(error))
            continue
        write(pictures.files(image)[0], image, colours, answers, network.classes)
        all_answers.append(answers)
        tqdm.write(f"{image.path}: {line(answers)}")
    if all_answers:
        count = len(all_answers)
        typer.echo(f"{counted(count, 'picture')} in {output}/; ×1: {shown.description}")
        typer.echo(scale_agreement.describe_agreement(all_answers))
        draw_factors(network, found, output, options.reference)
    report_intensities(network)
    report_mistakes(mistakes, len(found))


def draw_factors(network: "TrainedNetwork", images: "list[Input]", output: Path, reference: Path | None) -> None:
    """Draw score against factor for all images together, and say which factor they would be shown at.

    Nothing where the network does not remember the scale of its training and no images of it are given.
    """
    from seunet.commands.auto_factor import find_factor, reference_fingerprint
    from seunet.report.figures.magnification import draw_magnification

    if reference is None and not network.description.get("fingerprint"):
        return
    found = find_factor(network, images, reference_fingerprint(network, reference))
    draw_magnification([asdict(trial) for trial in found.trials], found.factor, [output / FIGURE])
    typer.echo(f"With --at auto they would be {found}: {output / FIGURE}.")


def refuse_other_figure(file: Path) -> None:
    """Raise UserError where a file of the figure's name is there that none of our commands drew."""
    from seunet.data.marks import mark_of

    if file.exists() and not mark_of(file):
        raise UserError(f"{file}: is there, and was not drawn by seunet; name another folder for --output")


def write(
    file: Path, image: "Input", colours: "np.ndarray", answers: "list[ScaledPrediction]", classes: list[str]
) -> None:
    """Write the picture of an image."""
    from seunet.commands.prediction_files import palette, write_png
    from seunet.report.figures.scales import draw_image_at_scales

    shown = [asdict(answer) for answer in answers]
    write_png(file, draw_image_at_scales(image.path.name, colours, shown, classes, palette()))


def line(answers: "list[ScaledPrediction]") -> str:
    """Return the agreement at every scale, and the scales that decided most at ×1."""
    agreement = ", ".join(f"×{a.scale:g} {a.agreement:.0%}" for a in answers if a.scale != 1)
    winners = next(a.winners for a in answers if a.scale == 1)
    won = ", ".join(f"{scale:.3g} {share:.0%}" for scale, share in winners.items() if share >= 0.005)
    return f"agreement with ×1: {agreement}" + (f"; scales that won at ×1: {won}" if won else "")
