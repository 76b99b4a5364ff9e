"""Keep the test images' own pixels, for test scales above 1."""

from pathlib import Path

from job import job

with job(snakemake):
    from seunet.data.prepared import keep_originals

    archives = {key: Path(path) for key, path in snakemake.params.archives.items()}
    keep_originals(snakemake.wildcards.dataset, snakemake.params.settings, archives, snakemake.output[0])
