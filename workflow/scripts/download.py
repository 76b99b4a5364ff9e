"""Download one archive, and verify it."""

from job import job

with job(snakemake):
    from seunet.data.archives import fetch

    archive = snakemake.params.archive
    key = f"datasets.{snakemake.wildcards.dataset}.archives.{snakemake.params.key}"
    fetch(archive["url"], archive["sha256"], snakemake.output[0], key=key)
