# From weights to scores at all scales, and from scores to tables.
rule evaluate:
    input:
        prepared("test"),
        other_pixels,
        unpack(weights_of),
    output:
        scores="results/scores/{dataset}/{model}/seed{seed}.csv",
        per_image="results/scores/{dataset}/{model}/seed{seed}.npz",
        samples="results/samples/{dataset}/{model}/seed{seed}.npz",
        crops="results/crops/{dataset}/{model}/seed{seed}.csv",
        windows="results/windows/{dataset}/{model}/seed{seed}.csv",
    log:
        "logs/evaluate/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "logs/evaluate/{dataset}/{model}/seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: threads_of
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
        gpu=1,
    params:
        code=code("evaluate", "train"),
        network=network_code,
        given=given_contents,
        testing=testing,
        threads=threads_of,
        variant=variant,
    script:
        "../scripts/evaluate.py"


rule equivariance:
    input:
        prepared("test"),
        other_pixels,
        unpack(weights_of),
    output:
        "results/equivariance/{dataset}/{model}/seed{seed}.csv",
    log:
        "logs/equivariance/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "logs/equivariance/{dataset}/{model}/seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: threads_of
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
        gpu=1,
    params:
        code=code("equivariance", "train"),
        network=network_code,
        given=given_contents,
        measuring=measuring,
        threads=threads_of,
        variant=variant,
    script:
        "../scripts/equivariance.py"


rule equivariance_table:
    input:
        errors=[f"results/equivariance/{dataset}/{model}/seed{seed}.csv" for dataset, model, seed in MEASURED],
    output:
        "results/tables/equivariance.csv",
    log:
        "logs/equivariance_table/equivariance_table.log",
    benchmark:
        "logs/equivariance_table/equivariance_table.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("equivariance_table", "figures"),
        labels=labels(model for _, model, _ in RUNS),
    script:
        "../scripts/equivariance_table.py"


rule tables:
    input:
        scores=[f"results/scores/{dataset}/{model}/seed{seed}.csv" for dataset, model, seed in RUNS],
        history=[f"results/models/{dataset}/{model}/seed{seed}/history.csv" for dataset, model, seed in TRAININGS],
        crops=[f"results/crops/{dataset}/{model}/seed{seed}.csv" for dataset, model, seed in RUNS],
        windows=[f"results/windows/{dataset}/{model}/seed{seed}.csv" for dataset, model, seed in RUNS],
    output:
        scores="results/tables/scores.csv",
        class_iou="results/tables/class_iou.csv",
        warnings="results/tables/warnings.csv",
        history="results/tables/history.csv",
        crops="results/tables/crops.csv",
        windows="results/tables/windows.csv",
    log:
        "logs/tables/tables.log",
    benchmark:
        "logs/tables/tables.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("tables", "figures"),
        labels=labels(model for _, model, _ in RUNS + TRAININGS),
        metrics=METRICS,
    script:
        "../scripts/tables.py"


rule claims:
    input:
        per_image=claim_files(),
    output:
        "results/tables/claims.csv",
    log:
        "logs/claims/claims.log",
    benchmark:
        "logs/claims/claims.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("claims", "figures"),
        claims=CLAIMS,
        metrics=METRICS,
    script:
        "../scripts/claims.py"
