# From prepared arrays to weights: one job per data set, model and seed.
rule train:
    input:
        paths.prepared("train", "val"),
    output:
        weights="results/models/{dataset}/{model}/seed{seed}/model.safetensors",
        description="results/models/{dataset}/{model}/seed{seed}/model.json",
        history="results/models/{dataset}/{model}/seed{seed}/history.csv",
    log:
        "logs/train/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "logs/train/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        model="|".join(re.escape(name) for name in dict.fromkeys(run[1] for run in plan.all_trainings(WHOLE))) or "(?!)",
    priority: of(parameters.priority)
    conda:
        "../../envs/train.yaml"
    threads: of(parameters.threads)
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=1,
    params:
        code=code("train", "train"),
        network=network_code,
        settings=of(parameters.network),
    script:
        "../scripts/train.py"
