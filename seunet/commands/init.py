"""`seunet init`: a configuration for a folder of images and masks."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seunet.runtime.wording import counted

if TYPE_CHECKING:
    from seunet.commands.guessing.layout import FolderLayout
    from seunet.commands.guessing.pixel_content import PixelContent

LARGEST = 256  # sides of training images, at most: larger ones take hours on a CPU
MULTIPLE = 16


def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder with images and masks, however arranged.")],
) -> None:
    """Look at images and masks, and print a commented configuration that runs: what was guessed, and why.

    It looks at names, sizes, bits, channels and values, finds official splits (folders, lists), one mask file per class
    or object, names of classes in files beside, and says which files are in no pair. What it cannot read, such as
    polygons, it names. Look the guesses over, then run it.

    Examples:

    seunet init photos > mine.yaml

    snakemake --cores 2 --configfile mine.yaml
    """
    from seunet.commands.guessing.class_files import class_tables
    from seunet.commands.guessing.layout import find_layout
    from seunet.commands.guessing.pixel_content import inspect_pixels

    layout, found = find_layout(folder)
    content = inspect_pixels(layout.image_files, layout.mask_files, layout.kind, class_tables(found))
    typer.echo(text(folder, layout, content), nl=False)


def text(folder: Path, layout: "FolderLayout", content: "PixelContent") -> str:
    """Return the configuration, as YAML with comments."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-._")[:40] or "mine"
    size, fit, reason = size_and_fit(content)
    notes = layout.notes | content.notes
    classes, count = classes_and_notes(layout, content, notes), counted(len(layout.image_files), "image")
    lines = [
        f"# Guessed by `seunet init {folder}` from {count} with masks. Look it over, then:",
        "#   snakemake --cores 2 --configfile THIS-FILE",
        *(f"# Note: {remark}." for remark in layout.remarks),
        "datasets:",
        f"  {written(name)}:",
        "    source: folder",
        *entry("path", str(layout.path.resolve())),
        *entry("images", layout.patterns.images, notes.get("images")),
        *entry("masks", layout.patterns.masks, notes["masks"]),
    ]
    lines += entry("valid", layout.patterns.valid, notes["valid"]) if layout.patterns.valid else []
    lines += entry("unpaired", "leave", notes["unpaired"]) if layout.files.unpaired else []
    lines += entry("exclude", layout.exclude) if layout.exclude else []
    lines += classes
    lines += entry("split", layout.split or {"train": 0.7, "val": 0.1, "test": 0.2}, notes["split"])
    lines += entry("image_size", list(size), reason)
    lines += entry("fit", fit, "or squash (any aspect to image_size), pad (keep it), tiles (own pixels)")
    lines += entry("metric", metric(layout, content), "or mean_iou, over all classes")
    lines += [
        "    network: {width: 16, depth: 4}",
        "    training: {batch_size: 8, epochs: 50, schedule: cosine}",
        "    test_scales: [0.25, 0.5, 1, 2, 4]",
        "runs:",
        f"  - {{datasets: [{written(name)}], models: [unet, seunet-windows-jitter1.4], seeds: [0]}}",
    ]
    return "\n".join(lines) + "\n"


def classes_and_notes(layout: "FolderLayout", content: "PixelContent", notes: dict[str, str]) -> list[str]:
    """Return the lines about what the values of images and masks mean."""
    lines = []
    if not isinstance(layout.patterns.masks, dict):
        lines += entry("classes", content.classes, f"{notes['classes']}; rename them as you like")
    for key in ("ignore", "mask_channel", "value_range"):
        if value := getattr(content, key):
            lines += entry(key, value, notes.get(key))
    return lines


def entry(key: str, value: Any, note: str | None = None) -> list[str]:
    """Return the lines of a key of the data set: the reason, then the value."""
    return [f"    # {note}"] * bool(note) + [f"    {key}: {written(value)}"]


def written(value: Any) -> str:
    """Return a value as YAML in one line; texts that YAML would read as something else are quoted."""
    import json

    import yaml

    if isinstance(value, dict):
        return "{" + ", ".join(f"{written(key)}: {written(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    plain = isinstance(value, str) and re.fullmatch(r"[^\W\d][\w./-]*", value) and yaml.safe_load(value) == value
    return value if plain else json.dumps(value, ensure_ascii=False)


def metric(layout: "FolderLayout", content: "PixelContent") -> Any:
    """Return the metric: of the one class beside the background where there are two."""
    names = ["object" if key == "nonzero" else key for key in content.classes]
    if isinstance(layout.patterns.masks, dict):
        names = ["background", *layout.patterns.masks]
    return {"iou": next((name for name in names if name != "background"), names[1])} if len(names) == 2 else "mean_iou"


def size_and_fit(content: "PixelContent") -> tuple[tuple[int, int], str, str]:
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
