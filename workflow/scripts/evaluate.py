"""Test one trained network at all scales."""

from pathlib import Path

from job import job

with job(snakemake, keep=True) as missing:
    if missing:
        from seunet.runtime.device import best_device
        from seunet.experiment.inference import Variant
        from seunet.experiment.evaluation import Testing, evaluate

        run = snakemake.wildcards
        evaluate(
            weights=Path(snakemake.input.weights),
            dataset=Path(snakemake.input[0]).parent,
            testing=Testing.of(snakemake.params.testing, snakemake.params.threads),
            run={"dataset": run.dataset, "model": run.model, "seed": int(run.seed)},
            scores=Path(snakemake.output.scores),
            per_image=Path(snakemake.output.per_image),
            samples=Path(snakemake.output.samples),
            crops=Path(snakemake.output.crops),
            windows=Path(snakemake.output.windows),
            device=best_device(),
            variant=Variant.read(snakemake.params.variant),
        )
