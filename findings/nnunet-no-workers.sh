#!/usr/bin/env bash
# nnUNet_n_proc_DA=0 makes nnU-Net train without worker processes (its trainer compares the number with 0, and then augments
# in its own process). But with the same setting it cannot plan: it hands the number to torch.set_num_threads, which refuses
# 0. So an environment in which trainings run stops at nnUNetv2_plan_experiment with "set_num_threads expects a positive integer".
#
# Versions: nnunetv2 2.8.1, torch 2.13.0
# Date: 30 November 2026
# Who meets it: who sets the variable for good, where worker processes are not possible (small containers, debuggers).
# Here: tests/foreign/test_nnunet.py sets 1; docs/how-to/nnunet.md asks for none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet nnunetv2==2.8.1 torch==2.13.0 pillow==13.0.0
export nnUNet_raw=$folder/raw nnUNet_preprocessed=$folder/preprocessed nnUNet_results=$folder/results

env/bin/python - <<'END'
import json
from importlib.metadata import version
from pathlib import Path

import numpy
from PIL import Image

print("nnunetv2", version("nnunetv2"), "torch", version("torch"))
folder = Path("raw", "Dataset007_Discs")
rows, columns = numpy.mgrid[:64, :64]
for case in range(2):
    disc = ((rows - 30) ** 2 + (columns - 30 - case) ** 2 < 100).astype("uint8")
    for name, pixels in {f"imagesTr/d{case}_0000.png": 100 * disc + 50, f"labelsTr/d{case}.png": disc}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
description = {"channel_names": {"0": "grey"}, "labels": {"background": 0, "disc": 1}}
(folder / "dataset.json").write_text(json.dumps(description | {"numTraining": 2, "file_ending": ".png"}))
END

env/bin/nnUNetv2_extract_fingerprint -d 7 -np 1 >/dev/null 2>&1
plan() {
    nnUNet_n_proc_DA=$1 env/bin/nnUNetv2_plan_experiment -d 7 >plan.txt 2>&1 && echo planned || tail -1 plan.txt
}
zero=$(plan 0)
one=$(plan 1)
echo "nnUNet_n_proc_DA=0: $zero"
echo "nnUNet_n_proc_DA=1: $one"
[ "$one" = planned ]
[[ $zero == *"set_num_threads expects a positive integer"* ]]
# Output seen:
# nnUNet_n_proc_DA=0: RuntimeError: set_num_threads expects a positive integer
# nnUNet_n_proc_DA=1: planned
