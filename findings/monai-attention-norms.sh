#!/usr/bin/env bash
# MONAI's AttentionUnet names batch norm in its blocks, upsamplings and attention, and has no argument for another norm. But the
# convolutions that merge an upsampled map with its skip name none, and get MONAI's default: instance norm without parameters,
# and PReLU. So in evaluation mode, too, every output depends on every pixel of the image: a far corner of the image changes the
# answer in another, where a network with batch norm alone has the same numbers. Tiles of an image are answered otherwise than the whole.
#
# Versions: monai 1.6.1, torch 2.13.0 (CPU)
# Date: 1 December 2026
# Who meets it: whoever predicts tile by tile, or compares norms: on cells shown four times larger than in training, the network
# keeps .55 to .59 IoU, and .03 to .06 with batch norm in these convolutions, too.
# Here: docs/leaderboard.md says what these norms do; networks of other people are asked about whole images unless `tile` is set.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet torch==2.13.0 numpy==2.4.6 monai==1.6.1

env/bin/python -W ignore - <<'END'
from importlib.metadata import version

import torch
from monai.networks.nets import AttentionUnet
from torch import nn

print("monai", version("monai"), "torch", version("torch"))
torch.manual_seed(0)
network = AttentionUnet(2, 3, 2, (8, 16, 32), (2, 2)).eval()
norms = {name: type(module).__name__ for name, module in network.named_modules() if "Norm" in type(module).__name__}
instance = [name for name, kind in norms.items() if kind == "InstanceNorm2d"]
print(sum(kind == "BatchNorm2d" for kind in norms.values()), "batch norms; instance norms:", *instance)
assert len(instance) == 2 and all(".merge." in name for name in instance), norms

image = torch.rand(1, 3, 256, 256)
other = image.clone()
other[..., -64:, -64:] = 0  # a corner
with torch.no_grad():
    change = (network(image) - network(other))[..., :64, :64].abs().max().item()
print(f"changing one corner of the image changes the opposite one by {change:.3f}")
assert change > 1e-4, change

for parent in list(network.modules()):
    for name, child in parent.named_children():
        if isinstance(child, nn.InstanceNorm2d):
            setattr(parent, name, nn.BatchNorm2d(child.num_features).eval())
with torch.no_grad():
    change = (network(image) - network(other))[..., :64, :64].abs().max().item()
print(f"with batch norm in these convolutions: by {change:.3f}")
assert change == 0, change
END
# Output seen:
# monai 1.6.1 torch 2.13.0+cpu
# 14 batch norms; instance norms: model.1.merge.adn.N model.1.submodule.1.merge.adn.N
# changing one corner of the image changes the opposite one by 0.008
# with batch norm in these convolutions: by 0.000
