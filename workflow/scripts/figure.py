"""Draw one figure of a data set."""

from job import job

with job(snakemake):
    from seunet.report import figures
    from seunet.runtime.provenance import commit

    dataset, kind, params = snakemake.wildcards.dataset, snakemake.wildcards.kind, snakemake.params
    paths, models, metric = list(snakemake.output), params.models, params.metric
    if kind == "predictions":
        samples = dict(zip(params.shown, snakemake.input.samples, strict=True))
        figures.draw_predictions(samples, dataset, models, paths, commit())
    elif kind == "consistency":
        figures.draw_consistency(snakemake.input.scores, dataset, models, paths, commit())
    elif kind == "iou":
        figures.draw_iou(snakemake.input.scores, dataset, models, metric, paths, commit())
    else:
        figures.draw_augmentation(snakemake.input.scores, dataset, models, metric, paths, commit())
