"""`seunet init`: a configuration for a folder of images and masks."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from seunet.commands.content import Content
    from seunet.commands.layout import Layout

LARGEST = 256  # sides of training images, at most: larger ones take hours on a CPU
MULTIPLE = 16


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with images and masks, however arranged.")],
) -> None:
    """Look at images and masks, and print a commented configuration that runs: what was guessed, and why.

    It looks at names, sizes, bits, channels and values, tells masks of classes from masks of instances, and finds the
    folders of an official split. Look the guesses over, then run it.

    Examples:

    seunet init photos > mine.yaml

    snakemake --cores 2 --configfile mine.yaml
    """
    from seunet.commands.content import look
    from seunet.commands.layout import find_layout

    layout = find_layout(folder)
    typer.echo(text(folder, layout, look(layout.pairs)), nl=False)


def text(folder: Path, layout: "Layout", content: "Content") -> str:
    """Return the configuration, as YAML with comments."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._")[:40] or "mine"
    size, fit, reason = size_and_fit(content)
    notes = layout.notes | content.notes
    lines = [
        f"# Guessed by `seunet init {folder}` from {len(layout.pairs)} images with masks. Look it over, then:",
        "#   snakemake --cores 2 --configfile THIS-FILE",
        "datasets:",
        f"  {name}:",
        "    source: folder",
        *entry("path", str(layout.path.resolve())),
        *entry("images", layout.images, notes.get("images")),
        *entry("masks", layout.masks, notes["masks"]),
    ]
    if layout.valid:
        lines += entry("valid", layout.valid, notes["valid"])
    lines += entry("classes", content.classes, f"{notes['classes']}; rename them as you like")
    if content.ignore:
        lines += entry("ignore", content.ignore, notes["ignore"])
    if content.value_range:
        lines += entry("value_range", content.value_range, notes["value_range"])
    lines += entry("split", layout.split or {"train": 0.7, "val": 0.1, "test": 0.2}, notes["split"])
    lines += entry("image_size", list(size), reason)
    lines += entry("fit", fit, "or squash (any aspect to image_size), pad (keep it), tiles (own pixels)")
    lines += entry("metric", metric(content), "or mean_iou, over all classes")
    lines += [
        "    network: {width: 16, depth: 4}",
        "    training: {batch_size: 8, epochs: 50, schedule: cosine}",
        "    test_scales: [0.25, 0.5, 1, 2, 4]",
        "runs:",
        f"  - {{datasets: [{name}], models: [unet, seunet-windows-jitter1.4], seeds: [0]}}",
    ]
    return "\n".join(lines) + "\n"


def entry(key: str, value: Any, note: str | None = None) -> list[str]:
    """Return the lines of a key of the data set: the reason, then the value."""
    return [f"    # {note}"] * bool(note) + [f"    {key}: {written(value)}"]


def written(value: Any) -> str:
    """Return a value as YAML in one line."""
    import json

    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    plain = (
        isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w./-]*", value) and value not in ("true", "false", "null")
    )
    return value if plain else json.dumps(value, ensure_ascii=False)


def metric(content: "Content") -> Any:
    """Return the metric: of the one class beside the background where there are two."""
    names = ["object" if key == "nonzero" else key for key in content.classes]
    return {"iou": names[1]} if len(names) == 2 else "mean_iou"


def size_and_fit(content: "Content") -> tuple[tuple[int, int], str, str]:
    """Return image_size and fit for images of these sizes, and why."""
    import numpy as np

    sizes = np.array(content.sizes)
    height, width = np.median(sizes, axis=0)
    found = f"{len(np.unique(sizes, axis=0))} sizes, {height:.0f} × {width:.0f} in the middle"
    if len(np.unique(sizes, axis=0)) == 1:
        found = f"all images have {height:.0f} × {width:.0f} pixels"
    aspects = sizes[:, 0] / sizes[:, 1]
    if max(height, width) > 4 * LARGEST and content.instances:
        why = f"{found}; small objects in large images: cut into tiles of their own pixels"
        return (LARGEST, LARGEST), "tiles", why
    factor = min(1, LARGEST / max(height, width))
    size = tuple(max(MULTIPLE, round(side * factor / MULTIPLE) * MULTIPLE) for side in (height, width))
    why = f"{found}; multiples of {MULTIPLE}" + (
        f", reduced to at most {LARGEST}: more costs time" if factor < 1 else ""
    )
    return size, "pad" if aspects.max() > 1.3 * aspects.min() else "squash", why
