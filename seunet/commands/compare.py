"""`seunet compare`: what differs between two runs, or between two trained networks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from seunet.runtime.errors import UserError


def compare(
    first: Annotated[
        Path, typer.Argument(metavar="A", help="Folder of results, its run.json, or the folder of a trained network.")
    ],
    second: Annotated[Path, typer.Argument(metavar="B", help="The same of another run or network.")],
) -> None:
    """Say what differs between two runs, or two trained networks; status 0 if their results agree, else 3.

    Of runs: commit, configuration, versions, hardware, inputs, and the tables, but for measured times. Of networks:
    what model.json says of them, the last epoch of their training, and their weights.

    Examples:

    seunet compare results /elsewhere/results

    seunet compare results/models/pet/unet/seed0 results/models/pet/unet/seed1
    """
    networks = [is_network(path) for path in (first, second)]
    if any(networks) != all(networks):
        path, other = (first, second) if networks[0] else (second, first)
        raise UserError(
            f"{path} is a trained network and {other} is none; name two networks, or two folders of results"
        )
    if all(networks):
        say(*compare_networks(first, second), "weights")
        return
    from seunet.runtime.comparison import compare_runs

    say(*compare_runs(first, second), "tables")


def say(lines: list[str], agree: bool, what: str) -> None:
    """Print what differs, and whether that matters: status 3 if so."""
    for line in lines:
        typer.echo(line)
    typer.echo(f"The {what} agree." if agree else f"The {what} differ.")
    if not agree:
        raise typer.Exit(3)


def is_network(path: Path) -> bool:
    """Tell whether a path is the folder of a trained network."""
    return (path / "model.json").is_file()


def compare_networks(first: Path, second: Path) -> tuple[list[str], bool]:
    """Return what differs between two trained networks, a line each, and whether their weights are the same bytes."""
    from seunet.models.checkpoint import read_description
    from seunet.runtime.comparison import differences
    from seunet.runtime.tables import read_rows

    one, two = (read_description(folder / "model.json") for folder in (first, second))
    lines = [line for key in dict.fromkeys([*one, *two]) for line in differences(key, one.get(key), two.get(key))]
    last = [(read_rows(folder / "history.csv") or [{}])[-1] for folder in (first, second)]
    for key in ("epoch", "loss", "val_loss", "val_metric"):
        lines += differences(f"last epoch.{key}", *(row.get(key) for row in last))
    weights = weight_differences(first, second)
    return lines + weights, not weights


def weight_differences(first: Path, second: Path) -> list[str]:
    """Return a line on how two files of weights differ; none where they are the same."""
    import numpy as np

    from seunet.models.state_dicts import read_weights

    files = [folder / "model.safetensors" for folder in (first, second)]
    one, two = ({name: value.numpy() for name, value in read_weights(file)[""].items()} for file in files)
    shapes: list[dict[str, Any]] = [{name: value.shape for name, value in weights.items()} for weights in (one, two)]
    if shapes[0] != shapes[1]:
        names = [name for name in dict.fromkeys([*one, *two]) if shapes[0].get(name) != shapes[1].get(name)]
        return [f"weights: {len(names)} tensors are of other shape, or in one network alone, the first {names[0]}"]
    changed = [name for name in one if not np.array_equal(one[name], two[name])]
    if not changed:
        return []
    gaps = {name: float(np.abs(one[name].astype(float) - two[name]).max()) for name in changed}
    name = max(gaps, key=gaps.__getitem__)
    return [f"weights: {len(changed)} of {len(one)} tensors differ, most {name}, by up to {gaps[name]:.2g}"]
