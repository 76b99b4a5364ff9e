"""A folder of images and masks as a data set: what was not said is as in the network's training, or as in the files."""

from pathlib import Path
from typing import Any

import typer


def data_settings(folder: Path, said: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the data set, as a configuration has them.

    What was not said is as in the network's training (`own`: its description), else as seen in the files.
    """
    from seunet.data.looking import guess_classes, one_size
    from seunet.data.partners import partners, patterns

    told = own.get("preparation") or {}
    as_trained = {key: told[key] for key in ("image_size", "fit", "value_range", "metric") if told.get(key)}
    data = {"source": "folder", "path": str(folder)} | as_trained | said
    wanted = patterns(data.get("images"), data.get("masks"), data.get("valid"))
    files, _ = partners(folder.expanduser(), wanted)
    if "image_size" not in data:
        data["image_size"] = list(one_size(files["images"].values()))
    if len(set(data["image_size"])) == 1:
        data["image_size"] = data["image_size"][0]
    if "classes" not in data:
        data["classes"] = guess_classes(files["masks"].values(), own.get("classes"))
        typer.echo(f"masks: {', '.join(f'{value} is {name}' for name, value in data['classes'].items())}", err=True)
    return {"ignore": [], "metric": "mean_iou"} | data


def description_of(folder: Path | None) -> dict[str, Any]:
    """Return what is known of a network that was trained here; nothing of others."""
    from seunet.models.checkpoint import read_description

    return read_description(folder / "model.json") if folder else {}
