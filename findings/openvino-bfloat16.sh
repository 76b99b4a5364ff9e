#!/usr/bin/env bash
# OpenVINO computes a float32 network in bfloat16, without a word, on processors that have its instructions (Intel since Cooper
# Lake and Sapphire Rapids, AMD since Zen 4): the same file has other answers on another machine, off by 1e-3 to 1e-2 of the
# largest value. With INFERENCE_PRECISION_HINT f32 they are those of onnxruntime.
#
# Versions: openvino 2026.4.1, onnx 1.23.2, onnxruntime 1.32.0
# Date: 30 November 2026
# Who meets it: whoever compares an exported network with its original, or scores of two machines.
# Here: `seunet export` compares its files by onnxruntime, which computes what the file says.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0

env/bin/python - <<'END'
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("openvino", openvino.__version__.split("-")[0])
draw = np.random.default_rng(0)
nodes, weights, last = [], [], "image"
for i, channels in enumerate([3, 16, 16, 16]):
    weights.append(numpy_helper.from_array(draw.normal(0, 0.1, (16, channels, 3, 3)).astype("f4"), f"weight{i}"))
    nodes.append(helper.make_node("Conv", [last, f"weight{i}"], [f"map{i}"], pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("Relu", [f"map{i}"], [last := f"positive{i}"]))
floats = lambda name, channels: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, 64, 64])
graph = helper.make_graph(nodes, "network", [floats("image", 3)], [floats(last, 16)], weights)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), "network.onnx")

image = draw.random((1, 3, 64, 64), dtype="f4")
expected = onnxruntime.InferenceSession("network.onnx").run(None, {"image": image})[0]
off, precision = {}, {}
for name, options in {"default": {}, "f32": {"INFERENCE_PRECISION_HINT": "f32"}}.items():
    network = openvino.Core().compile_model("network.onnx", "CPU", options)
    off[name] = abs(network(image)[0] - expected).max() / abs(expected).max()
    precision[name] = network.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    print(f"{name}: computes in {precision[name]}, {off[name]:.0e} of the largest value off onnxruntime")
assert off["f32"] < 1e-5
if Path("/proc/cpuinfo").exists() and "bf16" in Path("/proc/cpuinfo").read_text():
    assert precision["default"] == "bf16" and off["default"] > 1e-3
else:
    print("This processor has no bfloat16; nothing to see here.")
END
# Output seen, on a processor with avx512_bf16:
# default: computes in bf16, 5e-03 of the largest value off onnxruntime
# f32: computes in f32, 6e-07 of the largest value off onnxruntime
