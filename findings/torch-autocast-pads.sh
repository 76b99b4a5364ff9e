#!/usr/bin/env bash
# Under autocast to bfloat16 on a CPU, F.pad by border or mirrored pixels (mode="replicate" or "reflect") copies a bfloat16 map to
# float32, pads that, and returns float32; with zeros or in a circle (mode="constant" or "circular") it stays bfloat16. Padding only
# copies numbers. So in Conv2d(padding_mode="replicate" or "reflect") each layer converts its map twice, there and back.
#
# Versions: torch 2.13.0 (CPU)
# Date: 1 December 2026
# Who meets it: whoever predicts or trains in bfloat16 on a CPU with such borders. On a processor that computes in bfloat16, seven
# convolutions gain three times with zeros, and 1.9 with such borders; our pyramid's training step gained 1.30 times, and 1.42
# without the copies.
# Here: maps are continued outside of autocast (seunet/ops/lattice.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet torch==2.13.0 numpy==2.4.6

env/bin/python - <<'END' 2>/dev/null
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import profile

LAYERS = 6


def timed(function, x):
    start = time.perf_counter()
    function(x)
    return time.perf_counter() - start


print("torch", torch.__version__)
torch.set_num_threads(1)
x = torch.rand(4, 16, 256, 256).to(memory_format=torch.channels_last)
types, copies = {}, {}
for mode in ("zeros", "circular", "replicate", "reflect"):
    first, *others = (nn.Conv2d(16, 16, 3, padding=1, padding_mode=mode if i else "zeros") for i in range(LAYERS + 1))
    network = nn.Sequential(first, *others).to(memory_format=torch.channels_last)
    seconds = {}
    for low in (False, True):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=low):
            network(x)
            with profile() as record:
                network(x)
            copies[mode] = sum(event.count for event in record.key_averages() if event.key == "aten::_to_copy")
            seconds[low] = min(timed(network, x) for _ in range(9))
    with torch.autocast("cpu", torch.bfloat16):
        types[mode] = F.pad(x.bfloat16(), (1, 1, 1, 1), mode="constant" if mode == "zeros" else mode).dtype
    ratio = seconds[False] / seconds[True]
    print(f"{mode}: a padded bfloat16 map is {types[mode]}; {copies[mode]} conversions; float32 / bfloat16 time {ratio:.1f}")
assert types["zeros"] == types["circular"] == torch.bfloat16, types
assert types["replicate"] == types["reflect"] == torch.float32, types
assert copies["circular"] == copies["zeros"], copies
assert copies["replicate"] == copies["reflect"] == copies["zeros"] + 2 * LAYERS, copies
END
# Output seen, two processes beside it:
# torch 2.13.0+cpu
# zeros: a padded bfloat16 map is torch.bfloat16; 1 conversions; float32 / bfloat16 time 3.3
# circular: a padded bfloat16 map is torch.bfloat16; 1 conversions; float32 / bfloat16 time 2.9
# replicate: a padded bfloat16 map is torch.float32; 13 conversions; float32 / bfloat16 time 1.9
# reflect: a padded bfloat16 map is torch.float32; 13 conversions; float32 / bfloat16 time 1.8
