# From tables and figures to one page. No part of `rule all`: ask for it by `make report`, or by its name.
rule page:
    input:
        TABLES,
        figure_files(),
        captions=captions(),
    output:
        "results/report.html",
    log:
        "logs/page/page.log",
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("page", "figures"),
        figures=figure_names(),
        times="logs",
    script:
        "../scripts/page.py"
