"""Validation against a JSON schema, with defaults filled in and every error said in one line for a person."""

import difflib
import json
import math
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import jsonschema

from seunet.runtime.errors import UserError

TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}

KIND = ("type", "const", "enum")  # rules that say of which kind a value is

BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}


def validate(instance: Any, schema: dict[str, Any]) -> None:
    """Check `instance` against `schema`, and set the defaults of missing keys in place.

    Raises UserError in one line: the path of the first bad key, what it is and what was expected.
    """
    errors = sorted(validator(schema).iter_errors(instance), key=order)
    if errors:
        raise UserError(explain(errors[0]))


def order(error: jsonschema.ValidationError) -> tuple:
    """Sort by place; what is missing comes last, because a misspelt key elsewhere is often its cause."""
    return error.validator in ("required", "contains"), list(map(str, error.absolute_path))


def validator(schema: dict[str, Any]) -> jsonschema.protocols.Validator:
    """Return a validator that sets defaults, and that takes neither 3.0 for whole nor .nan or .inf for numbers."""
    base = jsonschema.Draft202012Validator

    def set_defaults(instance_validator, properties, instance, subschema):
        if isinstance(instance, dict):
            for key, value in properties.items():
                if "default" in value:
                    instance.setdefault(key, deepcopy(value["default"]))
        yield from base.VALIDATORS["properties"](instance_validator, properties, instance, subschema)

    types = base.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    types = types.redefine("number", lambda _, value: is_number(value))
    return jsonschema.validators.extend(base, {"properties": set_defaults}, type_checker=types)(schema)


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number that a float can hold."""
    try:
        return type(value) in (int, float) and math.isfinite(value)
    except OverflowError:
        return False


def explain(error: jsonschema.ValidationError) -> str:
    """Say a schema error in one line: the path of the key, what it is, what was expected."""
    path, schema, value, rule = join(error.absolute_path), error.schema, error.instance, error.validator
    if "propertyNames" in error.absolute_schema_path:
        return explain_name(path, schema, value)
    if rule == "additionalProperties":
        allowed = schema.get("properties", {})
        unknown = next(key for key in value if key not in allowed)
        return f"{join([*error.absolute_path, unknown])}: unknown key{suggestion(unknown, allowed)}"
    if rule == "required":
        missing = next(key for key in error.validator_value if key not in value)
        return f"{join([*error.absolute_path, missing])}: missing"
    if rule == "enum":
        return f"{path}: {show(value)} is not known{suggestion(value, schema['enum'])}"
    if rule == "type":
        return f"{path}: expected {kinds(schema)}, got {show(value)}{yaml_hint(value, schema)}"
    if rule == "oneOf":
        return explain_alternatives(error)
    if rule == "contains":
        return f"{path}: 1 is missing, and consistency compares with scale 1; add it"
    if rule == "pattern":
        hint = f" ({schema['description']})" if "description" in schema else ""
        return f"{path}: {show(value)} is not allowed here{hint}"
    if rule in BOUNDS:
        return f"{path}: {show(value)} is out of bounds; expected {BOUNDS[rule]} {error.validator_value}"
    if rule == "uniqueItems":
        twice = next(entry for i, entry in enumerate(value) if entry in value[:i])
        return f"{path}: {show(twice)} stands there twice; name each once"
    if rule in ("minItems", "minLength", "minProperties"):
        return f"{path}: {show(value)} is too short; expected at least {error.validator_value} of them"
    return f"{path}: {show(value)} is not allowed; expected {rule} {show(error.validator_value)}"


def explain_name(path: str, schema: dict[str, Any], name: Any) -> str:
    """Say what is wrong with the name of an entry."""
    if not isinstance(name, str):
        return f"{path}: the name {show(name)} is not a text{yaml_hint(name, {'type': 'string'})}"
    if "enum" in schema:
        return f"{join([path, name])}: unknown key{suggestion(name, schema['enum'])}"
    return f"{path}: the name {show(name)} is not allowed ({schema.get('description', 'see config/README.md')})"


def explain_alternatives(error: jsonschema.ValidationError) -> str:
    """Say what is wrong with a value that may be one of several kinds: with what is inside it, if its kind is right."""
    branches = error.validator_value
    other_kind = {e.schema_path[0] for e in error.context if len(e.schema_path) == 2 and e.validator in KIND}
    inside = sorted((e for e in error.context if e.schema_path[0] not in other_kind), key=order)
    if inside:
        return explain(inside[0])
    expected = " or ".join(kinds(branch) + ingredients(branch) for branch in branches)
    return f"{join(error.absolute_path)}: expected {expected}, got {show(error.instance)}"


def kinds(schema: dict[str, Any]) -> str:
    """Return in words what a schema takes."""
    if "const" in schema:
        return str(schema["const"])
    wanted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(TYPES[kind] for kind in wanted)


def ingredients(schema: dict[str, Any]) -> str:
    """Return the keys that a mapping must have, as `kinds` goes on."""
    return f" with {' and '.join(schema['required'])}" if "required" in schema else ""


def yaml_hint(value: Any, schema: dict[str, Any]) -> str:
    """Return what to write where YAML read something else than was meant, such as `no` or `1e-3`."""
    if "string" in schema["type"] and not isinstance(value, dict | list | str | None):
        return "; put it in quotes (YAML reads a plain no, on, 1.5 or 2024-01-01 as something else than a text)"
    if {"number", "integer"} & set(as_list(schema["type"])) and isinstance(value, str) and reads_as_number(value):
        return "; write it without quotes, and with a point before an exponent (1.0e-3: YAML reads 1e-3 as a text)"
    return ""


def as_list(value: str | list[str]) -> list[str]:
    """Return one or several words as a list."""
    return value if isinstance(value, list) else [value]


def reads_as_number(text: str) -> bool:
    """Tell whether a text was meant as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def show(value: Any) -> str:
    """Return a value as one would write it in a configuration, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def join(path: Iterable[str | int]) -> str:
    """Return a path in the configuration as `datasets.pet.test_scales[3]`."""
    text = ""
    for i, part in enumerate(path):
        text += f"[{part}]" if i and isinstance(part, int) else f".{part}" if i else str(part)
    return text or "the whole"


def suggestion(word: Any, allowed: Iterable[str]) -> str:
    """Return the allowed words, with the nearest to a misspelt one first."""
    words = [str(entry) for entry in allowed]
    near = difflib.get_close_matches(str(word), words, n=1)
    listed = ", ".join(words) or "none"
    return f"; did you mean {near[0]}? Allowed: {listed}" if near else f"; allowed: {listed}"


def one_line(text: str) -> str:
    """Escape what would break a line or could not be printed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
