"""Draw one figure of a data set."""

from job import job

with job(snakemake):
    from seunet.report import figures
    from seunet.runtime.provenance import commit

    draw = getattr(figures, f"draw_{snakemake.wildcards.kind}")
    source = snakemake.input.get("table") or dict(zip(snakemake.params.shown, snakemake.input.samples, strict=True))
    metric = [snakemake.params.metric] if snakemake.wildcards.kind in ("iou", "augmentation", "scales") else []
    ceiling = {"ceiling": snakemake.params.ceiling} if snakemake.wildcards.kind == "iou" else {}
    draw(
        source,
        snakemake.wildcards.dataset,
        snakemake.params.models,
        *metric,
        list(snakemake.output),
        commit(),
        **ceiling,
    )
