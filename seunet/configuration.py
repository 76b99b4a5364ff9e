"""The configuration: checked before anything runs, with errors that name the place, and with defaults filled in."""

import difflib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import yaml

from seunet.data.prepared import SOURCES
from seunet.errors import UserError
from seunet.models import accepted_options, find_architecture

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


def check(config: dict[str, Any], schema_path: Path | str) -> None:
    """Check a merged configuration against the schema and against itself, and fill in the defaults in place.

    Raises UserError that names the first bad key by its path, what was expected, and for a misspelt key the
    nearest allowed one.
    """
    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    errors = sorted(
        validator(schema).iter_errors(config), key=lambda error: list(map(str, error.absolute_path))
    )
    if errors:
        raise UserError("configuration: " + explain(jsonschema.exceptions.best_match([errors[0]])))
    for name, dataset in config["datasets"].items():
        check_dataset(f"datasets.{name}", dataset)
    for name, model in config["models"].items():
        check_model(f"models.{name}", model)
    for i, run in enumerate(config["runs"]):
        check_known(f"runs[{i}].datasets", run["datasets"], config["datasets"])
        check_known(f"runs[{i}].models", run["models"], config["models"])
    for dataset, model, _ in all_runs(config):
        check_pair(config, dataset, model)


def validator(schema: dict[str, Any]) -> jsonschema.protocols.Validator:
    """Return a validator that also sets the defaults of missing keys, as the documentation of jsonschema shows."""
    base = jsonschema.Draft202012Validator

    def set_defaults(instance_validator, properties, instance, subschema):
        if isinstance(instance, dict):
            for key, value in properties.items():
                if "default" in value:
                    default = value["default"]
                    instance.setdefault(
                        key, type(default)(default) if isinstance(default, dict | list) else default
                    )
        yield from base.VALIDATORS["properties"](instance_validator, properties, instance, subschema)

    return jsonschema.validators.extend(base, {"properties": set_defaults})(schema)


def explain(error: jsonschema.ValidationError) -> str:
    """Say a schema error in one line: the path of the key, what it is, what was expected."""
    path = join(error.absolute_path)
    schema = error.schema
    if error.validator == "additionalProperties":
        allowed = schema.get("properties", {})
        unknown = next(key for key in error.instance if key not in allowed)
        return f"{join([*error.absolute_path, unknown])}: unknown key{suggestion(unknown, allowed)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"{join([*error.absolute_path, missing])}: missing"
    if error.validator == "enum" or "enum" in schema:
        return f"{path}: {error.instance!r} is not known{suggestion(error.instance, schema['enum'])}"
    if error.validator == "type":
        wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return f"{path}: expected {' or '.join(TYPES[kind] for kind in wanted)}, got {error.instance!r}"
    if error.validator == "contains":
        return f"{path}: 1 is missing, and consistency compares with scale 1; add it"
    if error.validator == "pattern":
        hint = f" ({schema['description']})" if "description" in schema else ""
        return f"{path}: {error.instance!r} is not allowed here{hint}"
    if error.validator == "oneOf":
        return f"{path}: {error.instance!r} is not allowed; expected {schema['description']}"
    return f"{path}: {error.message}"


TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def join(path: Iterable[str | int]) -> str:
    """Return a path in the configuration as `datasets.pet.test_scales[3]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the whole"


def suggestion(word: Any, allowed: Iterable[str]) -> str:
    """Return the allowed words, with the nearest to a misspelt one first."""
    words = [str(entry) for entry in allowed]
    near = difflib.get_close_matches(str(word), words, n=1)
    return (
        f"; did you mean {near[0]}? Allowed: {', '.join(words)}" if near else f"; allowed: {', '.join(words)}"
    )


def check_known(path: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Raise UserError for the first name that is not known."""
    for name in names:
        if name not in known:
            raise UserError(f"configuration: {path}: {name!r} is not known{suggestion(name, known)}")


def check_dataset(path: str, dataset: dict[str, Any]) -> None:
    """Check what the schema cannot say of one data set."""
    _, wanted = SOURCES[dataset["source"]]
    if set(dataset["archives"]) != set(wanted):
        names = ", ".join(wanted) or "none"
        raise UserError(f"configuration: {path}.archives: source {dataset['source']} needs {names}")
    if dataset["source"] == "folder" and not {"path", "classes"} <= dataset.keys():
        raise UserError(f"configuration: {path}: source folder needs path and classes")
    if dataset["source"] == "shapes" and "count" not in dataset:
        raise UserError(f"configuration: {path}: source shapes needs count")
    multiple, size = dataset["size_multiple"], dataset["image_size"]
    if size % multiple:
        below, above = size // multiple * multiple, (size // multiple + 1) * multiple
        near = f"{below} or {above}" if below else str(above)
        raise UserError(
            f"configuration: {path}.image_size: {size} is no multiple of size_multiple {multiple}; use {near}"
        )
    crop = dataset["training"]["crop"]
    if crop is not None and crop > size:
        raise UserError(f"configuration: {path}.training.crop: {crop} is larger than image_size {size}")
    tile = dataset["tile"]
    for key in tile or ():
        if tile[key] % multiple:
            raise UserError(
                f"configuration: {path}.tile.{key}: {tile[key]} is no multiple of size_multiple {multiple}"
            )


def check_model(path: str, model: dict[str, Any]) -> None:
    """Check that the architecture exists and takes the options."""
    try:
        accepted_options(find_architecture(model["architecture"]), model["options"], strict=True)
    except UserError as error:
        raise UserError(f"configuration: {path}: {error}") from error


def check_pair(config: dict[str, Any], dataset: str, model: str) -> None:
    """Check that a network of the registry takes the sizes of a data set."""
    settings = config["datasets"][dataset]
    factory = find_architecture(config["models"][model]["architecture"])
    multiple = getattr(factory, "multiple_of", lambda **options: 1)(**network_options(config, dataset, model))
    for key, value in (
        ("size_multiple", settings["size_multiple"]),
        ("training.crop", settings["training"]["crop"]),
    ):
        if value is not None and value % multiple:
            raise UserError(
                f"configuration: datasets.{dataset}.{key}: {value} is no multiple of {multiple}, "
                f"which models.{model} needs; use {max(multiple, value // multiple * multiple)}"
            )


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


def network_options(config: dict[str, Any], dataset: str, model: str) -> dict[str, Any]:
    """Return the options of a network on a data set: its own, and those shared on the data set that it takes."""
    entry = config["models"][model]
    factory = find_architecture(entry["architecture"])
    return accepted_options(factory, config["datasets"][dataset]["network"], strict=False) | entry["options"]


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
    return sorted(
        str(file) for part in ("images", "masks") for file in (root / part).glob("*") if file.is_file()
    )
