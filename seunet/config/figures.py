"""Which figures a configuration draws, and what each is drawn from."""

from collections.abc import Iterable
from pathlib import Path

from seunet.config.parameters import styles
from seunet.config.paths import RESULTS, of_runs
from seunet.config.plan import (
    all_runs,
    all_trainings,
    claims_to_test,
    has_windows,
    measured_runs,
    models_on,
    run_datasets,
)
from seunet.settings.configuration import Configuration

FORMATS = ("png", "svg")
# The kinds of figures of a data set, and the table that each is drawn from; None: samples.
KINDS: dict[str, str | None] = {
    "iou": "scores",
    "consistency": "scores",
    "augmentation": "scores",
    "crops": "crops",
    "scales": "windows",
    "predictions": None,
    "winners": None,
}


def figures_of(config: Configuration, dataset: str) -> list[str]:
    """Return the kinds of figures of a data set.

    The comparison with augmentation needs a jittered network; two figures need one with windows of scales.
    """
    models = models_on(config, dataset)
    looks = styles(config)
    jittered = any(looks[model]["scale_jitter"] > 1 for model in models)
    windowed = any(has_windows(config, dataset, model) for model in models)
    optional = ["augmentation"] * jittered + ["scales", "winners"] * windowed
    return ["iou", "consistency", "crops", "predictions", *optional]


def figure_names(config: Configuration) -> list[tuple[str, str]]:
    """Return all figures, as (data set, kind); those over all data sets have no data set."""
    names = [(dataset, kind) for dataset in run_datasets(config) for kind in figures_of(config, dataset)]
    over_all = {
        "training_curves": all_trainings(config),
        "equivariance": measured_runs(config),
        "claims": claims_to_test(config),
    }
    return names + [("", kind) for kind, drawn in over_all.items() if drawn]


def figure_files(config: Configuration) -> list[str]:
    """Return the files of all figures, as PNG and SVG."""
    names = ["_".join(filter(None, name)) for name in figure_names(config)]
    return [f"results/figures/{name}.{suffix}" for name in names for suffix in FORMATS]


def figure_inputs(config: Configuration, dataset: str, kind: str) -> dict[str, str | list[str]]:
    """Return what a figure is drawn from: a table, or each model's samples of its first seed."""
    if table := KINDS[kind]:
        return {"table": f"results/tables/{table}.csv"}
    first = {model: seed for name, model, seed in reversed(all_runs(config)) if name == dataset}
    runs = [(dataset, model, first[model]) for model in models_on(config, dataset)]
    return {"samples": of_runs("samples", ".npz", runs)}


def captions(config: Configuration, folder: Path) -> list[str]:
    """Return the templates of the captions: one of the data sets' figures, one of each figure over all of them."""
    kinds = ["figure"] + [kind for dataset, kind in figure_names(config) if not dataset]
    return [str(folder / f"{kind}.rst") for kind in kinds]


def left_over(made: Iterable[str]) -> list[str]:
    """Return the tables and figures that earlier runs left, and that are none of the files `made` now."""
    files = set(map(Path, made))
    found = [path for kind in ("tables", "figures") for path in sorted((RESULTS / kind).glob("[!.]*"))]
    return [str(path) for path in found if path not in files]
