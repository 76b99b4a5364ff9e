"""`seunet info`: what a trained network is."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seunet.commands.network_opening import check_path, open_network
from seunet.commands.network_options import NetworkOptions, Weights, takes_network
from seunet.runtime.errors import UserError
from seunet.runtime.tables import read_rows
from seunet.runtime.wording import counted

if TYPE_CHECKING:
    from torch import nn

KINDS = {
    "onnx": "ONNX file",
    "exported": "program of torch.export",
    "torchscript": "TorchScript file",
    "bioimageio": "package of bioimage.io",
}


@takes_network
def info(weights: Weights, options: NetworkOptions) -> None:
    """Say what a trained network is: architecture, classes, trained on what, how and when, with which scores.

    Of a file of other people: which images it takes, and what it answers.

    Examples:

    seunet info results/models/pet/unet/seed0

    seunet info net.onnx
    """
    from seunet.models.checkpoint import read_description
    from seunet.models.external_loading import folder_of

    check_path(weights)
    folder = folder_of(weights)
    if folder is not None and options.architecture is None:
        texts = facts(folder, read_description(folder / "model.json"))
    else:
        texts = facts_of_file(weights, options)
    for name, text in texts.items():
        typer.echo(f"{name:<13} {text}")


def facts(folder: Path, description: dict[str, Any]) -> dict[str, str]:
    """Return {heading: text} of what is known of a network; what its files do not say is left out."""
    texts = {
        "network": description["architecture"] + built_with(description["options"]),
        "weights": weights_facts(folder / "model.safetensors"),
        "classes": classes_facts(description["num_classes"], description.get("classes") or []),
        "images": images(description),
        "trained on": trained_on(description.get("preparation")),
        "trained how": training(description),
        "when, where": when(folder / "model.safetensors", description),
        "validation": validation(folder / "history.csv", description.get("preparation")),
        "test": test(folder, description.get("preparation")),
    }
    return {name: text for name, text in texts.items() if text}


def facts_of_file(file: Path, options: NetworkOptions) -> dict[str, str]:
    """Return {heading: text} of what a file says of its network, and an exported network of ours of its training."""
    from seunet.models.external_loading import kind_of
    from seunet.runtime.files import sha256

    network = open_network(file, options, "cpu")
    description = network.description
    named = options.architecture or description.get("architecture", "")
    texts = {
        "network": ", ".join(
            part for part in (named + built_with(description["options"]), KINDS.get(kind_of(file))) if part
        ),
        "weights": f"{file.stat().st_size:,} bytes, sha256 {sha256(file)[:12]}…",
        "classes": classes_facts(len(network.classes), network.classes),
        "images": ", ".join(part for part in (images(description), shapes(network.model)) if part),
        "trained on": trained_on(description.get("preparation")),
        "trained how": training(description),
        "when, where": when(file, description),
    }
    return {name: text for name, text in texts.items() if text}


def shapes(network: "nn.Module") -> str:
    """Return which sides a network takes, and in which form."""
    from seunet.models.external_network import ExternalNetwork

    if not isinstance(network, ExternalNetwork):
        return ""
    multiple = network.size_multiple
    sides = f"sides that are multiples of {multiple}" if multiple > 1 else ""
    return ", ".join(part for part in (str(network.declared), sides) if part)


def classes_facts(count: int, names: list[str]) -> str:
    """Return the number of classes, and their names."""
    return f"{count}: {', '.join(f'{i} {name}' for i, name in enumerate(names))}".rstrip(": ")


def built_with(values: dict[str, Any]) -> str:
    """Return " (width 16, depth 4)"."""
    return f" ({', '.join(f'{name} {value}' for name, value in values.items())})" if values else ""


def weights_facts(file: Path) -> str:
    """Return how many numbers the weights have, and the beginning of their checksum."""
    from safetensors import SafetensorError, safe_open

    from seunet.runtime.files import sha256

    try:
        with safe_open(file, "numpy") as tensors:
            shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118  no mapping
    except FileNotFoundError as error:
        raise UserError(f"{file}: no such file; train the model first") from error
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: not a whole safetensors file ({error}); delete it and train again") from error
    return f"{sum(map(math.prod, shapes)):,} numbers in {len(shapes)} tensors, sha256 {sha256(file)[:12]}…"


def images(description: dict[str, Any]) -> str:
    """Return what images the network takes, and how large those of its training were."""
    preparation = description.get("preparation") or {}
    parts = [counted(description["in_channels"], "channel")]
    if size := preparation.get("image_size"):
        parts.append(f"trained at {size[0]} × {size[1]} pixels (fit: {preparation.get('fit', 'squash')})")
    if preparation.get("value_range"):
        parts.append(f"values {preparation['value_range'][0]} to {preparation['value_range'][1]}")
    return ", ".join(parts)


def trained_on(preparation: dict[str, Any] | None) -> str:
    """Return the data set and how many images it had."""
    if not preparation or "dataset" not in preparation:
        return ""
    counts = preparation.get("images") or {}
    return f"{preparation['dataset']}: " + ", ".join(f"{count} {split}" for split, count in counts.items())


def training(description: dict[str, Any]) -> str:
    """Return the settings of the training, without those that are off."""
    settings = dict(description.get("training") or {})
    settings |= settings.pop("augmentation", None) or {}
    if settings.get("scale_jitter") == 1:
        del settings["scale_jitter"]
    parts = [f"{name} {plain(value)}" for name, value in settings.items() if value not in (None, 0, False, [])]
    return ", ".join([f"seed {description.get('seed')}"] * ("seed" in description) + parts)


def plain(value: Any) -> str:
    """Return a value for a line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {part}" for key, part in value.items()) + "}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def when(file: Path, description: dict[str, Any]) -> str:
    """Return the time of the file, and what the network was trained with."""
    from datetime import datetime

    time = datetime.fromtimestamp(file.stat().st_mtime).astimezone().isoformat(" ", "minutes")
    versions = [f"{name} {description[name]}" for name in ("seunet", "torch") if name in description]
    return ", ".join([f"file of {time}", *versions, *[f"on {description.get('device')}"] * ("device" in description)])


def validation(history: Path, preparation: dict[str, Any] | None) -> str:
    """Return the last and the best validation of the training, from history.csv."""
    rows = read_rows(history)
    decided = [row for row in rows if row.get("val_metric")]  # an empty cell: no pixel of the metric's classes
    if not decided:
        return ""
    last, best = float(rows[-1]["val_metric"] or "nan"), max(decided, key=lambda row: float(row["val_metric"]))
    return (
        f"{metric(preparation)} {last:.3f} after epoch {rows[-1]['epoch']}"
        f" (best {float(best['val_metric']):.3f}, epoch {best['epoch']})"
    )


def test(folder: Path, preparation: dict[str, Any] | None) -> str:
    """Return the scores at all scales, from results/tables/scores.csv, where the folder lies in such results."""
    try:
        models, dataset, model, seed = folder.resolve().parts[-4:]
    except ValueError:
        return ""
    if models != "models":
        return ""
    rows = [
        row
        for row in read_rows(folder.resolve().parents[3] / "tables" / "scores.csv")
        if (row["dataset"], row["model"], f"seed{row['seed']}") == (dataset, model, seed)
    ]
    scores = ", ".join(f"×{float(row['scale']):.3g} {float(row['iou']):.3f}" for row in rows if row["iou"])
    return f"{metric(preparation)} at {scores}" if scores else ""


def metric(preparation: dict[str, Any] | None) -> str:
    """Return the name of the data set's metric."""
    from seunet.settings.metric import Metric

    return Metric.parse(preparation["metric"]).name if preparation and "metric" in preparation else "metric"
