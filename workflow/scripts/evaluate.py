"""Test one trained network at all scales."""

from pathlib import Path

from job import job

with job(snakemake, keep=True) as missing:
    if missing:
        from network import common_arguments

        from seunet.experiment.evaluation import evaluate
        from seunet.settings.dataset import Testing

        evaluate(
            **common_arguments(snakemake),
            testing=Testing.model_validate(snakemake.params.testing),
            scores=Path(snakemake.output.scores),
            per_image=Path(snakemake.output.per_image),
            samples=Path(snakemake.output.samples),
            crops=Path(snakemake.output.crops),
            windows=Path(snakemake.output.windows),
        )
