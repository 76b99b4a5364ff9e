"""What Snakemake and the start of a process add to the work of a rule: jobs of a tiny data set, each run by itself."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.measure import Row, least, without_slurm
from seunet.experiment.evaluation import evaluate
from seunet.report.tables import collect_crops, collect_history, collect_scores, collect_windows
from seunet.settings.dataset import Testing

TINY = {
    "datasets": {
        "reef": {
            "source": "shapes",
            "count": {"train": 6, "val": 2, "test": 3},
            "image_size": 32,
            "network": {"width": 2, "depth": 1},
            "training": {"crop": 16, "batch_size": 2, "epochs": 1},
            "test_scales": [0.5, 1, 2],
            "size_multiple": 8,
        }
    },
    "claims": [],
    "runs": [{"datasets": ["reef"], "models": ["unet"], "seeds": [0]}],
}
FILES = {"tables": "results/tables/scores.csv", "evaluate": "results/scores/reef/unet/seed0.csv"}
ROUNDS = 2


def rows() -> list[Row]:
    """Time each rule through Snakemake, less the planning, which a run pays once, and less the work itself."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
        snakemake(folder, FILES["tables"])
        work = {"tables": lambda: tables(folder), "evaluate": lambda: test(folder)}
        return [
            Row(f"Rule `{rule}`: overhead over its work", overhead(folder, rule, function), 3, "s")
            for rule, function in work.items()
        ]


def overhead(folder: Path, rule: str, work: Callable[[], None]) -> float:
    """Return the seconds that a job takes beyond its work."""
    arguments = (FILES[rule], "--forcerun", rule)
    alternatives = {
        "run": lambda: snakemake(folder, *arguments),
        "plan": lambda: snakemake(folder, *arguments, "--dry-run"),
        "work": work,
    }
    time = least(alternatives, ROUNDS)
    return time["run"] - time["plan"] - time["work"]


def snakemake(folder: Path, *arguments: str) -> None:
    """Run the workflow in a folder of its own."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", Path("Snakefile").resolve(), "--directory", folder]
    options = ["--cores", "1", "--quiet", "all", "--configfile", "config/config.yaml", folder / "tiny.yaml"]
    with without_slurm() as environment:
        subprocess.run([*map(str, [*command, *arguments, *options])], check=True, capture_output=True, env=environment)


def tables(folder: Path) -> None:
    """Do what the script of the rule `tables` does."""
    made, labels = folder / "results" / "tables", {"unet": "U-Net"}
    metrics = {"reef": "mean_iou"}
    collect_scores([folder / FILES["evaluate"]], labels, metrics, made / "scores.csv", made / "class_iou.csv")
    collect_history([folder / "results/models/reef/unet/seed0/history.csv"], labels, made / "history.csv")
    collect_crops([folder / "results/crops/reef/unet/seed0.csv"], labels, made / "crops.csv")
    collect_windows([folder / "results/windows/reef/unet/seed0.csv"], labels, metrics, made / "windows.csv")


def test(folder: Path) -> None:
    """Do what the script of the rule `evaluate` does."""
    results, made = folder / "results", (folder / FILES["evaluate"]).parent
    evaluate(
        weights=results / "models" / "reef" / "unet" / "seed0",
        dataset=results / "datasets" / "reef",
        testing=Testing(test_scales=[0.5, 1, 2], size_multiple=8),
        run={"dataset": "reef", "model": "unet", "seed": 0},
        scores=made / "seed0.csv",
        per_image=made / "seed0.npz",
        samples=results / "samples" / "reef" / "unet" / "seed0.npz",
        crops=results / "crops" / "reef" / "unet" / "seed0.csv",
        windows=results / "windows" / "reef" / "unet" / "seed0.csv",
    )
