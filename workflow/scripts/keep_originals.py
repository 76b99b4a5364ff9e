"""Keep the test images' own pixels, for test scales above 1."""

from pathlib import Path

from job import job

with job(snakemake):
    from seunet.data.prepared import keep_originals
    from seunet.settings.dataset import Preparation, Testing

    archives = {key: Path(path) for key, path in snakemake.params.archives.items()}
    settings = Preparation.model_validate(snakemake.params.settings)
    testing = Testing.model_validate(snakemake.params.testing)
    keep_originals(snakemake.wildcards.dataset, settings, testing, archives, snakemake.output[0])
