"""Draw the claims with their intervals and verdicts."""

from job import job

with job(snakemake):
    from seunet.figures import draw_claims

    draw_claims(snakemake.input.claims, list(snakemake.output))
