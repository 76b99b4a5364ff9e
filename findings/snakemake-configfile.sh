#!/usr/bin/env bash
# Of two --configfile flags Snakemake takes the last alone and says nothing of the first; one flag with two files merges them.
# So `--configfile base.yaml --configfile mine.yaml` runs something else than was asked for: the base is not read.
#
# Versions: snakemake 9.27.0
# Date: 30 November 2026
# Who meets it: users of any workflow with a base configuration and one of their own; scripts that add a flag to a command.
# Here: the Snakefile refuses two flags.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet snakemake==9.27.0
echo 'size: large' >base.yaml
echo 'colour: red' >mine.yaml
cat >Snakefile <<'END'
rule all:
    run:
        print("configuration:", dict(sorted(config.items())))
END

answer() {
    HOME=$folder env/bin/snakemake --cores 1 --force "$@" 2>/dev/null | grep configuration:
}

echo "snakemake $(env/bin/snakemake --version)"
one=$(answer --configfile base.yaml mine.yaml)
two=$(answer --configfile base.yaml --configfile mine.yaml)
echo "one flag, two files: $one"
echo "two flags:           $two"
[ "$one" = "configuration: {'colour': 'red', 'size': 'large'}" ]
[ "$two" = "configuration: {'colour': 'red'}" ]
# Output seen:
# one flag, two files: configuration: {'colour': 'red', 'size': 'large'}
# two flags:           configuration: {'colour': 'red'}
