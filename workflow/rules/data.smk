# From archives, or from a generator, to prepared arrays.
rule download:
    output:
        "resources/{dataset}/{file}",
    wildcard_constraints:
        file=r"(images|annotations|sequences)(\.[a-z0-9.]+)?",
    params:
        key=archive_key,
        archive=lambda wildcards: DATASETS[wildcards.dataset]["archives"][archive_key(wildcards)],
    log:
        "logs/download/{dataset}/{file}.log",
    benchmark:
        "benchmarks/download/{dataset}/{file}.tsv"
    retries: 2
    resources:
        mem_mb=500,
        runtime=180,
    conda:
        "../../envs/download.yaml"
    script:
        "../scripts/download.py"


rule prepare:
    input:
        lambda wildcards: configuration.folder_files(DATASETS[wildcards.dataset]),
        unpack(lambda wildcards: archive_paths(wildcards.dataset)),
        library=library("seunet.data.prepared"),
    output:
        prepared("train", "val", "test"),
    params:
        settings=preparation,
        archives=lambda wildcards: archive_paths(wildcards.dataset),
    log:
        "logs/prepare/{dataset}.log",
    benchmark:
        "benchmarks/prepare/{dataset}.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/prepare.py"


rule render:
    input:
        "results/datasets/{dataset}/dataset.json",
        library=library("seunet.data.prepared"),
    output:
        directory("results/datasets/{dataset}/test/rendered"),
    params:
        settings=rendering,
    log:
        "logs/render/{dataset}.log",
    benchmark:
        "benchmarks/render/{dataset}.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    conda:
        "../../envs/train.yaml"
    script:
        "../scripts/render.py"
