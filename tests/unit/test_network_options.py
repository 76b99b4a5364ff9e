"""Every command takes every network: of ours, ONNX, TorchScript, torch.export, and weights with an architecture."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_cli import call, network, picture, pixels
from torch import nn

from seunet.cli import COMMANDS
from seunet.commands.network_options import NetworkOptions, PredictingOptions
from seunet.runtime.errors import UserError


class Red(nn.Conv2d):
    """Says the last class where an image is red, whatever the other channels say."""

    def __init__(self, in_channels: int, num_classes: int):
        super().__init__(in_channels, num_classes, 1)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[-1, 0] = 20
            self.bias.zero_()
            self.bias[-1] = -10


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, list]:
    """Return what a call names to mean one network of two classes, by the kind of its file."""
    folder, example, free = tmp_path_factory.mktemp("nets"), torch.rand(2, 3, 8, 8), torch.export.Dim.DYNAMIC
    net = Red(3, 2).eval()
    torch.save(net.state_dict(), folder / "weights.pt")
    torch.jit.trace(net, example).save(folder / "script.pt")
    program = torch.export.export(net, (example,), dynamic_shapes=({0: free, 2: free, 3: free},))
    torch.export.save(program, folder / "net.pt2")
    return {
        "state_dict": [folder / "weights.pt", "--architecture", "test_network_options:Red"],
        "torchscript": [folder / "script.pt"],
        "exported": [folder / "net.pt2"],
    }


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory) -> Path:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    net, path = Red(3, 2), tmp_path_factory.mktemp("nets") / "net.onnx"
    weights = [("w", net.weight.detach().numpy()), ("b", net.bias.detach().numpy())]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, "h", "w"])],
        [numpy_helper.from_array(value, name) for name, value in weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    told = {"classes": ["sea", "fish"], "preparation": {"image_size": [16, 16], "fit": "squash"}}
    helper.set_model_props(model, {"seunet": json.dumps(told)})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("kind", ["state_dict", "torchscript", "exported"])
def test_every_kind_of_file(files, tmp_path, kind):
    image = picture(tmp_path / "a.png")
    out = ["--output", tmp_path / "out", "--classes", "sea,fish"]
    result = call(*files[kind], image, *out)
    assert result.exit_code == 0, result.output
    assert (pixels(tmp_path / "out" / "a.png") == (pixels(image)[..., 0] >= 128)).all()
    assert "does not say the size of the training images" in result.output and "1 fish" in result.output
    result = call(*files[kind], command="info")
    assert result.exit_code == 0, result.output
    assert "2: 0 class 0, 1 class 1" in result.output and "3 channels" in result.output
    result = call(*files[kind], image, *out, command="scales")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "a_scales.png").exists()


def test_an_onnx_file_whose_metadata_say_what_it_is(onnx_file, tmp_path):
    image = picture(tmp_path / "a.png")
    result = call(onnx_file, image, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "shown at 16 × 16 pixels, as in training" in result.output and "1 fish" in result.output
    assert "0 sea, 1 fish" in call(onnx_file, command="info").output
    result = call(onnx_file, tmp_path / "new.onnx", command="export")
    assert result.exit_code == 1 and "the program of an ONNX file cannot be written anew" in result.output


def test_options_mean_in_predict_what_they_mean_in_measure(files, tmp_path):
    image = picture(tmp_path / "a.png")
    for more, channel in ([], 0), (["--channels", "bgr"], 2):
        result = call(*files["torchscript"], image, *more, "--output", tmp_path / "out", "--overwrite")
        assert result.exit_code == 0, result.output
        assert (pixels(tmp_path / "out" / "a.png") == (pixels(image)[..., channel] >= 128)).all()
    darker = ["--normalise", "0.25/1", "--tile", "8", "--margin", "2", "--overwrite"]
    assert call(*files["exported"], image, *darker, "--output", tmp_path / "out").exit_code == 0
    assert (pixels(tmp_path / "out" / "a.png") == (pixels(image)[..., 0] / 255 > 0.75)).all()


def test_a_network_of_ours_can_be_given_other_names_and_channels(tmp_path):
    folder = network(tmp_path / "net", channels=3)
    image = picture(tmp_path / "a.png")
    turned = np.asarray(pixels(image)[..., ::-1])
    from PIL import Image

    Image.fromarray(turned).save(tmp_path / "b.png")
    call(folder / "model.safetensors", image, "--channels", "bgr", "--classes", "a,b,c", "--output", tmp_path / "out")
    result = call(folder, tmp_path / "b.png", "--output", tmp_path / "out")
    assert (pixels(tmp_path / "out" / "a.png") == pixels(tmp_path / "out" / "b.png")).all()
    result = call(folder, image, "--classes", "a,b", "--output", tmp_path / "out", "--overwrite")
    assert result.exit_code == 1 and "the network has 3 classes, not 2" in result.output
    assert result.exit_code == 1 and result.output.count("\n") == 1


@pytest.mark.parametrize(("text", "names"), [(None, None), ("3", 3), ("a, b", ["a", "b"])])
def test_names_of_classes(text, names):
    assert NetworkOptions(classes=text).class_names() == names


@pytest.mark.parametrize("text", ["a,,b", "a,a", ""])
def test_what_is_no_list_of_classes_is_said(text):
    with pytest.raises(UserError, match="--classes: .* is no list of different names"):
        NetworkOptions(classes=text).class_names()


def test_the_options_are_those_of_all_commands():
    import inspect

    shared = set(NetworkOptions.__dataclass_fields__)
    for command in COMMANDS:
        names = set(inspect.signature(command).parameters)
        if command.__name__ in ("predict", "scales", "measure"):
            assert set(PredictingOptions.__dataclass_fields__) <= names
        elif command.__name__ in ("info", "export"):
            assert shared <= names
