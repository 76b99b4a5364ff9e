"""Train one network with one seed."""

from pathlib import Path

from job import job

with job(snakemake, keep=True) as missing:
    if missing:
        from seunet.runtime.device import best_device
        from seunet.experiment.training import train
        from seunet.settings.training import Training

        settings, run = snakemake.params.settings, snakemake.wildcards
        train(
            dataset=Path(snakemake.input[0]).parent,
            architecture=settings["architecture"],
            options=settings["options"],
            training=Training.model_validate(settings["training"]),
            seed=int(run.seed),
            folder=Path(snakemake.output.weights).parent,
            device=best_device(),
            keep_others=True,
        )
