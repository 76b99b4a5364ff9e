"""Options whose text holds several values: numbers with commas, pairs, JSON."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from seunet.runtime.errors import UserError

# Settings that are options; test_scales is --scales
KEYS = ("images", "masks", "valid", "classes", "ignore", "metric", "fit", "tile", "image_size", "value_range")


def parsed_classes(text: str) -> dict[str, Any]:
    """Return {name: value} of background=0,leaf=255 or background=0,nonzero=cell, or of JSON.

    A class alone, of another value than 0, stands on a background of 0.
    """
    if text.lstrip().startswith("{"):
        return from_json("--classes", text)
    pairs = [[part.strip() for part in pair.split("=")] for pair in text.split(",")]
    if not all(len(pair) == 2 and all(pair) for pair in pairs):
        raise UserError(f"--classes: {text!r} is not of the form background=0,leaf=255, nor JSON")
    if len({name for name, _ in pairs}) < len(pairs):
        raise UserError(f"--classes: {text!r} names a class twice; change one, or give its values as JSON")
    classes = {name: int(value) if value.lstrip("-").isdecimal() else value for name, value in pairs}
    is_alone = len(classes) == 1 and "background" not in classes and 0 not in classes.values()
    return {"background": 0, **classes} if is_alone else classes


def mask_patterns(text: str | None) -> Any:
    """Return the pattern of masks, or of JSON one for each class: {"leaf": "{name}_leaf.*", "stem": …}."""
    if not text or not re.match(r'\s*{\s*"', text):
        return text
    found = from_json("--masks", text)
    if not all(isinstance(pattern, str) for pattern in found.values()):
        raise UserError(f"--masks: {text!r} must have a pattern in quotes for each class")
    return found


@contextmanager
def by_options(dataset: str = "") -> Iterator[None]:
    """Name options in mistakes of settings, not keys: "test_scales[1]: 0 is …" becomes "--scales: 0 is …".

    dataset: a name that the keys may stand after.
    """
    try:
        yield
    except UserError as error:
        text = str(error).removeprefix(f"datasets.{dataset}.").replace("test_scales", "scales", 1)
        found = re.match(r"(classes|metric|tile)\.([^:]*): |(\w+)(?:\[\d+\])*: ", text)
        key = found and (found[1] or found[3])
        if not found or key not in (*KEYS, "scales"):
            raise
        of_class = f"{found[2]} " if found[1] == "classes" else ""
        raise UserError(f"--{key.replace('_', '-')}: {of_class}{text[found.end() :]}") from error


def options_of(options: list[str] | None) -> dict[str, Any]:
    """Return {name: value} of NAME=VALUE texts; a value that is no JSON is a text."""
    found = {}
    for entry in options or ():
        name, equals, value = entry.partition("=")
        if not equals:
            raise UserError(f"--option: {entry!r} is not of the form name=value")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def normalisation(text: str | None) -> dict[str, Any]:
    """Return {mean, std} of MEAN/STD."""
    if text is None:
        return {}
    mean, slash, std = text.partition("/")
    if not slash:
        raise UserError(f"--normalise: {text!r} is not of the form mean/std, such as 0.5/0.5")
    return {"mean": numbers("--normalise", mean), "std": numbers("--normalise", std)}


def numbers(option: str, text: str, kind: type = float) -> list:
    """Return the numbers of a text such as 1,2."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        expected = "whole numbers" if kind is int else "numbers"
        raise UserError(f"{option}: {text!r} are no {expected} with commas between them") from error


def from_json(option: str, text: str) -> Any:
    """Return the value that a text in JSON stands for."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"{option}: {text!r} is no JSON ({error})") from error
