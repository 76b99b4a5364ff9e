"""The folder that `measure` writes: its name, and what may be replaced in it."""

from pathlib import Path

from seunet.runtime.errors import UserError

RESULTS = ("scores.csv", "class_iou.csv", "per_image.csv", "iou.png", "iou.svg", "consistency.png", "consistency.svg")
VERDICT = "verdict.txt"


def own_folder(weights: Path, data: Path) -> Path:
    """Return the folder of the results of a network on a folder of images, unless the user names one."""
    return Path("measured", f"{name_of(weights)}-{data_name(data)}")


def data_name(folder: Path) -> str:
    """Return what a folder of images is called in tables; `.` has the name of the working folder."""
    return folder.resolve().name or "data"


def title_of(weights: Path) -> str:
    """Return what figures call a network: the model of results/models/{dataset}/{model}/seed0, or the file."""
    folder = run_folder(weights)
    if folder is None:
        return weights.stem
    return folder.parent.name if folder.name.startswith("seed") else folder.name


def name_of(weights: Path) -> str:
    """Return a name that tells the runs of one model apart: {dataset}-{model}-seed0, or that of the file."""
    folder = run_folder(weights)
    if folder is None:
        return weights.stem
    parts = folder.parts[-4:]
    return "-".join(parts[1:] if parts[0] == "models" else parts[-2:] if folder.name.startswith("seed") else parts[-1:])


def run_folder(weights: Path) -> Path | None:
    """Return the folder of a network that was trained here; None for a file of any other."""
    folder = weights if weights.is_dir() else weights.parent if weights.name == "model.safetensors" else None
    return folder and folder.resolve()


def refuse_other_results(output: Path, overwrite: bool) -> None:
    """Raise UserError where results would be overwritten: those of `measure` without `overwrite`, and any others."""
    if output.exists() and not output.is_dir():
        raise UserError(f"{output}: is a file; name a folder for the results")
    there = [name for name in (*RESULTS, VERDICT) if (output / name).exists()]
    if not there:
        return
    if VERDICT not in there:
        raise UserError(f"{output}: holds tables of something else ({there[0]}); name another folder for the results")
    if not overwrite:
        raise UserError(
            f"{output}: holds the results{whose(output)}; --overwrite replaces them, or name another folder (--output)"
        )


def whose(output: Path) -> str:
    """Return which network the results in a folder are of, and of which images; nothing where that is not known."""
    from seunet.runtime.tables import read_table

    try:
        first = read_table(output / "scores.csv", ["dataset", "model"]).iloc[0]
    except (UserError, OSError):
        return " of an earlier call"
    return f" of {first['model']} on {first['dataset']}"
