"""Judge the claims: a difference with its interval, and a verdict, for each on each data set."""

from job import job

with job(snakemake):
    from seunet.report.claims import judge_claims

    params = snakemake.params
    judge_claims(params.claims, snakemake.input.per_image, params.metrics, snakemake.output[0])
