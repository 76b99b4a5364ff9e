"""A folder of images and masks as a data set. Settings that the user left out are those of the network's training, or
are guessed from the files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from seunet.settings.dataset import Preparation


def data_settings(folder: Path, chosen: dict[str, Any], description: dict[str, Any]) -> "Preparation":
    """Return how the data set is prepared.

    chosen: by the user. The others are taken from `description`, the network's model.json, or guessed from the files.
    """
    from seunet.config.reading import validated
    from seunet.data.looking import guess_classes, one_size
    from seunet.data.partners import partners, patterns
    from seunet.settings.dataset import Preparation

    preparation = description.get("preparation") or {}
    keys = [key for key in ("image_size", "fit", "value_range", "metric") if preparation.get(key)]
    as_trained = {key: preparation[key] for key in keys}
    data = {"source": "folder", "path": str(folder)} | as_trained | chosen
    wanted = patterns(data.get("images"), data.get("masks"), data.get("valid"))
    files, _ = partners(folder.expanduser(), wanted)
    if "image_size" not in data:
        data["image_size"] = list(one_size(files["images"].values()))
    if len(set(data["image_size"])) == 1:
        data["image_size"] = data["image_size"][0]
    if "classes" not in data:
        data["classes"] = guess_classes(files["masks"].values(), description.get("classes"))
        typer.echo(f"masks: {', '.join(f'{value} is {name}' for name, value in data['classes'].items())}", err=True)
    # the bounds of image_size are those of trainings; images that are measured have the size that they have
    size = data.pop("image_size")
    return validated(Preparation, data | {"image_size": 64}).model_copy(update={"image_size": size})


def description_of(folder: Path | None) -> dict[str, Any]:
    """Return the content of model.json of a network that was trained here; of other networks an empty mapping."""
    from seunet.models.checkpoint import read_description

    return read_description(folder / "model.json") if folder else {}
