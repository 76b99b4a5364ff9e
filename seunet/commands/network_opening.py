"""Open the network that a command asks: the folder of one that was trained here, or a file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from seunet.commands.network_options import NetworkOptions, Precision, PredictingOptions
from seunet.runtime.errors import UserError
from seunet.runtime.memory import keep_freed_memory

if TYPE_CHECKING:
    import torch

    from seunet.experiment.application import TrainedNetwork


def open_network(
    weights: Path, options: NetworkOptions, device: "torch.device | str | None" = None
) -> "TrainedNetwork":
    """Return the network of a folder or file, on a GPU where there is one unless a device is named."""
    import torch

    from seunet.experiment.application import TrainedNetwork
    from seunet.settings.dataset import Tile

    keep_freed_memory()
    if options.architecture is None:
        check_path(weights)
    if str(Path.cwd()) not in sys.path:  # where a network of the user's own may lie, as for the workflow
        sys.path.append(str(Path.cwd()))
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    tiling, black_and_white, precision = None, None, Precision.float32
    if isinstance(options, PredictingOptions):
        tiling, black_and_white, precision = options.tiling(), options.black_and_white(), options.precision
    tile, names = Tile(**tiling) if tiling else None, options.class_names()
    return TrainedNetwork(weights, device, tile, options.given(), names, black_and_white, precision.value)


def check_path(weights: Path) -> None:
    """Raise UserError unless the path is a file, or the folder of one trained network; name one that may be meant."""
    if weights.is_file() and weights.name == "model.json":
        raise UserError(f"{weights}: is a file; name the folder of a trained network (model.json and its weights)")
    if weights.is_file():
        return
    if not weights.is_dir():
        raise UserError(
            f"{weights}: no such folder or file; name a trained network, such as results/models/…/seed0, or its file"
        )
    if (weights / "model.json").exists():
        return
    deeper = sorted(file.parent for depth in ("*", "*/*", "*/*/*") for file in weights.glob(f"{depth}/model.json"))
    meant = f"did you mean {deeper[0]}?" if deeper else "train the model first"
    raise UserError(f"{weights}: no trained network in it (no model.json: no such file); {meant}")
