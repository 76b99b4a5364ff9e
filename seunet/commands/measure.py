"""`seunet measure`: how a trained network, of ours or of other people, keeps working when the scale changes."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seunet.commands.measure_folder import RESULTS, VERDICT, data_name, own_folder, refuse_other_results, title_of
from seunet.commands.network_options import PredictingOptions, open_network, takes_network
from seunet.commands.option_parsing import by_options, mask_patterns, numbers, parsed_classes
from seunet.commands.own_data import data_settings, description_of
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic_folder

if TYPE_CHECKING:
    from seunet.data.arrays import Prepared
    from seunet.experiment.inference import Variant
    from seunet.models.external_loading import ExternalSpec
    from seunet.settings.dataset import Testing

AUTO = "one factor for all"
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
    from seunet.data.prepared import Prepared, prepare
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


def variants_of(weights: Path, options: "PredictingOptions", auto: bool) -> "dict[str, Variant]":
    """Return the ways in which the network is asked, by name: as it is, and with --at auto at one factor for all."""
    from seunet.commands.auto_factor import reference_of
    from seunet.experiment.inference import Variant
    from seunet.settings.configuration import FactorSearch

    variant, name = Variant(given=options.given()), title_of(weights)
    if not auto:
        return {name: variant}
    reference = reference_of(open_network(weights, options), options.reference)
    return {
        name: variant,
        f"{name}, {AUTO}": replace(variant, magnification=FactorSearch(per="dataset"), reference=reference),
    }


def write_results(
    weights: Path, variants: "Mapping[str, Variant]", data: "Prepared", testing: "Testing", output: Path
) -> str:
    """Test the network on prepared data, write all results, and return what is said of them."""
    from seunet.report import leaderboard
    from seunet.report.figures import draw_consistency, draw_iou
    from seunet.report.per_image import worst_images, write_per_image
    from seunet.report.tables import SCORES_COLUMNS, collect_scores, faults_of, read_counts
    from seunet.report.verdict import gain, verdict
    from seunet.runtime.files import atomic
    from seunet.runtime.tables import read_table

    folders = [test(weights, variant, data, testing, name) for name, variant in variants.items()]
    counts, labels = [folder / "counts.csv" for folder in folders], {name: name for name in variants}
    metrics, models = {data.dataset: data.metric}, {name: {"label": name} for name in variants}
    scores = output / "scores.csv"
    collect_scores(counts, labels, metrics, scores, output / "class_iou.csv")
    draw_iou(scores, data.dataset, models, data.metric, [output / f"iou.{kind}" for kind in ("png", "svg")])
    draw_consistency(scores, data.dataset, models, [output / f"consistency.{kind}" for kind in ("png", "svg")])
    own, table = read_counts(counts[:1]), read_table(scores, SCORES_COLUMNS)
    at_one = own[own["scale"] == 1]
    as_it_is, *others = (table[table["model"] == name] for name in variants)
    said = verdict(as_it_is, data.metric.name, faults_of(at_one, data.dataset, metrics))
    if absent := list(at_one.loc[at_one["tp"] + at_one["fn"] == 0, "class"]):
        said += f"\nNo mask holds {', '.join(absent)}."
    for other in others:
        said += f"\nWith --at auto, {gain(as_it_is, other, data.metric.name)}"
    names, per_image = data.names["test"], folders[0] / "per_image.npz"
    write_per_image(per_image, names, output / "per_image.csv")
    worst = worst_images(per_image, names, data.metric)
    if len(worst) > 1 and worst[0][1] < 1:
        said += f"\nThe worst images at ×1: {', '.join(f'{image} {value:.3f}' for image, value in worst)}"
    lines = [leaderboard.line(name, leaderboard.row(table[table["model"] == name])) for name in variants]
    said += "\n".join(["\n\nAs a row of docs/leaderboard.md:", leaderboard.HEADER, *lines])
    with atomic(output / VERDICT) as path:
        path.write_text(said + "\n", encoding="utf-8")
    return said


def test(weights: Path, variant: "Variant", data: "Prepared", testing: "Testing", name: str) -> Path:
    """Test the network on prepared data in one way; return the folder of counts, counts per image and samples."""
    import torch

    from seunet.experiment.evaluation import evaluate

    run: dict[str, str | int] = {"dataset": data.dataset, "model": name, "seed": 0}
    folder = Path(data.folder) / f"asked{len(list(Path(data.folder).glob('asked*')))}"
    evaluate(
        weights,
        Path(data.folder),
        testing,
        run,
        folder / "counts.csv",
        folder / "per_image.npz",
        folder / "samples.npz",
        device="cuda" if torch.cuda.is_available() else "cpu",
        variant=variant,
        threads=torch.get_num_threads(),
    )
    return folder


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


def multiple_of(weights: Path, given: "ExternalSpec", data: "Prepared", least: float) -> int:
    """Return the multiple to which the sides of test images are rounded.

    It is the network's size_multiple, or 1 if the images at scale 1 have other sides, or are smaller than that at the
    least scale: they are padded then.
    """
    from seunet.models.calling import size_multiple
    from seunet.models.external_loading import load_external

    network, _ = load_external(weights, given, data.channels, len(data.classes))
    multiple, sides = size_multiple(network), (data.height, data.width)
    return 1 if any(side % multiple or side * least < multiple for side in sides) else multiple
