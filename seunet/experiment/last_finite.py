"""What is kept of a training whose loss became NaN or infinite: the network after the last epoch that ended well."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from seunet.models.checkpoint import load_state, save_model
from seunet.runtime.errors import UserError
from seunet.runtime.files import atomic

FOLDER = "last-finite"  # beside the weights; any command takes it for a trained network


class NotFiniteError(UserError):
    """A loss that is NaN or infinite."""


def check_loss(loss: float, name: str, place: str) -> None:
    """Raise NotFiniteError when a loss is NaN or infinite: nothing good can follow."""
    if not math.isfinite(loss):
        raise NotFiniteError(
            f"the {name} is {loss} in {place}: training stopped; lower training.learning_rate (or look at the images)"
        )


@contextmanager
def last_finite_kept(folder: Path, model: nn.Module, settings: dict[str, Any], shown: dict[str, Any]) -> Iterator[None]:
    """Where the training in this context ends in NotFiniteError, write its last finite network, and add to the error.

    The network is that of the resume state last.pt in `folder`, of these `settings`; it is loaded into `model`, and
    written to `folder`/last-finite with its history. `shown` goes to model.json, with `finished_epochs`. Before the end
    of a first epoch there is none.
    """
    try:
        yield
    except NotFiniteError as error:
        if (state := load_state(folder / "last.pt", settings)) is None:
            raise
        model.load_state_dict(state["model"])
        save_model(folder / FOLDER, model, shown | {"finished_epochs": state["epoch"]})
        write_history(folder / FOLDER / "history.csv", state["history"])
        raise UserError(f"{error}; the network after epoch {state['epoch']} is in {folder / FOLDER}") from error


def discard(folder: Path) -> None:
    """Remove what `last_finite_kept` wrote for an earlier training in a folder."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Write history.csv, one row per epoch; it is whole at every moment."""
    with atomic(path) as temporary:
        pd.DataFrame(history).to_csv(temporary, index=False)
