"""Turn the archives of a data set into arrays."""

from pathlib import Path

from job import job

with job(snakemake):
    from seunet.data.prepared import prepare

    archives = {key: Path(path) for key, path in snakemake.params.archives.items()}
    folder = Path(snakemake.output[0]).parent
    prepare(snakemake.wildcards.dataset, snakemake.params.settings, archives, folder)
