"""Draw the test images of a generated data set at the other scales."""

from job import job

with job(snakemake):
    from seunet.data.prepared import render
    from seunet.settings.dataset import Preparation, Testing

    settings = Preparation.model_validate(snakemake.params.settings)
    testing = Testing.model_validate(snakemake.params.testing)
    render(snakemake.wildcards.dataset, settings, testing, snakemake.output[0])
