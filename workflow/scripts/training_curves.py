"""Draw the training curves of all runs."""

from job import job

with job(snakemake):
    from seunet.report.figures import draw_training_curves
    from seunet.runtime.provenance import commit

    params = snakemake.params
    draw_training_curves(snakemake.input.history, params.models, params.metrics, list(snakemake.output), commit())
