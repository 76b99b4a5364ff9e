"""Name the runs that the other tables leave out."""

from job import job

with job(snakemake):
    from seunet.report.tables import write_missing

    write_missing(snakemake.params.runs, snakemake.output[0])
