"""bioimageio.core 0.11.0 tests our packages and predicts with them; what its library writes is read here.

In an environment of its own, from a clone (neither `make test` nor `make test-all` runs it; it skips without
bioimageio.core):

    python3 -m venv .venv-bioimageio
    .venv-bioimageio/bin/pip install -e '.[export]' pytest bioimageio.core==0.11.0 'pydantic<2.14'
    .venv-bioimageio/bin/python -m pytest tests/foreign/test_bioimageio.py
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seunet.experiment.inference import predict
from seunet.integrations.bioimageio import export_package
from seunet.models import build_model
from seunet.models.calling import run_padded
from seunet.models.external_loading import ExternalSpec, load_external

pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(importlib.util.find_spec("bioimageio") is None, reason="bioimageio.core is not installed here"),
    pytest.mark.filterwarnings("default"),
]
U_SHAPE = {"width": 2, "depth": 2}
WINDOWS = {"num_scales": 1, "scales_in_training": 2, "scales_at_test": 3, "windows": "information"}
NETWORKS = {
    "unet": ("unet", U_SHAPE, None),
    "unet-value-range": ("unet", U_SHAPE, [100, 4000]),
    "windows": ("seunet", U_SHAPE | {"geometry": "exact", "layout": "pyramid"} | WINDOWS, None),
}
CLASSES = ["background", "optic disc", "2 cups"]


def network(name: str) -> nn.Module:
    """Return a network whose answers are neither all one class nor small."""
    torch.manual_seed(0)
    architecture, options, _ = NETWORKS[name]
    model = build_model(architecture, 3, 3, **options)
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(4, 3, 32, 32))
        model.classifier.weight *= 20
    return model.eval()


@pytest.fixture(scope="module", params=NETWORKS)
def packaged(request, tmp_path_factory) -> tuple[str, Path]:
    path = tmp_path_factory.mktemp("packages") / "net.zip"
    value_range = NETWORKS[request.param][2]
    preparation = {"image_size": [32, 32]} | ({"value_range": value_range} if value_range else {})
    export_package(network(request.param), path, (1, 3, 32, 32), CLASSES, {"preparation": preparation})
    return request.param, path


def test_the_package_passes_its_test(packaged):
    from bioimageio.core import test_model

    summary = test_model(packaged[1])
    assert summary.status == "passed", summary.format()
    assert sum("size parameter" in detail.name for detail in summary.details) == 6  # two batches, three sizes


def test_its_predictions_are_ours_off_the_step_too(packaged):
    from bioimageio.core import load_model_description
    from bioimageio.core import predict as predicted
    from bioimageio.core.sample import Sample
    from bioimageio.core.tensor import Tensor

    name, path = packaged
    low, high = NETWORKS[name][2] or (0, 255)
    model, description = network(name), load_model_description(path)
    step = description.inputs[0].axes[2].size.step
    for size in [(48, 64), (45, 39)]:
        image = torch.randint(low, high + 1, (1, 3, *size)).float()
        tensor = Tensor(image.numpy(), dims=("batch", "channel", "y", "x"))
        sample = Sample(members={"image": tensor}, stat={}, id="a")
        answer = predicted(model=description, inputs=sample).members["probabilities"].data.to_numpy()
        right = run_padded(model, (image - low) / (high - low), step).softmax(1)
        np.testing.assert_allclose(answer, right.detach(), atol=1e-4)


PREPROCESSING = {
    "own": {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}},
    "percentiles": {"id": "scale_range", "kwargs": {"axes": ["y", "x"], "min_percentile": 1, "max_percentile": 99.8}},
    "fixed": {
        "id": "fixed_zero_mean_unit_variance",
        "kwargs": {"axis": "channel", "mean": [90, 100, 110], "std": [40, 50, 60]},
    },
}


@pytest.mark.parametrize("name", PREPROCESSING)
def test_what_its_library_writes_is_answered_as_by_it(name, tmp_path):
    import onnx
    from bioimageio.core import predict as predicted
    from bioimageio.spec import save_bioimageio_package
    from bioimageio.spec.model.v0_5 import ModelDescr
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype("float32")
    shape = ["n", 3, "h", "w"]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, "h", "w"])],
        [numpy_helper.from_array(weight, "w")],
    )
    file = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
    image = np.random.default_rng(1).integers(0, 256, (1, 3, 24, 32)).astype("uint8")
    np.save(tmp_path / "in.npy", image)
    batch, space = {"type": "batch"}, [{"type": "space", "id": axis, "size": {"min": 8, "step": 8}} for axis in "yx"]
    taken = {
        "axes": [batch, {"type": "channel", "channel_names": ["red", "green", "blue"]}, *space],
        "data": {"type": "uint8"},
        "preprocessing": [{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}, PREPROCESSING[name]]
        + [{"id": "ensure_dtype", "kwargs": {"dtype": "float32"}}],
    }
    returned = {
        "axes": [
            batch,
            {"type": "channel", "channel_names": ["sea", "fish"]},
            *({"type": "space", "id": axis, "size": {"tensor_id": "input", "axis_id": axis}} for axis in "yx"),
        ],
    }
    model = ModelDescr(
        name="a network",
        description="",
        authors=[],
        cite=[],
        license=None,
        format_version="0.5.12",
        type="model",
        inputs=[taken],
        outputs=[returned],
        weights={"onnx": {"source": file, "opset_version": 17}},
    )
    path = Path(save_bioimageio_package(model, output_path=tmp_path / "net.zip"))
    right = predicted(model=path, inputs={"input": image}).members["output"].data.to_numpy()
    ours, description = load_external(path, ExternalSpec())
    assert description["classes"] == ["sea", "fish"]
    answer = predict(ours, torch.from_numpy(image).float() / 255)
    np.testing.assert_allclose(answer, right, rtol=1e-3, atol=1e-3)
