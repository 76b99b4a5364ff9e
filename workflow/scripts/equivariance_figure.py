"""Draw the errors of equivariance of all runs."""

from job import job

with job(snakemake):
    from seunet.report.figures import draw_equivariance
    from seunet.runtime.provenance import commit

    draw_equivariance(snakemake.input.errors, snakemake.params.models, list(snakemake.output), commit())
