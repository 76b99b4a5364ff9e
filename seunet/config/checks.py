"""The configuration: checked before anything runs, with errors that name the place."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from seunet.config.plan import (
    all_runs,
    archive_suffix,
    folder_files,
    given_weights,
    network_options,
    trained_model,
    weight_files,
)
from seunet.config.reading import read
from seunet.data import hela, pet, reef
from seunet.data.fit import image_sides
from seunet.data.masks import ClassMap, class_names
from seunet.data.partners import PATTERNS, patterns
from seunet.data.prepared import GENERATED, SOURCES
from seunet.data.splits import check_split
from seunet.models import ARCHITECTURES, IN_CHANNELS, NUM_CLASSES, channel_arguments, find_architecture
from seunet.models.weights import Given, folder_of, kind_of
from seunet.runtime.errors import UserError
from seunet.settings.configuration import Claim, Configuration, Model
from seunet.settings.dataset import Dataset
from seunet.settings.given import GivenWeights
from seunet.settings.training import JitterRange, TrainingChanges
from seunet.settings.words import one_line, show, suggestion

# Keys that only one source reads, those of them that it needs, and the classes where the source fixes them.
OWN_KEYS = {
    "folder": ("path", "images", "masks", "valid", "classes", "ignore", "value_range", "split"),
    "shapes": ("count",),
    "hela": ("truth",),
}
NEEDED_KEYS = {"folder": ("path", "classes"), "shapes": ("count",)}
CLASSES = {"pet": pet.CLASSES, "hela": hela.CLASSES, "shapes": reef.CLASSES}

# What makes a model a variant of another, and the options of a network that do not change its weights.
VARIANT = ("weights_of", "ensemble", "fusion", "rescale")
AT_TEST = ("scales_at_test", "windows")

# Beyond these a network of the registry could not be held in any memory, and merely counting would take ages.
LARGEST = {"width": 1024, "depth": 10, "num_scales": 10, "scale_size": 10}
LARGEST |= {"scales_in_training": 10, "scales_at_test": 10}


def check(mapping: Any, build: bool = True) -> Configuration:
    """Return the configuration of a merged mapping, after everything that can be checked before a job runs.

    Raises UserError in one line that names the first bad key by its path, what was expected, and for a misspelt key
    the nearest allowed one. Without `build` no network is built to check the values of its options.
    """
    config = read(mapping)
    try:
        check_consistency(config, build)
    except UserError as error:
        raise UserError(one_line(f"configuration: {error}")) from error
    return config


def check_consistency(config: Configuration, build: bool) -> None:
    """Check what one key alone cannot say: that names are known, and that sizes and options fit together."""
    for name, model in config.models.items():
        check_model(f"models.{name}", model, config.models)
    for name, dataset in config.datasets.items():
        check_trained_on(f"datasets.{name}.trained_on", dataset, config.datasets)
        check_dataset(f"datasets.{name}", dataset)
        check_shared_options(f"datasets.{name}.network", dataset.network, config.models)
    for i, run in enumerate(config.runs):
        check_known(f"runs[{i}].datasets", run.datasets, config.datasets)
        check_known(f"runs[{i}].models", run.models, config.models)
    for i, claim in enumerate(config.claims):
        check_claim(f"claims[{i}]", claim, config)
    for triple in all_runs(config):
        check_weights(config, *triple)
    for pair in dict.fromkeys(triple[:2] for triple in all_runs(config)):
        check_pair(config, *pair, build)


def check_known(path: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise UserError for the first name that is not known."""
    for name in names:
        if name not in known:
            raise UserError(f"{path}: {show(name)} is not known{suggestion(name, known)}")


def check_trained_on(path: str, dataset: Dataset, datasets: Mapping[str, Dataset]) -> None:
    """Check that the data set whose networks are tested here is one that trains them, with the same classes."""
    if dataset.trained_on is None:
        if dataset.truth == "gold":
            raise UserError(
                f"{path}: missing; truth: gold has no frames to train with, so name a data set of source hela"
            )
        return
    check_known(path, [dataset.trained_on], datasets)
    if datasets[dataset.trained_on].trained_on is not None:
        raise UserError(
            f"{path}: datasets.{dataset.trained_on} has trained_on itself; name a data set that is trained on"
        )


def check_dataset(path: str, dataset: Dataset) -> None:
    """Check what one key of a data set alone cannot say."""
    check_source(path, dataset)
    if 1 not in dataset.test_scales:
        raise UserError(f"{path}.test_scales: 1 is missing, and consistency compares with scale 1; add it")
    multiple, sides = dataset.size_multiple, image_sides(dataset.image_size)
    for size in sides:
        if size % multiple:
            below, above = size // multiple * multiple, (size // multiple + 1) * multiple
            near = f"{below} or {above}" if below else str(above)
            raise UserError(f"{path}.image_size: {size} is no multiple of size_multiple {multiple}; use {near}")
    crop, size = dataset.training.crop, min(sides)
    if crop is not None and crop > size:
        raise UserError(f"{path}.training.crop: {crop} is larger than image_size {size}; use at most {size}")
    if 1 in dataset.compared_scales:
        raise UserError(f"{path}.equivariance_scales: 1 is what the others are compared with; remove it")
    for key, pixels in dataset.tile or ():
        if pixels % multiple:
            raise UserError(f"{path}.tile.{key}: {pixels} is no multiple of size_multiple {multiple}; change it")


def check_source(path: str, dataset: Dataset) -> None:
    """Check the keys that depend on the source: archives, classes, the metric's class, split."""
    source, archives = dataset.source, dataset.archives.present()
    _, wanted = SOURCES[source]
    if set(archives) != set(wanted):
        given = ", ".join(archives) or "none"
        raise UserError(f"{path}.archives: source {source} needs {' and '.join(wanted) or 'none'}, got {given}")
    for key, archive in archives.items():
        check_url(f"{path}.archives.{key}.url", archive.url)
    for other, keys in OWN_KEYS.items():
        for key in keys:
            if other != source and key in dataset.model_fields_set:
                raise UserError(f"{path}.{key}: only source {other} takes it, and this is source {source}; remove it")
    for key in NEEDED_KEYS.get(source, ()):
        if getattr(dataset, key) is None:
            raise UserError(f"{path}.{key}: missing; source {source} needs it")
    if source == "folder":
        check_folder(path, dataset)
    elif dataset.duplicates == "group":
        raise UserError(f"{path}.duplicates: source {source} has splits of its own; use warn or error")
    if dataset.test_pixels == "original" and source in GENERATED:
        raise UserError(f"{path}.test_pixels: source {source} draws its test images at each size; remove it")
    if dataset.test_pixels == "original" and dataset.fit == "tiles":
        raise UserError(f"{path}.test_pixels: tiles have the original's pixels already; remove it")
    classes = CLASSES.get(source) or class_names(dataset.classes or {})
    weights = dataset.training.class_weights
    if isinstance(weights, list) and len(weights) != len(classes):
        raise UserError(
            f"{path}.training.class_weights: {len(weights)} weights, but {len(classes)} classes "
            f"({', '.join(classes)}); give one for each"
        )
    try:
        dataset.metric.check(classes)
    except UserError as error:
        raise UserError(f"{path}.{error}") from error


def check_url(path: str, url: str) -> None:
    """Raise UserError when an address cannot be taken apart."""
    try:
        archive_suffix(url)
    except ValueError as error:
        raise UserError(f"{path}: {show(url)} is no address ({error}); give https, http, file:// or a path") from error


def check_folder(path: str, dataset: Dataset) -> None:
    """Check the class map, the shares and the names of the files of a data set of source folder."""
    try:
        ClassMap(dataset.classes or {}, dataset.ignore)
        check_split(dataset.split.given())
        patterns(dataset.given(*PATTERNS, "valid"))
    except UserError as error:
        raise UserError(f"{path}.{error}") from error
    try:
        braces = [file for file in folder_files(dataset) if set(file) & set("{}")]
    except (UserError, RuntimeError, OSError) as error:  # ~nobody, a name too long, a folder that may not be read
        raise UserError(f"{path}.path: {error}") from error
    if braces:
        raise UserError(f"{path}.path: {braces[0]}: Snakemake takes braces in a name for a wildcard; rename it")


def check_model(path: str, model: Model, models: dict[str, Model]) -> None:
    """Check that the architecture exists and takes the options; of a model with weights_of, see `check_variant`."""
    if given := [key for key in VARIANT if key in model.model_fields_set and getattr(model, key) is not None]:
        return check_variant(path, model, models, given)
    check_given(path, model)
    if model.weights is not None and model.architecture is None:
        return None
    if model.architecture is None:
        raise UserError(f"{path}.architecture: missing; a model has an architecture, or weights, or weights_of")
    jitter = model.scale_jitter
    if isinstance(jitter, JitterRange) and jitter.low > jitter.high:
        raise UserError(f"{path}.scale_jitter.low: {jitter.low} is more than high {jitter.high}; exchange them")
    try:
        factory = find_architecture(model.architecture)
    except UserError as error:
        raise UserError(f"{path}.{error}") from error
    check_option_names(f"{path}.options", model.options, [factory])
    try:
        inspect.signature(factory).bind_partial(**channel_arguments(factory, 3, 2))
    except (UserError, TypeError) as error:
        raise UserError(f"{path}.architecture: {show(model.architecture)} cannot be a network: {error}") from error


def check_given(path: str, model: Model) -> None:
    """Check that given weights come without settings of a training, and that only they say how they are asked."""
    if model.weights is None:
        for key in model.given(*GivenWeights.model_fields):
            raise UserError(f"{path}.{key}: only a model with weights takes it, a network that was not trained here")
        return
    for key in model.given(*TrainingChanges.model_fields):
        raise UserError(f"{path}.{key}: nothing is trained where weights are given; remove it")
    try:
        Given.read(model.given("architecture", "options", *GivenWeights.model_fields))
    except UserError as error:
        raise UserError(f"{path}.{error}") from error


def check_weights(config: Configuration, dataset: str, model: str, seed: int) -> None:
    """Check that the files of given weights are there, and that an architecture is named where they need one."""
    if (given := given_weights(config, dataset, model, seed)) is None:
        return
    network = trained_model(config, model)
    path, files = f"models.{network}.weights", weight_files(given)
    try:
        for file in files.values():
            kind = kind_of(file)
        needed = kind == "state_dict" and folder_of(given) is None
        if needed != (config.models[network].architecture is not None):
            raise UserError(
                f"{given}: {'holds weights alone; name their architecture' if needed else f'{kind}, which holds its'}"
                f"{'' if needed else ' own network; leave the architecture out'}"
            )
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def check_variant(path: str, model: Model, models: dict[str, Model], given: list[str]) -> None:
    """Check that a variant names a network with weights of its own, asks it otherwise, and says nothing of training."""
    network = model.weights_of
    if network is None:
        raise UserError(f"{path}.weights_of: missing; a model with {given[0]} uses the weights of another model")
    check_known(f"{path}.weights_of", [network], models)
    if models[network].weights_of is not None:
        raise UserError(
            f"{path}.weights_of: models.{network} has weights_of itself; name a network with its own weights"
        )
    for key in model.given("architecture", *TrainingChanges.model_fields, *GivenWeights.model_fields):
        raise UserError(f"{path}.{key}: that of models.{network}, its weights_of, counts; remove it")
    if not model.options and "ensemble" not in given and "rescale" not in given:
        raise UserError(f"{path}: the same as models.{network}; give ensemble, rescale, or options such as windows")
    if "fusion" in given and "ensemble" not in given:
        raise UserError(f"{path}.fusion: there is no ensemble whose answers it could join; remove it, or add ensemble")
    unknown = [key for key in model.options if key not in AT_TEST]
    if unknown:
        raise UserError(f"{path}.options.{unknown[0]}: the weights depend on it; at test choose {', '.join(AT_TEST)}")


def check_claim(path: str, claim: Claim, config: Configuration) -> None:
    """Check that a claim compares two models that there are, on data sets that there are."""
    check_known(f"{path}.better", [claim.better], config.models)
    check_known(f"{path}.worse", [claim.worse], config.models)
    if claim.better == claim.worse:
        raise UserError(f"{path}.worse: {show(claim.worse)} is better already; compare two models")
    check_known(f"{path}.datasets", claim.datasets or (), config.datasets)


def check_shared_options(path: str, options: dict[str, Any], models: dict[str, Model]) -> None:
    """Raise UserError for an option that no network takes: each takes those that it has, so a typo would be lost."""
    factories = [find_architecture(model.architecture) for model in models.values() if model.architecture]
    check_option_names(path, options, [*ARCHITECTURES.values(), *factories])


def check_option_names(path: str, options: dict[str, Any], factories: Iterable[Callable[..., nn.Module]]) -> None:
    """Raise UserError for the first option that none of the factories takes."""
    parameters = [entry for factory in factories for entry in inspect.signature(factory).parameters.values()]
    if any(entry.kind is entry.VAR_KEYWORD for entry in parameters):
        return
    channels = {*IN_CHANNELS, *NUM_CLASSES}
    known = dict.fromkeys(entry.name for entry in parameters if entry.name not in channels)
    for name in options:
        if name not in known:
            raise UserError(f"{path}.{name}: unknown option{suggestion(name, known)}")


def check_pair(config: Configuration, dataset: str, model: str, build: bool) -> None:
    """Check that a network can be built with its options, and takes the sizes of the data set."""
    settings, options = config.datasets[dataset], network_options(config, dataset, model)
    network = trained_model(config, model)
    architecture = config.models[network].architecture
    if architecture is None:
        return
    factory = find_architecture(architecture)
    if build and factory in ARCHITECTURES.values():
        check_options(f"models.{model} on datasets.{dataset}", factory, options)
    multiple = getattr(factory, "multiple_of", lambda **options: 1)(**options)
    for key, value in {"size_multiple": settings.size_multiple, "training.crop": settings.training.crop}.items():
        if value is not None and value % multiple:
            near = max(multiple, value // multiple * multiple)
            need = f"{multiple}, which models.{network} needs"
            raise UserError(f"datasets.{dataset}.{key}: {value} is no multiple of {need}; use {near}")


def check_options(path: str, factory: Callable[..., nn.Module], options: dict[str, Any]) -> None:
    """Build a network of the registry without memory for its weights: its options are checked before any download."""
    for key, largest in LARGEST.items():
        if isinstance(options.get(key), int) and options[key] > largest:
            raise UserError(f"{path}: {key}: {options[key]} is too large; expected at most {largest}")
    try:
        with torch.device("meta"):
            factory(in_channels=3, num_classes=2, **options)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # whatever a wrong value leads to
        raise UserError(f"{path}: cannot be built with {show(options)} ({error})") from error
