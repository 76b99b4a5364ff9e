"""The configuration: checked before anything runs, with errors that name the place, and with defaults filled in."""

import inspect
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import torch
import yaml
from torch import nn

from seunet.config.schema import one_line, show, suggestion, validate
from seunet.data import folder, hela, pet, reef
from seunet.data.masks import ClassMap
from seunet.data.prepared import SOURCES
from seunet.data.rescaling import rescaled_size
from seunet.data.splits import random_split
from seunet.models import ARCHITECTURES, accepted_options, find_architecture
from seunet.report.tables import unseen_scales
from seunet.runtime.errors import UserError

PREPARATION = (
    "source",
    "path",
    "classes",
    "ignore",
    "split",
    "count",
    "seed",
    "image_size",
    "limit",
    "metric",
)

# Keys that only one source reads, those of them that it needs, and the classes where the source fixes them.
OWN_KEYS = {"folder": ("path", "classes", "ignore", "split"), "shapes": ("count",)}
NEEDED_KEYS = {"folder": ("path", "classes"), "shapes": ("count",)}
CLASSES = {"pet": pet.CLASSES, "hela": hela.CLASSES, "shapes": reef.CLASSES}

# What makes a model a variant of another, and the options of a network that do not change its weights.
VARIANT = ("weights_of", "ensemble", "fusion", "rescale")
AT_TEST = ("scales_at_test", "windows")

# Beyond these a network of the registry could not be held in any memory, and merely counting would take ages.
LARGEST = {"width": 1024, "depth": 10, "num_scales": 10, "scale_size": 10, "scales_at_test": 10}


def check(config: dict[str, Any], schema_path: Path | str, build: bool = True) -> None:
    """Check a merged configuration against the schema and against itself, and fill in the defaults in place.

    Raises UserError in one line that names the first bad key by its path, what was expected, and for a
    misspelt key the nearest allowed one. Without `build` no network is built to check the values of its options,
    for a configuration that was checked before.
    """
    try:
        validate(config, read_schema(schema_path))
        check_consistency(config, build)
    except UserError as error:
        raise UserError(one_line(f"configuration: {error}")) from error


@cache
def read_schema(path: Path | str) -> dict[str, Any]:
    """Read a JSON schema written in YAML."""
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def check_consistency(config: dict[str, Any], build: bool) -> None:
    """Check what the schema cannot say: that names are known, and that sizes and options fit together."""
    for name, model in config["models"].items():
        check_model(f"models.{name}", model, config["models"])
    for name, dataset in config["datasets"].items():
        check_dataset(f"datasets.{name}", dataset)
        check_shared_options(f"datasets.{name}.network", dataset["network"], config["models"])
    for i, run in enumerate(config["runs"]):
        check_known(f"runs[{i}].datasets", run["datasets"], config["datasets"])
        check_known(f"runs[{i}].models", run["models"], config["models"])
    for i, claim in enumerate(config["claims"]):
        check_claim(f"claims[{i}]", claim, config)
    for dataset, model in dict.fromkeys(run[:2] for run in all_runs(config)):
        check_pair(config, dataset, model, build)


def check_known(path: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise UserError for the first name that is not known."""
    for name in names:
        if name not in known:
            raise UserError(f"{path}: {show(name)} is not known{suggestion(name, known)}")


def check_dataset(path: str, dataset: dict[str, Any]) -> None:
    """Check what the schema cannot say of one data set."""
    check_source(path, dataset)
    multiple, size = dataset["size_multiple"], dataset["image_size"]
    if size % multiple:
        below, above = size // multiple * multiple, (size // multiple + 1) * multiple
        near = f"{below} or {above}" if below else str(above)
        raise UserError(f"{path}.image_size: {size} is no multiple of size_multiple {multiple}; use {near}")
    crop = dataset["training"]["crop"]
    if crop is not None and crop > size:
        raise UserError(f"{path}.training.crop: {crop} is larger than image_size {size}; use at most {size}")
    if 1 in dataset["equivariance_scales"]:
        raise UserError(f"{path}.equivariance_scales: 1 is what the others are compared with; remove it")
    tile = dataset["tile"]
    for key in tile or ():
        if tile[key] % multiple:
            raise UserError(f"{path}.tile.{key}: {tile[key]} is no multiple of size_multiple {multiple}; change it")


def check_source(path: str, dataset: dict[str, Any]) -> None:
    """Check the keys that depend on the source: archives, classes, the metric's class, split."""
    source = dataset["source"]
    _, wanted = SOURCES[source]
    if set(dataset["archives"]) != set(wanted):
        given = ", ".join(dataset["archives"]) or "none"
        raise UserError(f"{path}.archives: source {source} needs {' and '.join(wanted) or 'none'}, got {given}")
    for key, archive in dataset["archives"].items():
        check_url(f"{path}.archives.{key}.url", archive["url"])
    for other, keys in OWN_KEYS.items():
        for key in keys:
            if other != source and key in dataset:
                raise UserError(f"{path}.{key}: only source {other} takes it, and this is source {source}; remove it")
    for key in NEEDED_KEYS.get(source, ()):
        if key not in dataset:
            raise UserError(f"{path}.{key}: missing; source {source} needs it")
    if source == "folder":
        check_folder(path, dataset)
    classes = CLASSES.get(source) or dataset["classes"]
    if dataset["metric"] != "mean_iou":
        check_known(f"{path}.metric.iou", [dataset["metric"]["iou"]], classes)


def check_url(path: str, url: str) -> None:
    """Raise UserError when an address cannot be taken apart."""
    try:
        archive_suffix(url)
    except ValueError as error:
        raise UserError(f"{path}: {show(url)} is no address ({error}); give https, http, file:// or a path") from error


def check_folder(path: str, dataset: dict[str, Any]) -> None:
    """Check the class map, the shares and the names of the files of a data set of source folder."""
    try:
        ClassMap(dataset["classes"], dataset.get("ignore", []))
        random_split([], dataset.get("split", folder.SPLIT), 0)
        braces = [file for file in folder_files(dataset) if set(file) & set("{}")]
    except UserError as error:
        raise UserError(f"{path}.{error}") from error
    except (RuntimeError, OSError) as error:  # ~nobody, a name too long, a folder that may not be read
        raise UserError(f"{path}.path: {error}") from error
    if braces:
        raise UserError(f"{path}.path: {braces[0]}: Snakemake takes braces in a name for a wildcard; rename it")


def check_model(path: str, model: dict[str, Any], models: dict[str, dict]) -> None:
    """Check that the architecture exists and takes the options; of a model with weights_of, see `check_variant`."""
    if any(key in model for key in VARIANT):
        return check_variant(path, model, models)
    if "architecture" not in model:
        raise UserError(f"{path}.architecture: missing; a model has an architecture, or weights_of and ensemble")
    jitter = model["scale_jitter"]
    if isinstance(jitter, dict) and jitter["low"] > jitter["high"]:
        raise UserError(f"{path}.scale_jitter.low: {jitter['low']} is more than high {jitter['high']}; exchange them")
    try:
        factory = find_architecture(model["architecture"])
    except UserError as error:
        raise UserError(f"{path}.{error}") from error
    check_option_names(f"{path}.options", model["options"], [factory])
    try:
        inspect.signature(factory).bind_partial(in_channels=3, num_classes=2)
    except TypeError as error:
        raise UserError(f"{path}.architecture: {show(model['architecture'])} cannot be a network: {error}") from error


def check_variant(path: str, model: dict[str, Any], models: dict[str, dict]) -> None:
    """Check that a variant names a network with weights of its own, asks it otherwise, and says nothing of training."""
    if "weights_of" not in model:
        key = next(key for key in VARIANT if key in model)
        raise UserError(f"{path}.weights_of: missing; a model with {key} uses the weights of another model")
    network = model["weights_of"]
    check_known(f"{path}.weights_of", [network], models)
    if "weights_of" in models[network]:
        raise UserError(
            f"{path}.weights_of: models.{network} has weights_of itself; name a network with its own weights"
        )
    for key, unset in {"architecture": None, "scale_jitter": 1, "epochs_factor": 1}.items():
        if model.get(key, unset) != unset:
            raise UserError(f"{path}.{key}: that of models.{network}, its weights_of, counts; remove it")
    if not model["options"] and "ensemble" not in model and "rescale" not in model:
        raise UserError(f"{path}: the same as models.{network}; give ensemble, rescale, or options such as windows")
    if "fusion" in model and "ensemble" not in model:
        raise UserError(f"{path}.fusion: there is no ensemble whose answers it could join; remove it, or add ensemble")
    unknown = [key for key in model["options"] if key not in AT_TEST]
    if unknown:
        raise UserError(f"{path}.options.{unknown[0]}: the weights depend on it; at test choose {', '.join(AT_TEST)}")


def check_claim(path: str, claim: dict[str, Any], config: dict[str, Any]) -> None:
    """Check that a claim compares two models that there are, on data sets that there are."""
    for role in ("better", "worse"):
        check_known(f"{path}.{role}", [claim[role]], config["models"])
    if claim["better"] == claim["worse"]:
        raise UserError(f"{path}.worse: {show(claim['worse'])} is better already; compare two models")
    check_known(f"{path}.datasets", claim.get("datasets", []), config["datasets"])


def check_shared_options(path: str, options: dict[str, Any], models: dict[str, dict]) -> None:
    """Raise UserError for an option that no network takes: each takes those that it has, so a typo would be lost."""
    factories = [find_architecture(model["architecture"]) for model in models.values() if "architecture" in model]
    check_option_names(path, options, [*ARCHITECTURES.values(), *factories])


def check_option_names(path: str, options: dict[str, Any], factories: Iterable[Callable[..., nn.Module]]) -> None:
    """Raise UserError for the first option that none of the factories takes."""
    parameters = [entry for factory in factories for entry in inspect.signature(factory).parameters.values()]
    if any(entry.kind is entry.VAR_KEYWORD for entry in parameters):
        return
    known = dict.fromkeys(entry.name for entry in parameters if entry.name not in ("in_channels", "num_classes"))
    for name in options:
        if name not in known:
            raise UserError(f"{path}.{name}: unknown option{suggestion(name, known)}")


def check_pair(config: dict[str, Any], dataset: str, model: str, build: bool) -> None:
    """Check that a network can be built with its options, and takes the sizes of the data set."""
    settings, options = config["datasets"][dataset], network_options(config, dataset, model)
    network = trained_model(config, model)
    factory = find_architecture(config["models"][network]["architecture"])
    if build and factory in ARCHITECTURES.values():
        check_options(f"models.{model} on datasets.{dataset}", factory, options)
    multiple = getattr(factory, "multiple_of", lambda **options: 1)(**options)
    sizes = {"size_multiple": settings["size_multiple"], "training.crop": settings["training"]["crop"]}
    for key, value in sizes.items():
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


def all_runs(config: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Return every (data set, model, seed) once, in the order of the configuration."""
    found = {
        (dataset, model, seed): None
        for run in config["runs"]
        for dataset in run["datasets"]
        for model in run["models"]
        for seed in run["seeds"]
    }
    return list(found)


def trained_model(config: dict[str, Any], model: str) -> str:
    """Return the model whose weights a model uses: its own, but for an ensemble."""
    return config["models"][model].get("weights_of", model)


def all_trainings(config: dict[str, Any]) -> list[tuple[str, str, int]]:
    """Return every (data set, model, seed) that is trained for the runs, once."""
    runs = all_runs(config)
    return list(dict.fromkeys((dataset, trained_model(config, model), seed) for dataset, model, seed in runs))


def claims_to_test(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each claim on each data set where both its models are run with a common seed and tested at unseen scales.

    With the keys claim, dataset, better, worse and seeds, the common ones in increasing order.
    """
    seeds: dict[tuple[str, str], set[int]] = {}
    for dataset, model, seed in all_runs(config):
        seeds.setdefault((dataset, model), set()).add(seed)
    found = []
    for claim in config["claims"]:
        better, worse = claim["better"], claim["worse"]
        for dataset in claim.get("datasets", config["datasets"]):
            common = sorted(seeds.get((dataset, better), set()) & seeds.get((dataset, worse), set()))
            if common and has_unseen_scales(config["datasets"][dataset]):
                pair = {"better": better, "worse": worse, "seeds": common}
                found.append({"claim": claim["claim"], "dataset": dataset} | pair)
    return found


def has_unseen_scales(dataset: dict[str, Any]) -> bool:
    """Tell whether a data set is tested at scales that are not as good as seen in training."""
    size, multiple = dataset["image_size"], dataset["size_multiple"]
    true_scales = [rescaled_size(size, scale, multiple) / size for scale in dataset["test_scales"]]
    return len(unseen_scales(np.array(true_scales))[0]) > 0


def network_options(config: dict[str, Any], dataset: str, model: str) -> dict[str, Any]:
    """Return the options of a network on a data set: those shared there that it takes, its own, those of a variant."""
    entry = config["models"][trained_model(config, model)]
    shared = accepted_options(find_architecture(entry["architecture"]), config["datasets"][dataset]["network"], False)
    return shared | entry["options"] | config["models"][model]["options"]


def training_of(config: dict[str, Any], dataset: str, model: str) -> dict[str, Any]:
    """Return how a model is trained on a data set."""
    training = config["datasets"][dataset]["training"]
    return training | {"epochs": max(1, round(training["epochs"] * config["models"][model]["epochs_factor"]))}


def variant(config: dict[str, Any], model: str) -> dict[str, Any]:
    """Return how the weights of a model are asked, where that is not as they were trained: see `inference.Variant`."""
    entry = config["models"][model]
    keys = {key: entry[key] for key in ("ensemble", "fusion", "rescale") if key in entry}
    return keys | ({"options": entry["options"]} if "weights_of" in entry and entry["options"] else {})


def strength(jitter: float | dict[str, Any]) -> float:
    """Return the largest factor by which a scale jitter changes a size, up or down."""
    return max(jitter["high"], 1 / jitter["low"]) if isinstance(jitter, dict) else jitter


def scales_of(config: dict[str, Any], dataset: str, model: str) -> int:
    """Return how many scales a network computes, 1 where it has no such option: a guess at what its training costs."""
    factory = find_architecture(config["models"][trained_model(config, model)]["architecture"])
    parameter = inspect.signature(factory).parameters.get("num_scales")
    scales = network_options(config, dataset, model).get("num_scales", parameter and parameter.default)
    return scales if isinstance(scales, int) else 1


def preparation(dataset: dict[str, Any]) -> dict[str, Any]:
    """Return what the prepared arrays depend on: the content of the archives, not their address."""
    archives = {key: {"sha256": archive["sha256"]} for key, archive in dataset["archives"].items()}
    return {key: dataset[key] for key in PREPARATION if key in dataset} | {"archives": archives}


def archive_suffix(url: str) -> str:
    """Return the suffix of an archive's address, such as .tar.gz, or nothing."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return "".join(s for s in PurePosixPath(name).suffixes[-2:] if s in (".tar", ".gz", ".tgz", ".zip"))


def folder_files(dataset: dict[str, Any]) -> list[str]:
    """Return the images and masks of a data set of source folder; nothing for the others."""
    if dataset["source"] != "folder":
        return []
    root = Path(dataset["path"]).expanduser()
    files = [file for part in ("images", "masks") for file in (root / part).glob("[!.]*") if file.is_file()]
    return sorted(str(file) for file in files if file.suffix.lower() in folder.SUFFIXES)
