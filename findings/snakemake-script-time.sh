#!/usr/bin/env bash
# Snakemake runs a finished rule again because the file of its script is newer, though not a byte of it has changed: it says
# "Code has changed since last execution". A checkout or a copy of a project gives all scripts new times, and so repeats
# finished work. When a module that the script imports really changes, nothing runs again.
#
# Versions: snakemake 9.27.0
# Date: 30 November 2026
# Who meets it: who clones or copies a project beside its results, and who edits a helper of a script.
# Here: a digest of the code that a script runs is a parameter of its rule, and its time counts for nothing
# (seunet/runtime/sources.py, seunet/config/triggers.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet snakemake==9.27.0
cat >Snakefile <<'END'
rule all:
    output: "answer.txt"
    script: "script.py"
END
cat >script.py <<'END'
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))
from helper import ANSWER

Path(snakemake.output[0]).write_text(ANSWER)
END
echo 'ANSWER = "forty-two"' >helper.py
export HOME=$folder

why() { # a finished rule would run again; nothing where it would not
    env/bin/snakemake --cores 1 --dry-run 2>&1 | grep -m 1 -o "Code has changed since last execution" || echo "nothing to do"
}

echo "snakemake $(env/bin/snakemake --version)"
env/bin/snakemake --cores 1 >/dev/null 2>&1
sleep 1.1
echo 'ANSWER = "forty-three"' >helper.py
helper=$(why)
touch script.py
script=$(why)
echo "another helper: $helper"
echo "the same script, with a new time: $script"
[ "$helper" = "nothing to do" ]
[ "$script" = "Code has changed since last execution" ]
# Output seen:
# another helper: nothing to do
# the same script, with a new time: Code has changed since last execution
