# The benchmark: archive → prepared arrays → weights → scores → tables → figures.
from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/figures.smk"


localrules:
    all,
    download,
    tables,


rule all:
    default_target: True
    input:
        TABLES,
        figure_files(),
