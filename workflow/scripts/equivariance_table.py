"""Collect the errors of equivariance of all runs into a table."""

from job import job

with job(snakemake):
    from seunet.report.tables import collect_equivariance

    collect_equivariance(snakemake.input.errors, snakemake.params.labels, snakemake.output[0])
