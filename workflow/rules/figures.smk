# From tables and samples to the figures of the paper.


rule figure:
    input:
        unpack(of(figures.figure_inputs)),
    output:
        report(
            "results/figures/{dataset}_{kind}.png",
            caption="../report/figure.rst",
            category="{dataset}",
            labels={"figure": "{kind}"},
        ),
        "results/figures/{dataset}_{kind}.svg",
    log:
        "logs/figure/{dataset}_{kind}.log",
    benchmark:
        "logs/figure/{dataset}_{kind}.tsv"
    wildcard_constraints:
        kind="|".join(figures.KINDS),
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("figure", "figures"),
        models=parameters.styles(CONFIG),
        metric=of(parameters.metric),
        ceiling=of(parameters.ceiling),
        shown=of(plan.models_on),
    script:
        "../scripts/figure.py"


rule training_curves:
    input:
        history="results/tables/history.csv",
    output:
        report(
            "results/figures/training_curves.png",
            caption="../report/training_curves.rst",
            category="all data sets",
            labels={"figure": "training curves"},
        ),
        "results/figures/training_curves.svg",
    log:
        "logs/training_curves/training_curves.log",
    benchmark:
        "logs/training_curves/training_curves.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("training_curves", "figures"),
        models=parameters.styles(CONFIG),
        metrics=parameters.metrics(CONFIG),
    script:
        "../scripts/training_curves.py"


rule claims_figure:
    input:
        claims="results/tables/claims.csv",
    output:
        report(
            "results/figures/claims.png",
            caption="../report/claims.rst",
            category="all data sets",
            labels={"figure": "claims"},
        ),
        "results/figures/claims.svg",
    log:
        "logs/claims_figure/claims.log",
    benchmark:
        "logs/claims_figure/claims.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("claims_figure", "figures"),
    script:
        "../scripts/claims_figure.py"


rule equivariance_figure:
    input:
        errors="results/tables/equivariance.csv",
    output:
        report(
            "results/figures/equivariance.png",
            caption="../report/equivariance.rst",
            category="all data sets",
            labels={"figure": "equivariance"},
        ),
        "results/figures/equivariance.svg",
    log:
        "logs/equivariance_figure/equivariance_figure.log",
    benchmark:
        "logs/equivariance_figure/equivariance_figure.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("equivariance_figure", "figures"),
        models=parameters.styles(CONFIG),
    script:
        "../scripts/equivariance_figure.py"
