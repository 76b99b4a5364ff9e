"""The reference page and the JSON schema, both written from the classes of `seunet.settings`.

`python -m seunet.config` writes them anew: the tables in config/README.md, between two marks for each class, and
workflow/schemas/config.schema.json, which editors read.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_origin

from seunet.config.reading import annotation_of, branches, plain, words_of
from seunet.runtime.errors import UserError
from seunet.settings.base import Settings
from seunet.settings.configuration import Claim, Configuration, Model, Run
from seunet.settings.dataset import Dataset
from seunet.settings.metric import Metric
from seunet.settings.training import DatasetTraining

ROOT = Path(__file__).parents[2]
README, SCHEMA = Path("config/README.md"), Path("workflow/schemas/config.schema.json")
TABLES: dict[str, type[Settings]] = {
    "datasets": Dataset,
    "training": DatasetTraining,
    "models": Model,
    "runs": Run,
    "claims": Claim,
}
SYMBOLS = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}


def write(root: Path = ROOT) -> None:
    """Write the reference and the schema into the folder of the project."""
    (root / SCHEMA).write_text(schema(), encoding="utf-8")
    (root / README).write_text(readme((root / README).read_text(encoding="utf-8")), encoding="utf-8")


def schema() -> str:
    """Return the JSON schema of a configuration."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | without_titles(Configuration.model_json_schema()), indent=2, ensure_ascii=False) + "\n"


def without_titles(entry: Any) -> Any:
    """Return a JSON schema without the titles that repeat the names of the keys."""
    if isinstance(entry, list):
        return [without_titles(inner) for inner in entry]
    if not isinstance(entry, dict):
        return entry
    return {k: without_titles(v) for k, v in entry.items() if k != "title" or isinstance(v, dict)}


def readme(text: str) -> str:
    """Return the text of config/README.md with its tables written anew."""
    for name, settings in TABLES.items():
        begin, end = f"<!-- {name}: written by make reference -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise UserError(f"{README}: the marks {begin} and {end} are missing; put them where the table belongs")
        lines = ["| key | value | default | meaning |", "|---|---|---|---|", *rows(settings)]
        before, after = pattern.split(text, maxsplit=1)
        text = before + "\n".join([begin, *lines, end]) + after
    return text


def rows(settings: type[Settings], prefix: str = "") -> Iterator[str]:
    """Yield a line of the table for every key of a class that has a text, then those of the mappings inside it."""
    schemas = settings.model_json_schema()["properties"]
    for key, field in settings.model_fields.items():
        if not field.description:
            continue
        meaning = " ".join(field.description.split())
        yield f"| `{prefix}{key}` | {value(annotation_of(field), schemas[key])} | {default(field)} | {meaning} |"
        for branch in map(plain, branches(annotation_of(field))):
            if isinstance(branch, type) and issubclass(branch, Settings) and branch not in TABLES.values():
                yield from rows(branch, f"{prefix}{key}.")


def value(annotation: Any, entry: dict[str, Any]) -> str:
    """Return in words what a key takes, with bounds and the keys of a mapping."""
    return " or ".join(kind(*pair) for pair in zip(branches(annotation), alternatives(entry), strict=False))


def alternatives(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a JSON schema offers, and unions in it, in the order of `branches`."""
    offered = entry.get("anyOf") or entry.get("oneOf")
    return [inner for offer in offered for inner in alternatives(offer)] if offered else [entry]


def kind(annotation: Any, entry: dict[str, Any]) -> str:
    """Return in words what one branch of a key takes."""
    inner = plain(annotation)
    if isinstance(inner, type) and issubclass(inner, Settings):
        return "mapping" if inner in TABLES.values() else f"mapping `{{{', '.join(inner.model_fields)}}}`"
    if inner is Metric:
        return "`mean_iou`, `mean_dice` or mapping `{iou}` or `{dice}`"
    words = ", ".join(f"`{word}`" if get_origin(inner) is Literal else word for word in words_of(annotation))
    limits = entry | entry.get("items", {})
    found = [f"{symbol} {limits[key]:g}" for key, symbol in SYMBOLS.items() if key in limits]
    return " ".join([words.removeprefix("a "), *([", ".join(found)] if found else [])])


def default(field: Any) -> str:
    """Return the default of a key as YAML, or that it is required; nothing where it says nothing."""
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, Settings):
        value = value.model_dump(mode="json", exclude_defaults=True)
    elif hasattr(value, "written"):
        value = value.written()
    if value is None:
        return "`null`" if "null" in words_of(annotation_of(field)) else ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"
