# From tables and figures to one page. No part of `rule all`: ask for it by `make report`, or by its name.
rule page:
    input:
        TABLES,
        FIGURES,
        captions=figures.captions(CONFIG, ROOT / "workflow" / "report"),
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
        figures=figures.figure_names(CONFIG),
        times="logs",
    script:
        "../scripts/page.py"
