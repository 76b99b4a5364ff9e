"""From the mapping that Snakemake has read to the typed configuration, with the first mistake told in one line."""

import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from seunet.config.folds import expand_folds
from seunet.runtime.errors import UserError
from seunet.settings.base import ABSENT, Settings
from seunet.settings.configuration import Configuration
from seunet.settings.messages import format_path, format_value, one_line, suggestion, yaml_hint

S = TypeVar("S", bound=Settings)

WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
    type(None): "null",
}

BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "less_than": ("lt", "less than"),
}


def read(config: Any) -> Configuration:
    """Return the configuration of a merged mapping, folds as data sets; nothing is built or opened.

    Keys `x-…` at the top are left out: they hold what YAML's anchors are for.
    Raises UserError in one line that names the first bad key by its path, what it is, what was expected, and for a
    misspelt key the nearest allowed one.
    """
    try:
        return expand_folds(validated(Configuration, with_keys_of_others(without_anchors(config))))
    except UserError as error:
        raise UserError(f"configuration: {error}") from None


def validated(settings: type[S], value: Any) -> S:
    """Return a mapping as settings of this class; raise UserError in one line of the first mistake."""
    try:
        return settings.model_validate(value)
    except ValidationError as error:
        first = min(error.errors(include_url=False), key=order)
        raise UserError(one_line(explain(first, settings))) from None


def without_anchors(config: Any) -> Any:
    """Return the mapping without its keys x-…, which may hold anything."""
    if not isinstance(config, dict):
        return config
    return {key: value for key, value in config.items() if not str(key).startswith("x-")}


def with_keys_of_others(config: Any) -> Any:
    """Return the mapping with each data set that is `trained_on` another given the keys that only the other has."""
    datasets = config.get("datasets") if isinstance(config, dict) else None
    if not isinstance(datasets, dict):
        return config

    def whole(dataset: Any) -> Any:
        name = dataset.get("trained_on") if isinstance(dataset, dict) else None
        other = datasets.get(name) if isinstance(name, str) else None
        return {**other, **dataset} if isinstance(other, dict) else dataset

    return config | {"datasets": {name: whole(dataset) for name, dataset in datasets.items()}}


def order(error: ErrorDetails) -> tuple[bool, list[str]]:
    """Sort by place; what is missing comes last, because a misspelt key elsewhere is often its cause."""
    return error["type"] == "missing", list(map(str, error["loc"]))


def explain(error: ErrorDetails, settings: type[Settings]) -> str:
    """Say a mistake in one line: the path of the key, what it is, what was expected."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    parts, annotation = place(error["loc"], settings)
    path = format_path(parts)
    if kind == "mistake":
        parts += context["inside"]
        return (format_path(parts) if parts else "the whole") + context["text"]
    if kind == "missing":
        return f"{path}: missing"
    if kind == "literal_error":
        return f"{path}: {format_value(value)} is not known{suggestion(value, get_args(plain(annotation)))}"
    if kind in BOUNDS:
        bound, words = BOUNDS[kind]
        limit = int(context[bound]) if float(context[bound]).is_integer() else context[bound]
        return f"{path}: {format_value(value)} is out of bounds; expected {words} {limit}"
    if kind in ("too_short", "string_too_short"):
        return f"{path}: {format_value(value)} is too short; expected at least {context['min_length']} of them"
    if kind in ("too_long", "string_too_long"):
        return f"{path}: {format_value(value)} is too long; expected at most {context['max_length']} of them"
    kinds = words_of(annotation)
    return f"{path}: expected {' or '.join(kinds)}, got {format_value(value)}{yaml_hint(value, kinds)}"


def place(location: Sequence[str | int], annotation: Any) -> tuple[list[str | int], Any]:
    """Return the path of a value as it is written, without the tags of unions, and the annotation that it breaks."""
    path: list[str | int] = []
    for part in location:
        inner = [plain(branch) for branch in branches(annotation)]
        if part in (tags := {tag(branch): branch for branch in branches(annotation)}):
            annotation = tags[part]
            continue
        path.append(part)
        for branch in inner:
            if isinstance(branch, type) and issubclass(branch, Settings) and part in branch.model_fields:
                annotation = annotation_of(branch.model_fields[str(part)])
            elif get_origin(branch) in (list, dict):
                annotation = get_args(branch)[-1]
    return path, annotation


def branches(annotation: Any) -> list[Any]:
    """Return what a union offers, and unions in it, but for the None of a key that may be absent; or itself alone."""
    inner = plain(annotation)
    if get_origin(inner) not in (Union, types.UnionType):
        return [annotation]
    offered = [branch for branch in get_args(inner) if branch is not type(None) or ABSENT not in metadata(annotation)]
    return [branch for offer in offered for branch in branches(offer)]


def annotation_of(field: FieldInfo) -> Any:
    """Return the annotation of a key, with what its class says of it."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def metadata(annotation: Any) -> tuple:
    """Return what `Annotated` adds to an annotation."""
    return getattr(annotation, "__metadata__", ())


def tag(annotation: Any) -> str | None:
    """Return the tag of a branch of a union, see `seunet.settings.base.BY_KIND`."""
    return next((entry.tag for entry in metadata(annotation) if isinstance(entry, Tag)), None)


def plain(annotation: Any) -> Any:
    """Return an annotation without what `Annotated` adds."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def words_of(annotation: Any) -> list[str]:
    """Return in words what an annotation takes; of one mapping among other kinds, with the keys that it must have."""
    kinds = [plain(branch) for branch in branches(annotation)]
    words = []
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Settings):
            needed = [key for key, field in kind.model_fields.items() if field.is_required()]
            words.append("a mapping" + (f" with {' and '.join(needed)}" if len(kinds) > 1 and needed else ""))
        elif get_origin(kind) is Literal:
            words += [str(value) for value in get_args(kind)]
        else:
            words.append(WORDS.get(get_origin(kind) or kind, "another value"))
    return words
