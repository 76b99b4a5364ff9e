"""Write the scores of single images of all runs, and the worst images of each."""

from pathlib import Path

from job import job

with job(snakemake):
    from seunet.report.per_image import collect_per_image

    files, made = snakemake.input, snakemake.output
    descriptions = {Path(file).parent.name: file for file in files.datasets}
    collect_per_image(files.counts, descriptions, snakemake.params.metrics, made.tables, made.worst)
