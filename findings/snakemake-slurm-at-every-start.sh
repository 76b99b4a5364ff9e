#!/usr/bin/env bash
# Where Snakemake's Slurm plugin is installed, every start of Snakemake runs `scontrol show config`: for local jobs, for a dry
# run, and for --help. Where the controller of the cluster does not answer, each of them waits until scontrol gives up (nine
# seconds and more), and so does each local job of a rule with a script, which starts Snakemake again.
#
# Versions: snakemake 9.27.0, snakemake-executor-plugin-slurm 2.8.0
# Date: 30 November 2026
# Who meets it: who runs a workflow where Slurm's programs are: on a login node in maintenance, on a laptop with the client.
# Here: the benchmarks put an scontrol that fails at once before the others (benchmarks/measure.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet snakemake==9.27.0 snakemake-executor-plugin-slurm==2.8.0
mkdir bin
cat >bin/scontrol <<END
#!/bin/sh
echo "scontrol \$*" >>"$folder/asked"
exit 1
END
chmod +x bin/scontrol
cat >Snakefile <<'END'
rule all:
    output: "answer.txt"
    shell: "touch {output}"
END

asked() { # what is asked of Slurm while Snakemake does something
    rm -f asked
    HOME=$folder PATH=$folder/bin:$PATH env/bin/snakemake "$@" >/dev/null 2>&1
    sort -u asked 2>/dev/null || echo "nothing"
}

echo "snakemake $(env/bin/snakemake --version)"
help=$(asked --help)
dry=$(asked --dry-run)
run=$(asked --cores 1)
env/bin/pip uninstall --quiet --yes snakemake-executor-plugin-slurm
without=$(asked --cores 1 --force)
echo "--help asks: $help"
echo "--dry-run asks: $dry"
echo "--cores 1 asks: $run"
echo "without the plugin, --cores 1 asks: $without"
[ "$help" = "scontrol show config" ]
[ "$dry" = "scontrol show config" ]
[ "$run" = "scontrol show config" ]
[ "$without" = nothing ]
# Output seen:
# --help asks: scontrol show config
# --dry-run asks: scontrol show config
# --cores 1 asks: scontrol show config
# without the plugin, --cores 1 asks: nothing
