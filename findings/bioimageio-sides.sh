#!/usr/bin/env bash
# A model of bioimage.io whose ONNX file takes any size says for its axes "at least 16, then steps of 4". bioimageio.core refuses
# an array or image file of other sides, 45 x 39, with "Array shape … does not map to axes": its words are of axes, it means
# sides, and it pads nothing. The same pixels as a Sample of tensors are predicted: sides are not looked at there.
#
# Versions: bioimageio.core 0.11.0, bioimageio.spec 0.5.12.0 with pydantic 2.13.5 (it needs one below 2.14), onnx 1.23.2, onnxruntime 1.32.0
# Date: 30 November 2026
# Who meets it: whoever predicts with a packaged model on images that are no multiples. Way out: pad or crop to
# min + n * step, or give a Sample.
# Here: packages of `seunet export` answer at sizes off their step, too, and say so (seunet/integrations/bioimageio.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv env
env/bin/pip install --quiet bioimageio.core==0.11.0 bioimageio.spec==0.5.12.0 pydantic==2.13.5 onnx==1.23.2 onnxruntime==1.32.0
export BIOIMAGEIO_CACHE_PATH=$folder/cache

env/bin/python -W ignore - <<'END' 2>/dev/null
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from bioimageio.core import Sample, Tensor, predict
from bioimageio.spec import load_description
from onnx import TensorProto, helper

print("bioimageio.core", version("bioimageio.core"), "bioimageio.spec", version("bioimageio.spec"))
free = ["b", 1, "h", "w"]
double = helper.make_node("Add", ["image", "image"], ["double"])
values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, free) for name in ("image", "double")]
graph = helper.make_graph([double], "double", values[:1], values[1:])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "double.onnx")
image = np.random.default_rng(0).random((1, 1, 16, 16), dtype=np.float32)
np.save("image.npy", image)
np.save("double.npy", 2 * image)
Path("README.md").write_text("# Double\n\nTwice the image.\n\n## Validation\n\nNone.\n")


def tensor(name, size):
    sides = "".join(f"\n  - {{type: space, id: {axis}, size: {size(axis)}}}" for axis in "yx")
    return f"""- id: {name}
  axes:
  - {{type: batch}}
  - {{type: channel, channel_names: [grey]}}{sides}
  test_tensor: {{source: {name}.npy, sha256: {sha256(Path(name + ".npy").read_bytes()).hexdigest()}}}
"""


weights = sha256(Path("double.onnx").read_bytes()).hexdigest()
Path("rdf.yaml").write_text(f"""format_version: 0.5.5
type: model
name: double
description: twice the image
authors: [{{name: somebody, github_user: bioimageiobot}}]
cite: [{{text: none, doi: 10.1234/something}}]
license: MIT
documentation: README.md
inputs:
{tensor("image", lambda axis: "{min: 16, step: 4}")}outputs:
{tensor("double", lambda axis: f"{{tensor_id: image, axis_id: {axis}}}")}weights:
  onnx: {{source: double.onnx, sha256: {weights}, opset_version: 17}}
""")
model = load_description("rdf.yaml")
pixels = np.random.default_rng(1).random((1, 1, 45, 39), dtype=np.float32)


def asked(inputs):
    try:
        answer = predict(model=model, inputs=inputs)
        return f"answers {answer.members['double'].data.shape}"
    except ValueError as error:
        return f"{type(error).__name__}: {str(error)[:58]}"


off, fitting = asked({"image": pixels}), asked({"image": pixels[..., :44, :36]})
tensors = Sample(members={"image": Tensor(pixels, dims=("batch", "channel", "y", "x"))}, stat={}, id="one")
as_sample = asked(tensors)
print("array of 45 x 39:", off)
print("array of 44 x 36:", fitting)
print("sample of 45 x 39:", as_sample)
assert "does not map to axes" in off and "(1, 1, 44, 36)" in fitting and "(1, 1, 45, 39)" in as_sample
END
# Output seen:
# array of 45 x 39: ValueError: Array shape (1, 1, 45, 39) does not map to axes [AxisInfo(
# array of 44 x 36: answers (1, 1, 44, 36)
# sample of 45 x 39: answers (1, 1, 45, 39)
