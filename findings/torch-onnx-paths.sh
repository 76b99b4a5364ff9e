#!/usr/bin/env bash
# An ONNX file that torch.onnx.export writes names folders of the machine that wrote it: every node carries the Python stack
# trace of its export (metadata "pkg.torch.onnx.stack_trace"), with absolute paths and lines of the author's source code. No
# option leaves them out. In a network of many nodes they are most of the file beside the weights.
#
# Versions: torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2
# Date: 30 November 2026
# Who meets it: whoever publishes an exported network (user names, project folders and code go with it).
# Here: `seunet export` removes the metadata of all nodes (seunet/models/export.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet torch==2.13.0 numpy==2.4.6 onnx==1.23.2 onnxscript==0.7.2
mkdir private
cat >private/network.py <<'END'
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(8))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()  # a remark of the author
        return x
END

env/bin/python -W ignore - <<'END'
import sys
from pathlib import Path

import onnx
import torch

sys.path.insert(0, "private")
from network import Network

print("torch", torch.__version__)
torch.onnx.export(Network().eval(), (torch.rand(1, 3, 8, 8),), "network.onnx", dynamo=True, external_data=False)
model = onnx.load("network.onnx")
before = Path("network.onnx").stat().st_size
traces = [entry.value for node in model.graph.node for entry in node.metadata_props if "stack_trace" in entry.key]
print(f"{len(model.graph.node)} nodes, {len(traces)} stack traces; the first:", traces[0], sep="\n")
for part in [model.graph, *model.graph.node, *model.graph.value_info]:
    del part.metadata_props[:]
onnx.save(model, "clean.onnx")
print(f"{before} bytes; {Path('clean.onnx').stat().st_size} without them")
assert len(traces) == len(model.graph.node)
assert any(str(Path("private", "network.py").resolve()) in trace for trace in traces)
END
# Output seen:
# 16 nodes, 16 stack traces; the first:
# File "/tmp/…/private/network.py", line 11, in forward
#     x = layer(x).relu()  # a remark of the author
#   File "/tmp/…/env/lib/python3.11/site-packages/torch/nn/modules/conv.py", line 565, in forward
#     return self._conv_forward(input, self.weight, self.bias)
# 17811 bytes; 4036 without them
