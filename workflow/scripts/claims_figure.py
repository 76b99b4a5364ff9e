"""Draw the claims with their intervals and verdicts."""

from job import job

with job(snakemake):
    from seunet.report.figures import draw_claims
    from seunet.runtime.provenance import commit

    draw_claims(snakemake.input.claims, list(snakemake.output), commit())
