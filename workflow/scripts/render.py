"""Draw the test images of a generated data set at the other scales."""

from job import job

with job(snakemake):
    from seunet.data.prepared import render

    render(snakemake.wildcards.dataset, snakemake.params.settings, snakemake.output[0])
