#!/usr/bin/env bash
# torch.compile cannot differentiate a network that continues its maps by border pixels before a convolution (F.pad with
# mode="replicate", then conv2d): the backward pass raises an AssertionError about strides. Eager mode is right, and so is the
# forward pass. The mode "reflect" compiles.
#
# Versions: torch 2.13.0 (CPU; a C++ compiler must be there)
# Date: 30 November 2026
# Who meets it: whoever compiles the training of a network whose padding is by border pixels. Conv2d(padding_mode="replicate")
# takes the same way.
# Here: a map that torch traces or compiles is continued by indices (seunet/ops/lattice.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet torch==2.13.0 numpy==2.4.6

TORCHINDUCTOR_CACHE_DIR="$folder" env/bin/python - <<'END'
import torch
from torch.nn import functional as F

print("torch", torch.__version__)
torch.manual_seed(0)
image = torch.rand(1, 4, 8, 8)
weight = torch.rand(4, 4, 3, 3, requires_grad=True)


def gradient(mode, compiled):
    def loss(image, weight):
        return F.conv2d(F.pad(image, (1, 1, 1, 1), mode=mode), weight).square().sum()

    first = torch.nn.Parameter(image)
    return torch.autograd.grad((torch.compile(loss) if compiled else loss)(first, weight), (first, weight))


seen = {}
for mode in ("reflect", "replicate"):
    eager = gradient(mode, compiled=False)
    try:
        torch.testing.assert_close(gradient(mode, compiled=True), eager)
        seen[mode] = "the gradient of eager mode"
    except AssertionError as error:
        seen[mode] = f"AssertionError: {str(error).splitlines()[0]}"
    print(f"{mode}, compiled: {seen[mode]}")
assert seen["reflect"] == "the gradient of eager mode"
assert "stride" in seen["replicate"], seen
END
# Output seen:
# reflect, compiled: the gradient of eager mode
# replicate, compiled: AssertionError: expected size 4==4, stride 1==64 at dim=1; expected size 8==8, stride 32==8 at dim=2; …
