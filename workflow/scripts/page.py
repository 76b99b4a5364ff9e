"""Put tables and figures on one page, each figure with the caption that Snakemake's own report has."""

from pathlib import Path
from types import SimpleNamespace

from job import job

with job(snakemake):
    from jinja2 import Template

    from seunet.report.html import write_page

    templates = {Path(file).stem: Path(file).read_text(encoding="utf-8") for file in snakemake.input.captions}
    captions = {}
    for dataset, kind in snakemake.params.figures:
        wildcards = SimpleNamespace(dataset=dataset, kind=kind)
        text = Template(templates[kind if not dataset else "figure"]).render(snakemake={"wildcards": wildcards})
        captions["_".join(filter(None, [dataset, kind]))] = text
    write_page(Path("results"), Path(snakemake.output[0]), captions, Path(snakemake.params.times))
