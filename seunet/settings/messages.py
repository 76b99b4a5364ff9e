"""How values and mistakes of a configuration are told to a person, in one line."""

import difflib
import json
from collections.abc import Collection, Iterable
from typing import Any


def format_value(value: Any) -> str:
    """Return a value as one would write it in a configuration, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def format_path(path: Iterable[Any]) -> str:
    """Return a path in the configuration as `datasets.pet.test_scales[3]`."""
    text = ""
    for i, part in enumerate(path):
        text += f"[{part}]" if i and isinstance(part, int) else f".{part}" if i else str(part)
    return text or "the whole"


def suggestion(word: Any, allowed: Iterable[Any]) -> str:
    """Return the allowed words, with the nearest to a misspelt one first."""
    words = [str(entry) for entry in allowed]
    near = difflib.get_close_matches(str(word), words, n=1)
    listed = ", ".join(words) or "none"
    return f"; did you mean {near[0]}? Allowed: {listed}" if near else f"; allowed: {listed}"


def yaml_hint(value: Any, expected: Collection[str]) -> str:
    """Return what to write where YAML read something else than was meant, such as `no` or `1e-3`.

    `expected` holds the words for what is taken, such as "a text".
    """
    if "a text" in expected and not isinstance(value, dict | list | str | None):
        return "; put it in quotes (YAML reads a plain no, on, 1.5 or 2024-01-01 as something else than a text)"
    if {"a number", "a whole number"} & set(expected) and isinstance(value, str) and reads_as_number(value):
        return "; write it without quotes, and with a point before an exponent (1.0e-3: YAML reads 1e-3 as a text)"
    return ""


def reads_as_number(text: str) -> bool:
    """Tell whether a text was meant as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def one_line(text: str) -> str:
    """Escape what would break a line or could not be printed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
