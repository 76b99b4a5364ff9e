# From archives, or from a generator, to prepared arrays.
rule download:
    output:
        "resources/{dataset}/{file}",
    log:
        "logs/download/{dataset}/{file}.log",
    benchmark:
        "logs/download/{dataset}/{file}.tsv"
    wildcard_constraints:
        file=r"(images|annotations|sequences)(\.[a-z0-9.]+)?",
    retries: 2
    conda:
        "../../envs/download.yaml"
    resources:
        mem_mb=500,
        runtime=180,
    params:
        key=of(paths.archive_key),
        archive=of(parameters.archive),
    script:
        "../scripts/download.py"


rule prepare:
    input:
        unpack(of(paths.archives)),
    output:
        paths.prepared("train", "val", "test"),
    log:
        "logs/prepare/{dataset}.log",
    benchmark:
        "logs/prepare/{dataset}.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code("prepare", "train"),
        contents=of(parameters.folder_contents),
        settings=of(parameters.preparation),
        checksums=of(parameters.checksums),
        archives=of(paths.archives),
    script:
        "../scripts/prepare.py"


rule render:
    input:
        "results/datasets/{dataset}/dataset.json",
    output:
        directory("results/datasets/{dataset}/test/rendered"),
    log:
        "logs/render/{dataset}.log",
    benchmark:
        "logs/render/{dataset}.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code("render", "train"),
        settings=of(parameters.preparation),
        testing=of(parameters.test_sizes),
    script:
        "../scripts/render.py"


rule keep_originals:
    input:
        "results/datasets/{dataset}/dataset.json",
        unpack(of(paths.archives)),
    output:
        directory("results/datasets/{dataset}/test/original"),
    log:
        "logs/keep_originals/{dataset}.log",
    benchmark:
        "logs/keep_originals/{dataset}.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        code=code("keep_originals", "train"),
        contents=of(parameters.folder_contents),
        settings=of(parameters.preparation),
        testing=of(parameters.test_sizes),
        checksums=of(parameters.checksums),
        archives=of(paths.archives),
    script:
        "../scripts/keep_originals.py"
