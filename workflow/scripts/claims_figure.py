"""Draw the claims with their intervals and verdicts."""

from job import job

with job(snakemake):
    from seunet.figures import draw_claims
    from seunet.provenance import commit

    draw_claims(snakemake.input.claims, list(snakemake.output), commit())
