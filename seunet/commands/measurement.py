"""The test that `measure` makes: a network asked in one way or two on prepared images, and the files of its results."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seunet.commands.measure_folder import VERDICT, title_of
from seunet.commands.network_opening import open_network
from seunet.commands.network_options import PredictingOptions

if TYPE_CHECKING:
    from seunet.data.arrays import Prepared
    from seunet.experiment.inference import Variant
    from seunet.models.external_loading import ExternalSpec
    from seunet.settings.dataset import Testing

AUTO = "one factor for all"


def variants_of(weights: Path, options: "PredictingOptions", auto: bool) -> "dict[str, Variant]":
    """Return the ways in which the network is asked, by name: as it is, and with --at auto at one factor for all."""
    from seunet.commands.auto_factor import reference_fingerprint
    from seunet.experiment.inference import Variant
    from seunet.settings.configuration import FactorSearch

    variant, name = Variant(given=options.given()), title_of(weights)
    if not auto:
        return {name: variant}
    reference = reference_fingerprint(open_network(weights, options), options.reference)
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
    from seunet.report.sentences import describe_gain, describe_scores
    from seunet.report.tables import SCORES_COLUMNS, collect_scores, faults_of, read_counts
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
    said = describe_scores(as_it_is, data.metric.name, faults_of(at_one, data.dataset, metrics))
    if absent := list(at_one.loc[at_one["tp"] + at_one["fn"] == 0, "class"]):
        said += f"\nNo mask holds {', '.join(absent)}."
    for other in others:
        said += f"\nWith --at auto, {describe_gain(as_it_is, other, data.metric.name)}"
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
