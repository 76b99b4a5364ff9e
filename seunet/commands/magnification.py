"""`seunet magnification`: at which factor of their own pixels a network should be shown the images of a folder."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from seunet.commands.network_opening import open_network
from seunet.commands.network_options import PredictingOptions, Weights, takes_network
from seunet.runtime.errors import UserError

TRIED = ("factor", "score", "information", "distance")  # columns of factors.csv


@takes_network
def magnification(
    weights: Weights,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Images, or folders with all images below.")],
    options: PredictingOptions,
    output: Annotated[Path, typer.Option(help="Folder for table and figure, made where it is not there.")] = Path(
        "magnification"
    ),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results of an earlier call.")] = False,
) -> None:
    """Find at which factor of their own pixels a network should be shown images, without any mask.

    The images share one magnification, as those of one instrument do; at most 10 of them are shown, at several factors.
    Writes factors.csv (factor, score, information, distance) and a figure (PNG, SVG) of score against factor.

    Examples:

    seunet magnification results/models/hela/unet/seed0 frames

    seunet magnification net.onnx frames --reference some-training-images
    """
    from seunet.commands.auto_factor import find_factor, reference_fingerprint
    from seunet.commands.factor_table import is_ours, write_rows
    from seunet.commands.inputs import find_images
    from seunet.report.figures.magnification import draw_magnification

    files = [output / f"magnification.{kind}" for kind in ("png", "svg")]
    table = output / "factors.csv"
    if table.exists() and not is_ours(table, TRIED):
        raise UserError(f"{table}: is there, and is no such table of ours; name another folder for --output")
    if not overwrite and (there := [file for file in (table, *files) if file.exists()]):
        raise UserError(f"{there[0]}: is there from an earlier call; --overwrite replaces it, or name another --output")
    network = open_network(weights, options)
    reference = reference_fingerprint(network, options.reference)
    found = find_factor(network, find_images(images, output), reference, tell=True)
    trials = [asdict(trial) for trial in found.trials]
    write_rows(table, TRIED, trials)
    draw_magnification(trials, found.factor, files)
    typer.echo(f"{output}/: factors.csv, magnification (.png, .svg)")
    typer.echo(f"To be {found}. seunet predict does so with --at {found.factor:.4g}, or --at auto.")
