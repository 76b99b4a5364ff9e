#!/usr/bin/env bash
# Snakemake takes a folder of the name `default` in the working folder for a profile of the workflow. Where it holds no
# config.yaml, Snakemake does not start; where it holds one, of whatever program, its keys are options of Snakemake, here of a run
# that does nothing. The help names `profiles/default` alone. With --workflow-profile none it is a folder like any other.
#
# Versions: snakemake 9.27.0
# Date: 30 November 2026
# Who meets it: projects that keep default settings or data in a folder of that name.
# Here: nothing of ours is called so, and the workflow brings no profile of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet snakemake==9.27.0
cat >Snakefile <<'END'
rule all:
    output: "answer.txt"
    shell: "touch {output}"
END

run() {
    rm -f answer.txt
    HOME=$folder env/bin/snakemake --cores 1 "$@" >log 2>&1 || echo "refused: $(grep -o 'profile directory given (default)' log)"
    test ! -e answer.txt || echo "answered"
}

echo "snakemake $(env/bin/snakemake --version)"
mkdir default
empty=$(run)
printf 'dry-run: true\n' >default/config.yaml
other=$(run)
none=$(run --workflow-profile none)
echo "an empty folder:             $empty"
echo "with a config.yaml:          ${other:-nothing was done, and that is no error}"
echo "--workflow-profile none:     $none"
[ "$empty" = "refused: profile directory given (default)" ]
[ "$other" = "" ]
[ "$none" = "answered" ]
# Output seen:
# an empty folder:             refused: profile directory given (default)
# with a config.yaml:          nothing was done, and that is no error
# --workflow-profile none:     answered
