"""The network that a job tests, and how it predicts."""

from pathlib import Path

from seunet.experiment.inference import Variant
from seunet.runtime.device import best_device


def common_arguments(snakemake):
    """Return the arguments that `evaluate` and `measure` have in common."""
    run = snakemake.wildcards
    return {
        "weights": Path(snakemake.input.weights),
        "dataset": Path(snakemake.input[0]).parent,
        "run": {"dataset": run.dataset, "model": run.model, "seed": int(run.seed)},
        "variant": Variant.read(snakemake.params.variant),
        "device": best_device(),
        "threads": snakemake.params.threads,
    }
