# From weights to scores at all scales, and from scores to tables.
rule evaluate:
    input:
        paths.prepared("test"),
        of(paths.other_pixels),
        unpack(weights),
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
    threads: of(parameters.threads)
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
        gpu=1,
    params:
        code=code("evaluate", "train"),
        network=network_code,
        given=of(parameters.external_checksum),
        testing=of(parameters.testing),
        threads=of(parameters.threads),
        variant=of(plan.variant),
    script:
        "../scripts/evaluate.py"


rule equivariance:
    input:
        paths.prepared("test"),
        of(paths.other_pixels),
        unpack(weights),
    output:
        "results/equivariance/{dataset}/{model}/seed{seed}.csv",
    log:
        "logs/equivariance/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "logs/equivariance/{dataset}/{model}/seed{seed}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: of(parameters.threads)
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
        gpu=1,
    params:
        code=code("equivariance", "train"),
        network=network_code,
        given=of(parameters.external_checksum),
        measuring=of(parameters.measuring),
        threads=of(parameters.threads),
        variant=of(plan.variant),
    script:
        "../scripts/equivariance.py"


rule missing:
    output:
        paths.MISSING,
    log:
        "logs/missing/missing.log",
    benchmark:
        "logs/missing/missing.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("missing", "figures"),
        runs=UNFINISHED,
    script:
        "../scripts/missing.py"


rule equivariance_table:
    input:
        errors=paths.of_runs("equivariance", ".csv", MEASURED),
        missing=MISSING,
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
        labels=parameters.labels(CONFIG, RUNS),
    script:
        "../scripts/equivariance_table.py"


rule tables:
    input:
        scores=paths.of_runs("scores", ".csv", RUNS),
        history=paths.histories(TRAININGS),
        crops=paths.of_runs("crops", ".csv", RUNS),
        windows=paths.of_runs("windows", ".csv", RUNS),
        missing=MISSING,
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
        labels=parameters.labels(CONFIG, RUNS + TRAININGS),
        metrics=parameters.metrics(CONFIG),
    script:
        "../scripts/tables.py"


rule per_image:
    input:
        counts=paths.of_runs("scores", ".npz", RUNS),
        datasets=[f"results/datasets/{dataset}/dataset.json" for dataset in plan.run_datasets(CONFIG)],
        missing=MISSING,
    output:
        worst="results/tables/worst_images.csv",
        tables=paths.of_runs("per_image", ".csv", RUNS),
    log:
        "logs/per_image/per_image.log",
    benchmark:
        "logs/per_image/per_image.tsv"
    conda:
        "../../envs/figures.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("per_image", "figures"),
        metrics=parameters.metrics(CONFIG),
    script:
        "../scripts/per_image.py"


rule claims:
    input:
        per_image=paths.of_claims(CONFIG),
        missing=MISSING,
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
        claims=plan.claims_to_test(CONFIG),
        metrics=parameters.metrics(CONFIG),
    script:
        "../scripts/claims.py"
