"""Collect the scores and histories of all runs into tables."""

from job import job

with job(snakemake):
    from seunet.report.tables import collect_crops, collect_history, collect_scores, collect_windows

    files, made, labels = snakemake.input, snakemake.output, snakemake.params.labels
    collect_scores(files.scores, labels, snakemake.params.metrics, made.scores, made.class_iou)
    collect_history(files.history, labels, made.history)
    collect_crops(files.crops, labels, made.crops)
    collect_windows(files.windows, labels, snakemake.params.metrics, made.windows)
