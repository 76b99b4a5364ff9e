# From tables and samples to the figures of the paper.
ruleorder: training_curves > figure


def models_on(dataset):
    """Return the models that are run on a data set, in the order of the configuration."""
    return [model for model in MODELS if any(run[:2] == (dataset, model) for run in RUNS)]


def figures_of(dataset):
    """Return the kinds of figures of a data set; the comparison with augmentation needs a jittered network."""
    jittered = any(MODELS[model]["scale_jitter"] > 1 for model in models_on(dataset))
    return ["iou", "consistency", "predictions"] + ["augmentation"] * jittered


def figure_files():
    """Return all figures, as PNG and SVG."""
    names = [f"{dataset}_{kind}" for dataset in RUN_DATASETS for kind in figures_of(dataset)]
    return [f"results/figures/{name}.{suffix}" for name in [*names, "training_curves"] for suffix in FORMATS]


def figure_inputs(wildcards):
    """Return what a figure is drawn from: the table of scores, or each model's samples of its first seed."""
    if wildcards.kind != "predictions":
        return {"scores": "results/tables/scores.csv"}
    first = {model: seed for dataset, model, seed in reversed(RUNS) if dataset == wildcards.dataset}
    return {
        "samples": [
            f"results/samples/{wildcards.dataset}/{model}/seed{first[model]}.npz"
            for model in models_on(wildcards.dataset)
        ]
    }


rule figure:
    input:
        unpack(figure_inputs),
        library=library("seunet.figures"),
    output:
        report(
            "results/figures/{dataset}_{kind}.png",
            caption="../report/{kind}.rst",
            category="{dataset}",
            labels={"figure": "{kind}"},
        ),
        "results/figures/{dataset}_{kind}.svg",
    wildcard_constraints:
        kind="iou|consistency|augmentation|predictions",
    params:
        models=looks(),
        metric=lambda wildcards: METRICS[wildcards.dataset],
        shown=lambda wildcards: models_on(wildcards.dataset),
    log:
        "logs/figure/{dataset}_{kind}.log",
    benchmark:
        "benchmarks/figure/{dataset}_{kind}.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/figure.py"


rule training_curves:
    input:
        history="results/tables/history.csv",
        library=library("seunet.figures"),
    output:
        report(
            "results/figures/training_curves.png",
            caption="../report/training_curves.rst",
            category="all data sets",
            labels={"figure": "training curves"},
        ),
        "results/figures/training_curves.svg",
    params:
        models=looks(),
        metrics=METRICS,
    log:
        "logs/training_curves/training_curves.log",
    benchmark:
        "benchmarks/training_curves/training_curves.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    conda:
        "../../envs/figures.yaml"
    script:
        "../scripts/training_curves.py"
