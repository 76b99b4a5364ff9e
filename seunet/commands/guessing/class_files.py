"""Names of classes from the files that data sets and labelling tools put beside masks."""

import json
import re
from collections.abc import Iterable, Sequence

from seunet.commands.guessing.folder_scan import FolderScan
from seunet.runtime.tables import cells

NAMED = re.compile(r"class|label|colou?r|categor|legend|palette|dataset\.json|meta\.json|info", re.IGNORECASE)
BACKGROUND = re.compile(r"back|^bg$|void|unlabel|none|nothing|other|ignore|unknown", re.IGNORECASE)
LARGEST = 2_000_000  # bytes
Key = int | tuple[int, int, int]  # a value or a colour
Table = dict[Key, str]  # {value or colour: name}
BEFORE: Table = {0: "background"}  # of a table that numbers the other classes alone


def class_tables(found: FolderScan) -> list[tuple[str, Table]]:
    """Return (file, {value or colour: name}) of the files whose names say that they describe classes."""
    tables: list[tuple[str, Table]] = []
    for file in found.others:
        path = found.root / file
        if not NAMED.search(file.name) or file.suffix.lower() not in (".csv", ".txt", ".json"):
            continue
        try:
            if path.stat().st_size > LARGEST:
                continue
            text = path.read_text(encoding="utf-8-sig")
            table = from_json(text) if file.suffix.lower() == ".json" else from_lines(text)
        except (OSError, ValueError, TypeError, KeyError):  # no such table
            continue
        table = {key: tidy(name) for key, name in table.items()}
        if len(table) > 1 and len(set(table.values())) == len(table) and table not in [other for _, other in tables]:
            tables.append((str(file), table))
    return tables


def tidy(name: str) -> str:
    """Return a name of a class as a configuration may have it."""
    name = re.sub(r"[^\w .,;:()&/+'-]+", " ", name).strip().strip("_") or "class"
    return name[:60]


def from_json(text: str) -> Table:
    """Return the classes of dataset.json of nnU-Net, or of a mapping or list of names."""
    content = json.loads(text)
    labels = content.get("labels", content.get("classes", content)) if isinstance(content, dict) else content
    if isinstance(labels, dict):
        pairs = [(key, value) for key, value in labels.items()]
        if all(isinstance(value, int) for _, value in pairs):
            return {value: str(key) for key, value in pairs}
        if all(isinstance(value, str) and str(key).isdecimal() for key, value in pairs):
            return {int(key): value for key, value in pairs}
        if all(is_colour(value) for _, value in pairs):
            return {tuple(value): str(key) for key, value in pairs}
    if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
        return numbered(labels)
    if isinstance(labels, list):
        return {number(label): str(label.get("name") or label["label"]) for label in labels}
    return {}


def number(label: dict) -> Key:
    """Return the value or colour of an entry of a list of classes."""
    for key in ("id", "value", "index", "color", "colour"):
        if isinstance(label.get(key), int):
            return label[key]
        if is_colour(label.get(key)):
            return (*label[key],)  # type: ignore[return-value]
    raise KeyError("id")


def is_colour(value: object) -> bool:
    """Tell whether a value is [r, g, b]."""
    return isinstance(value, list) and len(value) == 3 and all(isinstance(part, int) for part in value)


def from_lines(text: str) -> Table:
    """Return the classes of lines: a name each, or columns of name, value or colour, in any order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) > 300:
        return {}
    rows = [parted(line) for line in lines]
    header = [word.lower() for word in rows[0]] if rows else []
    has_header = any("name" in word or "class" in word or "pixel" in word for word in header)
    if has_header and len(rows) > 2 and (table := from_rows(rows[1:])):
        return table
    names = [line.strip() for line in lines if line.strip() != "__ignore__"]
    one_each = all(len(name) < 40 and re.fullmatch(r"\D*[A-Za-z]\D*", name) for name in names)
    return from_rows(rows) or (numbered(names) if one_each else {})


def numbered(names: Sequence[str]) -> Table:
    """Return names without numbers, counted from 0, if the first is that of the background; else {}.

    Lists of other classes may begin with 0 or, of detectors, leave the background out.
    """
    return dict(enumerate(names)) if names and BACKGROUND.search(names[0]) else {}


def parted(line: str) -> list[str]:
    """Return the columns of a line; of CVAT's labelmap.txt (name:r,g,b:parts:actions) those that say something."""
    if match := re.fullmatch(r"([^:]+):(\d+),(\d+),(\d+)(:.*)?", line.strip()):
        return list(match.groups()[:4])
    if match := re.fullmatch(r"(\d+)[ ,]+(\d+)[ ,]+(\d+)[\s,]+(\D.*)", line.strip()):
        return list(match.groups())
    if match := re.fullmatch(r"(\d+)\s*[:=\s]\s*(\D.*)", line.strip()):
        return list(match.groups())
    separator = next((s for s in (",", ";", "\t") if s in line), None)
    parts = [part.strip() for part in (cells(line, separator) if separator else line.split())]
    inner = [re.fullmatch(r"[(\[]?(\d+)[ ,;]+(\d+)[ ,;]+(\d+)[)\]]?", part) for part in parts]  # "0 128 0" in a cell
    return [word for part, colour in zip(parts, inner, strict=True) for word in (colour.groups() if colour else [part])]


def from_rows(rows: Iterable[Sequence[str]]) -> Table:
    """Return the classes of rows with one name each and three numbers (a colour) or one (a value); {} otherwise."""
    table: Table = {}
    for row in rows:
        numbers = [int(part) for part in row if re.fullmatch(r"\d{1,5}", part)]
        words = [part for part in row if part and not re.fullmatch(r"[\d.#-]+", part)]
        if not words or len(numbers) not in (1, 3, 4):
            return {}
        key: Key = numbers[0] if len(numbers) == 1 else (numbers[-3], numbers[-2], numbers[-1])
        table[key] = words[0] if len(numbers) > 1 or len(words) == 1 else " ".join(words[:1])
    return table


def has_values(table: Table) -> bool:
    """Tell whether a table is of values, not of colours."""
    return all(isinstance(key, int) for key in table)


def as_greys(table: Table) -> Table:
    """Return a table of colours that are all grey as one of values, as masks in black and white hold them; else {}."""
    found: Table = {key[0]: name for key, name in table.items() if not isinstance(key, int) and len(set(key)) == 1}
    return found if len(found) == len(table) else {}


def best_names(tables: Sequence[tuple[str, Table]], keys: Iterable[Key]) -> tuple[str, Table] | None:
    """Return the first table that names all of some values or colours, with as few others as there may be; or None."""
    keys = set(keys)
    tables = [*tables, *((file, grey) for file, table in tables if (grey := as_greys(table)))]
    whole = [(file, table if 0 in table or not has_values(table) else BEFORE | table) for file, table in tables]
    fitting = [(file, table) for file, table in whole if keys <= table.keys()]
    return min(fitting, key=lambda entry: len(entry[1]), default=None)
