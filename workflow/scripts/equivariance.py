"""Measure how far every stage of one trained network is from equivariance."""

from pathlib import Path

from job import job

with job(snakemake, keep=True) as missing:
    if missing:
        from seunet.runtime.device import best_device
        from seunet.experiment.equivariance import measure
        from seunet.experiment.inference import Variant
        from seunet.experiment.evaluation import Testing

        run = snakemake.wildcards
        measure(
            weights=Path(snakemake.input.weights),
            dataset=Path(snakemake.input[0]).parent,
            testing=Testing.of(snakemake.params.measuring, snakemake.params.threads),
            run={"dataset": run.dataset, "model": run.model, "seed": int(run.seed)},
            path=Path(snakemake.output[0]),
            device=best_device(),
            variant=Variant.read(snakemake.params.variant),
        )
