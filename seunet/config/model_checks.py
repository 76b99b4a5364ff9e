"""Models of the configuration: their networks exist and take the options, on every data set that they meet."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from seunet.config.name_checks import check_known
from seunet.config.plan import external_weights, network_options, trained_model, weight_files
from seunet.models import (
    ARCHITECTURES,
    IN_CHANNELS,
    NUM_CLASSES,
    SIZE_MULTIPLE,
    channel_arguments,
    find_architecture,
)
from seunet.models.external_loading import ExternalSpec, folder_of, kind_of
from seunet.runtime.errors import UserError
from seunet.settings.configuration import Configuration, Model
from seunet.settings.external_weights import ExternalWeights
from seunet.settings.messages import format_value, suggestion
from seunet.settings.training import JitterRange, TrainingChanges

# What makes a model a variant of another, and the options of a network that do not change its weights.
VARIANT = ("weights_of", "ensemble", "fusion", "rescale", "magnification")
INPUTS = ("ensemble", "rescale", "magnification")  # each says by itself at which size images are shown
AT_TEST = ("scales_at_test", "windows")

# Beyond these a network of the registry could not be held in any memory, and merely counting would take ages.
LARGEST = {"width": 1024, "depth": 10, "num_scales": 10, "scale_size": 10}
LARGEST |= {"scales_in_training": 10, "scales_at_test": 10}


def check_model(path: str, model: Model, models: dict[str, Model]) -> None:
    """Check that the architecture exists and takes the options; of a model with weights_of, see `check_variant`."""
    if given := [key for key in VARIANT if key in model.model_fields_set and getattr(model, key) is not None]:
        return check_variant(path, model, models, given)
    check_external(path, model)
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
        inspect.signature(factory).bind_partial(**channel_arguments(factory, 3, 2, model.options))
    except (UserError, TypeError) as error:
        raise UserError(
            f"{path}.architecture: {format_value(model.architecture)} cannot be a network: {error}"
        ) from error


def check_external(path: str, model: Model) -> None:
    """Check that a model with given weights has no settings of a training, and that no other has the keys for them."""
    if model.weights is None:
        for key in model.non_defaults(*ExternalWeights.model_fields):
            raise UserError(f"{path}.{key}: only a model with weights takes it, a network that was not trained here")
        return
    for key in model.non_defaults(*TrainingChanges.model_fields):
        raise UserError(f"{path}.{key}: nothing is trained where weights are given; remove it")
    try:
        ExternalSpec.read(model.non_defaults("architecture", "options", *ExternalWeights.model_fields))
    except UserError as error:
        raise UserError(f"{path}.{error}") from error


def check_weights(config: Configuration, dataset: str, model: str, seed: int) -> None:
    """Check that the files of given weights are there, and that an architecture is named where they need one."""
    if (given := external_weights(config, dataset, model, seed)) is None:
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
    """Check that a variant changes how another model, which has weights, predicts, and nothing of its training."""
    network = model.weights_of
    if network is None:
        raise UserError(f"{path}.weights_of: missing; a model with {given[0]} uses the weights of another model")
    check_known(f"{path}.weights_of", [network], models)
    if models[network].weights_of is not None:
        raise UserError(
            f"{path}.weights_of: models.{network} has weights_of itself; name a network with its own weights"
        )
    for key in model.non_defaults("architecture", *TrainingChanges.model_fields, *ExternalWeights.model_fields):
        raise UserError(f"{path}.{key}: that of models.{network}, its weights_of, counts; remove it")
    inputs = [key for key in INPUTS if key in given]
    if not model.options and not inputs:
        raise UserError(f"{path}: the same as models.{network}; give {', '.join(INPUTS)}, or options such as windows")
    if len(inputs) > 1:
        raise UserError(f"{path}.{inputs[1]}: {inputs[0]} says at which size images are shown; remove one of them")
    if "fusion" in given and "ensemble" not in given:
        raise UserError(f"{path}.fusion: there is no ensemble whose answers it could join; remove it, or add ensemble")
    unknown = [key for key in model.options if key not in AT_TEST]
    if unknown:
        raise UserError(f"{path}.options.{unknown[0]}: the weights depend on it; at test choose {', '.join(AT_TEST)}")


def check_shared_options(path: str, options: dict[str, Any], models: dict[str, Model]) -> None:
    """Raise UserError for an option that no network takes: each takes those that it has, so a typo would be lost."""
    factories = [find_architecture(model.architecture) for model in models.values() if model.architecture]
    check_option_names(path, options, [*ARCHITECTURES.values(), *factories])


def check_option_names(path: str, options: dict[str, Any], factories: Iterable[Callable[..., nn.Module]]) -> None:
    """Raise UserError for the first option that none of the factories takes."""
    known: dict[str, None] = {}
    for factory in factories:
        parameters = inspect.signature(factory).parameters
        if any(entry.kind is entry.VAR_KEYWORD for entry in parameters.values()):
            return
        channels = [next((name for name in names if name in parameters), None) for names in (IN_CHANNELS, NUM_CLASSES)]
        known |= dict.fromkeys(name for name in parameters if name not in channels)
        if factory not in ARCHITECTURES.values():
            known[SIZE_MULTIPLE] = None
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
        raise UserError(f"{path}: cannot be built with {format_value(options)} ({error})") from error
