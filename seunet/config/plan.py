"""What follows from a configuration: runs, trainings, claims to test, and the options of every network."""

import inspect
import math
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from seunet.data.fit import image_sides
from seunet.data.rescaling import rescaled_sides
from seunet.models import accepted_options, find_architecture
from seunet.report.tables import unseen_scales
from seunet.runtime.content_checksums import content_checksum
from seunet.settings.configuration import Configuration
from seunet.settings.dataset import Dataset
from seunet.settings.external_weights import ExternalWeights
from seunet.settings.training import Training

RunName = tuple[str, str, int]  # data set, model, seed


def all_runs(config: Configuration) -> list[RunName]:
    """Return every (data set, model, seed) once, in the order of the configuration."""
    found = {
        (dataset, model, seed): None
        for run in config.runs
        for dataset in run.datasets
        for model in run.models
        for seed in run.seeds
    }
    return list(found)


def run_datasets(config: Configuration) -> list[str]:
    """Return the data sets that are run, in the order of the runs."""
    return list(dict.fromkeys(dataset for dataset, _, _ in all_runs(config)))


def models_on(config: Configuration, dataset: str) -> list[str]:
    """Return the models that are run on a data set, in the order of the configuration."""
    run = {model for name, model, _ in all_runs(config) if name == dataset}
    return [model for model in config.models if model in run]


def measured_runs(config: Configuration) -> list[RunName]:
    """Return the runs whose errors of equivariance are measured: on data sets with scales to compare."""
    return [run for run in all_runs(config) if config.datasets[run[0]].compared_scales]


def trained_model(config: Configuration, model: str) -> str:
    """Return the model whose weights a model uses: itself, but where it has `weights_of` another."""
    return config.models[model].weights_of or model


def trained_dataset(config: Configuration, dataset: str) -> str:
    """Return the data set whose networks are tested on a data set: itself, but where it is `trained_on` another."""
    return config.datasets[dataset].trained_on or dataset


def all_trainings(config: Configuration) -> list[RunName]:
    """Return every (data set, model, seed) that is trained for the runs, once."""
    runs = [
        (trained_dataset(config, dataset), trained_model(config, model), seed)
        for dataset, model, seed in all_runs(config)
    ]
    return list(dict.fromkeys(run for run in runs if config.models[run[1]].weights is None))


def external_weights(config: Configuration, dataset: str, model: str, seed: int) -> Path | None:
    """Return the file or folder of weights that a model's are given by, or None: they are trained here."""
    written = config.models[trained_model(config, model)].weights
    return Path(written.replace("{dataset}", dataset).replace("{seed}", str(seed))).expanduser() if written else None


def claims_to_test(config: Configuration) -> list[dict[str, Any]]:
    """Return each claim on each data set where both its models are run with a common seed and tested at unseen scales.

    With the keys claim, dataset, better, worse, seeds, the common ones in increasing order, and beyond if it is given.
    """
    seeds: dict[tuple[str, str], set[int]] = {}
    for dataset, model, seed in all_runs(config):
        seeds.setdefault((dataset, model), set()).add(seed)
    found = []
    for claim in config.claims:
        for dataset in claim.datasets or config.datasets:
            common = seeds.get((dataset, claim.better), set()) & seeds.get((dataset, claim.worse), set())
            if common and has_unseen_scales(config.datasets[dataset], claim.beyond):
                keys = claim.non_defaults("claim", "better", "worse", "beyond")
                found.append(keys | {"dataset": dataset, "seeds": sorted(common)})
    return found


def has_unseen_scales(dataset: Dataset, beyond: float) -> bool:
    """Tell whether a data set is tested at scales further from 1 than a factor."""
    height, width = image_sides(dataset.image_size)
    sizes = [rescaled_sides((height, width), scale, dataset.size_multiple) for scale in dataset.test_scales]
    true_scales = [math.sqrt(h / height * (w / width)) for h, w in sizes]
    return len(unseen_scales(np.array(true_scales), beyond)[0]) > 0


def network_options(config: Configuration, dataset: str, model: str) -> dict[str, Any]:
    """Return the options of a network on a data set: those shared there that it takes, its own, those of a variant."""
    entry = config.models[trained_model(config, model)]
    if entry.architecture is None:  # of a network that was made elsewhere, to which nothing is added
        return entry.options | config.models[model].options
    shared = accepted_options(find_architecture(entry.architecture), config.datasets[dataset].network, strict=False)
    return shared | entry.options | config.models[model].options


def training(config: Configuration, dataset: str, model: str) -> dict[str, Any]:
    """Return the settings of a training, see `seunet.settings.training.Training`: what is not as by default."""
    shared, own = config.datasets[dataset].training, config.models[model]
    epochs = max(1, round(shared.epochs * own.epochs_factor))
    settings = shared.non_defaults() | {"epochs": epochs} | own.non_defaults("scale_jitter", "learning_rate")
    if settings.get("learning_rate") == Training.model_fields["learning_rate"].default:
        del settings["learning_rate"]
    return settings


def variant(config: Configuration, dataset: str, model: str, seed: int) -> dict[str, Any]:
    """Return how a model predicts, if not as in its training: the fields of `inference.Variant`.

    For given weights, `given` describes their network and holds a checksum of their file.
    """
    own, network = config.models[model], config.models[trained_model(config, model)]
    fields = own.non_defaults("ensemble", "fusion", "rescale", "magnification", *["options"] * bool(own.weights_of))
    if path := external_weights(config, dataset, model, seed):
        files = weight_files(path)
        given = network.non_defaults("architecture", "options", *ExternalWeights.model_fields)
        fields["given"] = given | {"contents": content_checksum(map(str, files.values()), path.parent)}
    return fields


def weight_files(path: Path) -> dict[str, Path]:
    """Return the files of given weights: the weights, and of a network that was trained here its description."""
    if path.is_dir():
        return {"weights": path / "model.safetensors", "description": path / "model.json"}
    return {"weights": path}


def has_windows(config: Configuration, dataset: str, model: str) -> bool:
    """Tell whether a model has more scales at test than in training."""
    return bool(network_options(config, dataset, model).get("scales_at_test"))


def scales_of(config: Configuration, dataset: str, model: str) -> int:
    """Return how many scales a network computes, 1 where it has no such option: a guess at what its training costs."""
    architecture = config.models[trained_model(config, model)].architecture
    parameter = architecture and inspect.signature(find_architecture(architecture)).parameters.get("num_scales")
    scales = network_options(config, dataset, model).get("num_scales", parameter and parameter.default)
    return scales if isinstance(scales, int) else 1


def archive_suffix(url: str) -> str:
    """Return the suffix of an archive's address, such as .tar.gz, or nothing."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return "".join(s for s in PurePosixPath(name).suffixes[-2:] if s in (".tar", ".gz", ".tgz", ".zip"))
