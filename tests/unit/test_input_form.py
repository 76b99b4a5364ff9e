"""Networks that want their images in another form: channels last, batches of one size, whole numbers, fixed sides."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from test_cli import call, network
from test_network_options import Red
from torch import nn

from seunet.experiment.inference import Variant
from seunet.experiment.opening import open_variant
from seunet.models.calling import call_network
from seunet.models.declared import Declared
from seunet.models.external_loading import ExternalSpec, load_external
from seunet.models.external_network import Conventions, ExternalNetwork
from seunet.runtime.errors import UserError

IMAGES = torch.rand(6, 3, 12, 20, generator=torch.Generator().manual_seed(0))


class ChannelsLast(nn.Module):
    """Reads (N, H, W, C); answers alike, or with channels first."""

    def __init__(self, answers_alike: bool = True):
        super().__init__()
        self.red, self.answers_alike = Red(3, 2), answers_alike

    def forward(self, x):
        y = self.red(x.permute(0, 3, 1, 2))
        return y.permute(0, 2, 3, 1) if self.answers_alike else y


class BatchesOfFour(Red):
    def forward(self, x):
        return super().forward(x.reshape(4, 3, x.shape[2], x.shape[3]))


class Bytes(Red):
    def forward(self, x):
        assert x.dtype == torch.uint8
        return super().forward(x.float() / 255)


class OneSize(Red):
    """Answers with the size of its export, whatever it is given."""

    def forward(self, x):
        return super().forward(x).reshape(-1, 2, 48, 48)


def expected(images: torch.Tensor = IMAGES) -> torch.Tensor:
    return Red(3, 2)(images)


def traced(path: Path, network: nn.Module, *shape: int) -> Path:
    torch.jit.trace(network.eval(), torch.rand(shape), check_trace=False).save(path)
    return path


@pytest.mark.parametrize("answers_alike", [True, False])
def test_channels_last_are_found(tmp_path, capsys, answers_alike):
    network, about = load_external(
        traced(tmp_path / f"last{answers_alike}.pt", ChannelsLast(answers_alike), 1, 16, 16, 3), ExternalSpec()
    )
    assert torch.equal(call_network(network, IMAGES, 2), expected())
    assert (about["in_channels"], about["num_classes"]) == (3, 2)
    assert capsys.readouterr().err.count("asked with channels last, since it takes no other images") == 1


def test_a_batch_that_the_file_fixed_without_a_word_is_found(tmp_path, capsys):
    network, _ = load_external(traced(tmp_path / "four.pt", BatchesOfFour(3, 2), 4, 3, 16, 16), ExternalSpec())
    assert torch.equal(call_network(network, IMAGES, 2), expected())
    assert "four.pt: asked with batches of 4" in capsys.readouterr().err


def test_torch_export_declares_its_form(tmp_path):
    for name, module, example in (
        ("last.pt2", ChannelsLast(), torch.rand(1, 12, 20, 3)),
        ("bytes.pt2", Bytes(3, 2), torch.zeros(4, 3, 12, 20, dtype=torch.uint8)),
    ):
        torch.export.save(torch.export.export(module.eval(), (example,)), tmp_path / name)
        network, about = load_external(tmp_path / name, ExternalSpec())
        assert (about["in_channels"], about["num_classes"]) == (3, 2)
        whole = (IMAGES * 255).round() / 255
        torch.testing.assert_close(call_network(network, whole, 2), expected(whole))
    with pytest.raises(UserError, match=r"normalise: bytes.pt2 takes values from 0 to 255 .*; leave"):
        load_external(tmp_path / "bytes.pt2", ExternalSpec(conventions=Conventions(mean=0.5)))
    with pytest.raises(UserError, match="height 12 alone, not 14; export it with free height and width$"):
        call_network(network, torch.rand(1, 3, 14, 20), 2)


def onnx_model(path: Path, shape: list, kind: str = "float", layout: str = "first") -> Path:
    """Write Red as ONNX, with an input of a shape; layout "last": it transposes its input."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper, numpy_helper

    nodes, net = [], Red(3, 2)
    values = {"w": net.weight.detach().numpy(), "b": net.bias.detach().numpy(), "most": np.float32(255)}
    if kind == "uint8":
        nodes = [
            helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["f", "most"], ["i"]),
        ]
    if kind == "divided":
        nodes = [helper.make_node("Div", ["x", "most"], ["i"])]
    if layout == "last":
        nodes = [helper.make_node("Transpose", ["x"], ["i"], perm=[0, 3, 1, 2])]
    nodes.append(helper.make_node("Conv", ["i" if nodes else "x", "w", "b"], ["y"]))
    element = TensorProto.UINT8 if kind == "uint8" else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 2, "h", "w"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize(
    ("shape", "kind", "layout"),
    [
        (["n", "h", "w", 3], "float", "last"),
        ([1, 12, 20, 3], "float", "last"),
        ([4, 3, "h", "w"], "float", "first"),
        (["n", 3, "h", "w"], "uint8", "first"),
        (["n", 3, "h", "w"], "divided", "first"),
        ([None, None, None, None], "float", "last"),
    ],
)
def test_onnx_declares_its_form_or_is_tried(tmp_path, shape, kind, layout):
    network, about = load_external(onnx_model(tmp_path / "net.onnx", shape, kind, layout), ExternalSpec())
    whole = (IMAGES * 255).round() / 255
    torch.testing.assert_close(call_network(network, whole, 2), expected(whole), rtol=1e-4, atol=1e-4)
    assert (about["in_channels"], about["num_classes"]) == (3, 2)


class From255(Red):
    """Prepares its images itself, whatever their type: divides, multiplies, or takes a mean away."""

    def __init__(self, how: str):
        super().__init__(3, 2)
        self.how = how

    def forward(self, x):
        x = {
            "divides": lambda: x.float() / 255,
            "multiplies": lambda: x.permute(0, 1, 2, 3).to(torch.float32) * (1 / 255),
            "mean": lambda: (x.float() - 127.5) / 255 + 0.5,
            "not": lambda: (x - 0.5) / 0.5 * 0.5 + 0.5,
        }[self.how]()
        return super().forward(x)


@pytest.mark.parametrize("how", ["divides", "multiplies", "mean", "not"])
@pytest.mark.parametrize("kind", ["pt", "pt2"])
def test_programs_that_divide_by_255_are_given_255(tmp_path, how, kind):
    module, path = From255(how).eval(), tmp_path / f"net.{kind}"
    if kind == "pt":
        traced(path, module, 1, 3, 12, 20)
    else:
        torch.export.save(torch.export.export(module, (torch.rand(1, 3, 12, 20),)), path)
    found, _ = load_external(path, ExternalSpec())
    torch.testing.assert_close(call_network(found, IMAGES, 2), expected(), rtol=1e-3, atol=1e-3)
    assert found.declared.white == (1 if how == "not" else 255)


@pytest.mark.parametrize(
    ("shape", "last"),
    [
        (["n", 3, "h", "w"], False),
        ([1, 3, 48, 48], False),
        ([1, 48, 48, 3], True),
        (["n", "h", "w", 3], True),
        ([1, 48, 64, 1], True),
        ([1, 12, 64, 64], False),
        (["n", "c", "h", "w"], False),
        ([4, 16, 8, 8], False),
    ],
)
def test_layouts_are_read_from_shapes(shape, last):
    assert Declared.of_shapes(shape, None, torch.float32).channels_last is last


def test_fixed_sides_name_the_way(tmp_path):
    square = onnx_model(tmp_path / "square.onnx", [1, 3, 48, 48])
    way = "--tile 48 --size-multiple 48"
    with pytest.raises(UserError, match=f"takes images of height 48 alone, not 32; export it .*{way}"):
        call_network(load_external(square, ExternalSpec())[0], torch.rand(1, 3, 32, 32), 2)
    script = traced(tmp_path / "script.pt", OneSize(3, 2), 1, 3, 48, 48)
    network, _ = load_external(script, ExternalSpec())
    with pytest.raises(UserError, match=f"cannot take images of 20 × 28 pixels, but takes 48 × 48 alone; .*{way}"):
        call_network(network, torch.rand(1, 3, 20, 28), 2)
    padded, _ = load_external(script, ExternalSpec(conventions=Conventions(multiple=48)))
    assert torch.equal(call_network(padded, IMAGES, 2), expected())


def test_a_network_that_fails_in_every_form_says_its_own_error():
    network = ExternalNetwork(nn.Conv2d(5, 2, 1), Conventions(), 3, "theirs")
    with pytest.raises(UserError, match="theirs fails on images .*expected input.* 5 channels"):
        call_network(network, IMAGES, 2)


class TooSmall(Red):
    """Takes even sides from 16 on."""

    def forward(self, x):
        if min(x.shape[2:]) < 16 or x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError("Expected more than 1 spatial element")
        return super().forward(x)


def test_images_that_are_too_small_are_not_taken_for_a_multiple():
    network = ExternalNetwork(TooSmall(3, 2), Conventions(), 3, "theirs")
    with pytest.raises(UserError, match="cannot take .* 8 × 8 pixels, but takes 16 × 16: .*too small") as caught:
        call_network(network, torch.rand(1, 3, 8, 8), 2)
    assert "size_multiple" not in str(caught.value)
    with pytest.raises(UserError, match="17 × 18 pixels, but takes 18 × 18: set its size_multiple to 2 ") as caught:
        call_network(network, torch.rand(1, 3, 17, 18), 2)
    assert str(caught.value).count("size_multiple") == 1


def folder_of_images(root: Path) -> Path:
    """Write images with a red left half, and their masks."""
    for i in range(2):
        inside = np.zeros((48, 48), bool)
        inside[:, :24] = True
        pixels = np.where(inside[..., None], [230 - i, 60, 60], 60).astype(np.uint8)
        for part, content in (("images", pixels), ("masks", inside.astype(np.uint8))):
            (root / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(root / part / f"a{i}.png")
    return root


def test_fixed_sides_are_measured_at_all_scales_in_tiles(tmp_path):
    square, folder = onnx_model(tmp_path / "square.onnx", [1, 3, 48, 48]), folder_of_images(tmp_path / "mine")
    fixed = ["--scales", "0.5,2", "--tile", "48", "--size-multiple", "48", "--output", tmp_path / "out"]
    result = call(square, folder, *fixed, command="measure")
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert scores["height"].tolist() == [24, 48, 96] and scores["iou"].min() > 0.9


def test_the_option_for_other_channels_is_named(tmp_path):
    grey, colour = (SimpleNamespace(channels=n, classes=["a", "b"], height=16, width=16) for n in (1, 3))
    three = traced(tmp_path / "three.pt", Red(3, 2), 1, 3, 16, 16)
    one = traced(tmp_path / "one.pt", Red(1, 2), 1, 1, 16, 16)
    ours = network(tmp_path / "net", classes=2, channels=3)
    for weights, data, way in ((three, grey, "rgb"), (ours, grey, "rgb"), (one, colour, "grey")):
        with pytest.raises(UserError, match=f"--channels {way}") as caught:
            open_variant(weights, data, Variant(given=ExternalSpec()), "cpu")
        assert "train again" not in str(caught.value)
        opened, _ = open_variant(
            weights, data, Variant(given=ExternalSpec(conventions=Conventions(channels=way))), "cpu"
        )
        assert call_network(opened, IMAGES[:, : data.channels], 2).shape == (6, 2, 12, 20)
