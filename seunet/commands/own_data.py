"""A folder of images and masks as a data set. Settings that the user left out are those of the network's training, or
are guessed from the files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seunet.runtime.errors import UserError

if TYPE_CHECKING:
    from seunet.models.external_loading import ExternalSpec
    from seunet.settings.dataset import Preparation


def data_settings(folder: Path, chosen: dict[str, Any], description: dict[str, Any]) -> "Preparation":
    """Return how the data set is prepared.

    chosen: by the user, where it is not None. The others are taken from `description`, the network's model.json, or
    guessed from the files.
    """
    from seunet.config.reading import validated
    from seunet.data.file_matching import match_files
    from seunet.data.inspection import common_size
    from seunet.data.patterns import patterns
    from seunet.settings.dataset import MeasuredImages

    preparation = description.get("preparation") or {}
    keys = [key for key in ("image_size", "fit", "value_range", "metric") if preparation.get(key)]
    as_trained = {key: preparation[key] for key in keys}
    data = {"source": "folder", "path": str(folder)} | as_trained
    data |= {key: value for key, value in chosen.items() if value is not None}
    wanted = patterns(data.get("images"), data.get("masks"), data.get("valid"))
    files = match_files(folder.expanduser(), wanted)
    if "image_size" not in data:
        data["image_size"] = list(common_size(files.images.values()))
    if len(data["image_size"]) == 1:
        data["image_size"] = data["image_size"][0]
    for key in ("classes", "masks"):
        if isinstance(data.get(key), dict):
            data[key] = in_order_of(description.get("classes"), data[key])
    if "classes" not in data and not isinstance(data.get("masks"), dict):
        masks = [path for layers in files.masks.values() for _, path in layers]
        data |= mask_values(masks, data.get("ignore", []), description)
    return validated(MeasuredImages, data)


def in_order_of(names: list[str] | None, entries: dict[str, Any]) -> dict[str, Any]:
    """Return entries of classes in the network's order, where they are of its own classes; else as they are."""
    from seunet.data.masks import class_names

    order = {name: place for place, name in enumerate(names or ())}
    named = list(zip(class_names(entries), entries.items(), strict=True))
    if not order.keys() >= {name for name, _ in named}:
        return entries
    return dict(entry for _, entry in sorted(named, key=lambda pair: order[pair[0]]))


def mask_values(masks: list[Path], ignore: list[int], description: dict[str, Any]) -> dict[str, Any]:
    """Return the `classes`, `ignore` and, where it is needed, `mask_channel` that masks are read with, and say them.

    They are those of the network's training where these know every value, else guessed. One class and what did not
    count in the training may also be two classes: raises UserError.
    """
    from seunet.data.inspection import classes_in, guess_classes
    from seunet.data.source import IGNORED

    trained = (description.get("preparation") or {}).get("mask_values")
    found = classes_in(masks, **trained) if trained and not ignore else None
    if trained and found is None and "mask_channel" in trained:  # these masks may be of one channel
        trained = {key: value for key, value in trained.items() if key != "mask_channel"}
        found = classes_in(masks, **trained)
    if trained and found is not None:
        if IGNORED in found and len(found) <= 2:
            raise UserError(
                f"the masks hold one class and {', '.join(map(str, trained['ignore']))}, which did not count in the "
                "network's training; say which value is which (--classes), and what does not count (--ignore)"
            )
        typer.echo("masks: values as in the network's training", err=True)
        return trained
    classes, ignored = guess_classes(masks, description.get("classes"), ignore, description.get("num_classes"))
    void = f"; {', '.join(map(str, ignored))} {'do' if len(ignored) > 1 else 'does'} not count" if ignored else ""
    typer.echo(f"masks: {', '.join(f'{value} is {name}' for name, value in classes.items())}{void}", err=True)
    return {"classes": classes, "ignore": ignored}


def description_of(weights: Path, given: "ExternalSpec") -> dict[str, Any]:
    """Return what a network says of itself: model.json, or of a file its classes and what was exported with it.

    Nothing of a file that does not say it; what is wrong with one is said when it is asked about the images.
    """
    from seunet.models.checkpoint import read_description
    from seunet.models.external_loading import folder_of, load_external

    folder = folder_of(weights)
    if folder and given.architecture is None:
        return read_description(folder / "model.json")
    try:
        return load_external(weights, given)[1]
    except UserError:
        return {}
