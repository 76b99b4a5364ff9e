"""The parameters of the rules: the slice of the configuration that the output of each rule depends on.

A rule runs again if its parameters change, so none of them may hold more than that.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from seunet.config import paths, plan
from seunet.data.file_matching import folder_files
from seunet.data.fit import image_sides
from seunet.data.marks import mark_of
from seunet.runtime.content_checksums import content_checksum
from seunet.settings.configuration import Configuration
from seunet.settings.dataset import Preparation, Testing


def archive(config: Configuration, dataset: str, file: str) -> dict[str, str]:
    """Return address and checksum of the archive that is kept as resources/{dataset}/{file}."""
    present = config.datasets[dataset].archives.present()
    return present[paths.archive_key(config, dataset, file)].non_defaults()


def preparation(config: Configuration, dataset: str) -> dict[str, Any]:
    """Return what the prepared arrays depend on, beside the content of the archives."""
    return config.datasets[dataset].non_defaults(*Preparation.model_fields)


def checksums(config: Configuration, dataset: str) -> dict[str, str]:
    """Return the sha256 of the archives, by their key."""
    return {key: archive.sha256 for key, archive in config.datasets[dataset].archives.present().items()}


def folder_contents(config: Configuration, dataset: str) -> str | None:
    """Return a checksum of the files of a data set of source folder, whose times say nothing; None for the others.

    Images that our commands wrote are no part of it: `prepare` passes over them.
    """
    settings = config.datasets[dataset]
    files = folder_files(settings)

    def is_passed_over(path: Path) -> bool:
        return files[str(path)] == "images" and mark_of(path) is not None

    return content_checksum(files, Path(settings.path or "").expanduser(), is_passed_over) if files else None


def test_sizes(config: Configuration, dataset: str) -> dict[str, Any]:
    """Return what the sizes of the test images depend on."""
    return config.datasets[dataset].non_defaults("test_scales", "size_multiple")


def network(config: Configuration, dataset: str, model: str) -> dict[str, Any]:
    """Return what the weights depend on."""
    return {
        "architecture": config.models[model].architecture,
        "options": plan.network_options(config, dataset, model),
        "training": plan.training(config, dataset, model),
    }


def priority(config: Configuration, dataset: str, model: str) -> int:
    """Return a guess at the length of a training: the longest go first, and all before any evaluation."""
    settings = config.datasets[dataset]
    side = settings.training.crop or max(image_sides(settings.image_size))
    return side * plan.scales_of(config, dataset, model)


def testing(config: Configuration, dataset: str) -> dict[str, Any]:
    """Return what the scores depend on."""
    return config.datasets[dataset].non_defaults(*Testing.model_fields)


def measuring(config: Configuration, dataset: str) -> dict[str, Any]:
    """Return what the errors of equivariance depend on: as `testing`, at scales of their own."""
    return testing(config, dataset) | {"test_scales": config.datasets[dataset].compared_scales}


def external_checksum(config: Configuration, dataset: str, model: str, seed: int) -> str | None:
    """Return a checksum of given weights, None where they are trained here."""
    given = plan.external_weights(config, dataset, model, seed)
    files = list(plan.weight_files(given).values()) if given else []
    return content_checksum(files, files[0].parent) if files else None


def threads(config: Configuration, dataset: str) -> int:
    """Return the CPU threads of a training or evaluation."""
    return config.datasets[dataset].training.threads


def metric(config: Configuration, dataset: str) -> str | dict[str, str]:
    """Return the metric of a data set, as a configuration has it."""
    return config.datasets[dataset].metric.written()


def metrics(config: Configuration) -> dict[str, Any]:
    """Return the metric of every data set that is run."""
    return {dataset: metric(config, dataset) for dataset in plan.run_datasets(config)}


def ceiling(config: Configuration, dataset: str) -> float | None:
    """Return what the labels of a data set allow, where that is known."""
    return config.datasets[dataset].ceiling


def labels(config: Configuration, runs: Iterable[plan.RunName]) -> dict[str, str]:
    """Return the printed names of the models of runs."""
    return {model: config.models[model].label for _, model, _ in runs}


def styles(config: Configuration) -> dict[str, dict[str, Any]]:
    """Return what decides how models look in figures: of all of them, so that each looks the same in every figure."""
    return {
        name: {
            "label": model.label,
            "architecture": model.architecture,
            "scale_jitter": config.models[plan.trained_model(config, name)].jitter.strength,
            "rescale": model.rescale,
        }
        for name, model in config.models.items()
    }
