"""Turn the archives of a data set into arrays."""

from pathlib import Path

from job import job

with job(snakemake):
    from seunet.data.prepared import prepare
    from seunet.settings.dataset import Preparation

    archives = {key: Path(path) for key, path in snakemake.params.archives.items()}
    folder = Path(snakemake.output[0]).parent
    settings = Preparation.model_validate(snakemake.params.settings)
    prepare(snakemake.wildcards.dataset, settings, archives, folder, snakemake.params.checksums)
