"""Measure how far every stage of one trained network is from equivariance."""

from pathlib import Path

from job import job

with job(snakemake, keep=True) as missing:
    if missing:
        from network import common_arguments

        from seunet.experiment.equivariance import measure
        from seunet.settings.dataset import Testing

        measure(
            **common_arguments(snakemake),
            testing=Testing.model_validate(snakemake.params.measuring),
            path=Path(snakemake.output[0]),
        )
