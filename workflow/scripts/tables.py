"""Collect the scores and histories of all runs into tables."""

from pathlib import Path

from job import job

with job(snakemake):
    from seunet.report import tables

    files, made, labels, metrics = snakemake.input, snakemake.output, snakemake.params.labels, snakemake.params.metrics
    tables.collect_scores(files.scores, labels, metrics, made.scores, made.class_iou)
    tables.collect_warnings(files.scores, metrics, made.warnings)
    tables.collect_history(files.history, labels, made.history)
    tables.collect_crops(files.crops, labels, made.crops)
    tables.collect_windows(files.windows, labels, metrics, made.windows)
    if not files.missing:  # of an earlier run
        Path(made.scores).with_name("missing.csv").unlink(missing_ok=True)
