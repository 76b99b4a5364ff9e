"""What the commands share: the folder of a trained network, opened."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seunet.runtime.errors import UserError

if TYPE_CHECKING:
    from seunet.experiment.application import TrainedNetwork
    from seunet.settings.dataset import Tile

Weights = Annotated[
    Path, typer.Argument(metavar="WEIGHTS", help="Folder of a trained network, such as results/models/pet/unet/seed0.")
]


def open_weights(folder: Path, tiling: "Tile | None" = None) -> "TrainedNetwork":
    """Return the trained network of a folder, on a GPU where there is one."""
    import torch

    from seunet.experiment.application import TrainedNetwork

    check_folder(folder)
    if str(Path.cwd()) not in sys.path:  # where a network of the user's own may lie, as for the workflow
        sys.path.append(str(Path.cwd()))
    return TrainedNetwork(folder, "cuda" if torch.cuda.is_available() else "cpu", tiling)


def check_folder(folder: Path) -> None:
    """Raise UserError unless the folder is that of one trained network; name one that may be meant."""
    if folder.is_file():
        raise UserError(f"{folder}: is a file; name the folder of a trained network (model.json and its weights)")
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name that of a trained network, such as results/models/…/seed0")
    if (folder / "model.json").exists():
        return
    deeper = sorted(file.parent for depth in ("*", "*/*", "*/*/*") for file in folder.glob(f"{depth}/model.json"))
    meant = f"did you mean {deeper[0]}?" if deeper else "train the model first"
    raise UserError(f"{folder}: no trained network in it (no model.json: no such file); {meant}")
