"""Networks that were not trained here: how they are asked, and the files that they come in."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seunet.models import build_model, channel_arguments
from seunet.models.calling import call_network
from seunet.models.checkpoint import save_model
from seunet.models.external_loading import ExternalSpec, load_external
from seunet.models.external_network import Conventions, ExternalNetwork
from seunet.runtime.errors import UserError

IMAGES = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))


class Stand(nn.Module):
    """A stand-in for a network of other people."""

    def __init__(self, in_channels: int, num_classes: int, width: int = 4):
        super().__init__()
        self.first, self.last = nn.Conv2d(in_channels, width, 3, padding=1), nn.Conv2d(width, num_classes, 1)

    def forward(self, x):
        return self.last(self.first(x).relu())


class Theirs(Stand):
    """The same with other names for its channels."""

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels)


def stand(in_channels: int = 3, num_classes: int = 2) -> Stand:
    torch.manual_seed(0)
    return Stand(in_channels, num_classes).eval()


def logits_of(network, images=IMAGES, classes=2, **conventions) -> torch.Tensor:
    return call_network(
        ExternalNetwork(network, Conventions(**conventions), images.shape[1], "theirs"), images, classes
    )


# How it is asked


def test_normalised_in_the_order_of_the_network():
    mean, std = (0.4, 0.5, 0.6), (0.1, 0.2, 0.3)
    shifted = (IMAGES.flip(1) - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    network = stand()
    torch.testing.assert_close(logits_of(network, mean=mean, std=std, channels="bgr"), network(shifted))
    torch.testing.assert_close(logits_of(network, mean=0.5, std=0.5), network(IMAGES * 2 - 1))


def test_grey_images_for_networks_of_colour_and_the_reverse():
    network, grey = stand(), IMAGES[:, :1]
    torch.testing.assert_close(logits_of(network, grey, channels="rgb"), network(grey.expand(-1, 3, -1, -1)))
    mixed = (IMAGES * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    torch.testing.assert_close(logits_of(stand(1), channels="grey"), stand(1)(mixed))


def test_probabilities_are_logits_again():
    network = stand()
    softmax = nn.Sequential(network, nn.Softmax(1))
    torch.testing.assert_close(logits_of(softmax, output="probabilities"), network(IMAGES).log_softmax(1))
    with pytest.raises(UserError, match="output: probabilities lie in .* theirs returned values from .* logits"):
        logits_of(network, output="probabilities")


@pytest.mark.parametrize("inside", [True, False])
def test_one_channel_is_the_second_of_two_classes(inside, capsys):
    network = stand(num_classes=1)
    answer = logits_of(nn.Sequential(network, nn.Sigmoid()) if inside else network, output="sigmoid")
    assert answer.shape == (2, 2, 16, 24)
    torch.testing.assert_close(answer.softmax(1)[:, 1:], network(IMAGES).sigmoid())
    assert ("read as probabilities" in capsys.readouterr().err) == inside


def test_one_channel_that_changes_its_meaning_is_refused():
    network = ExternalNetwork(nn.Identity(), Conventions(output="sigmoid"), 1, "theirs")
    call_network(network, IMAGES[:, :1], 2)
    with pytest.raises(UserError, match=r"in \[0, 1\] first and now others, from -2.97 to "):
        call_network(network, IMAGES[:, :1] - 3 * torch.eye(16, 24), 2)


def test_more_channels_are_no_sigmoid_and_no_channel_is_no_logits():
    with pytest.raises(UserError, match="output: sigmoid means one channel for two classes, but theirs returned"):
        logits_of(stand(), output="sigmoid")
    with pytest.raises(UserError, match="the network theirs returned .* 1 channel.* output: sigmoid"):
        logits_of(stand(num_classes=1))
    with pytest.raises(UserError, match="theirs returned a dict with the keys out"):
        logits_of(lambda_network(lambda x: {"out": x}), output="probabilities")


def lambda_network(function) -> nn.Module:
    network = nn.Identity()
    network.forward = function
    return network


@pytest.mark.parametrize(
    ("conventions", "part"),
    [
        ({"mean": (123.7, 116.3, 103.5)}, "normalise.mean: .* divide what is meant for 0 to 255 by 255"),
        ({"std": 0.0}, "normalise.std: 0.0"),
        ({"mean": (0.1, 0.2)}, "normalise.mean: 2 numbers for 3"),
        ({"channels": "gbr"}, "channels: 'gbr' is not known; choose one of rgb, bgr, grey"),
        ({"output": "softmax"}, "output: 'softmax' is not known; choose one of logits, probabilities, sigmoid"),
    ],
)
def test_wrong_conventions_are_refused(conventions, part):
    with pytest.raises(UserError, match=part):
        logits_of(stand(), **conventions)


def test_a_declared_multiple_pads():
    network = nn.Sequential(nn.MaxPool2d(8), nn.Upsample(scale_factor=8))
    assert logits_of(network, IMAGES[:, :2, :, :20], multiple=8).shape == (2, 2, 16, 20)
    with pytest.raises(UserError, match="theirs cannot take images of 16 × 20 pixels, but takes 16 × 24"):
        logits_of(network, IMAGES[:, :2, :, :20])


# The files that it comes in


def given(path: Path, architecture="test_external:Stand", classes=2, **settings) -> torch.Tensor:
    network, _ = load_external(path, ExternalSpec.read({"architecture": architecture} | settings), 3, classes)
    assert not network.training
    return call_network(network, IMAGES, classes)


WRAPPED = {
    "plain": lambda weights: weights,
    "trainer": lambda weights: {"epoch": 3, "state_dict": weights},
    "parallel": lambda weights: {f"module.{name}": value for name, value in weights.items()},
    "lightning": lambda weights: {"state_dict": {f"model.net.{name}": value for name, value in weights.items()}},
}


@pytest.mark.parametrize("wrapped", WRAPPED)
def test_weights_of_torch_save(tmp_path, wrapped):
    torch.save(WRAPPED[wrapped](stand().state_dict()), tmp_path / "w.pt")
    assert torch.equal(given(tmp_path / "w.pt"), stand()(IMAGES))


def test_safetensors_with_options(tmp_path):
    torch.manual_seed(1)
    network = Stand(3, 2, width=7)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    assert torch.equal(given(tmp_path / "w.safetensors", options={"width": 7}), network(IMAGES))


def test_names_of_channels_of_other_people(tmp_path):
    torch.save(stand().state_dict(), tmp_path / "w.pt")
    found = given(tmp_path / "w.pt", "test_external:Theirs", options={"spatial_dims": 2})
    assert torch.equal(found, stand()(IMAGES))
    assert channel_arguments(lambda **any: None, 3, 2) == {"in_channels": 3, "num_classes": 2}
    with pytest.raises(UserError, match="has no argument num_classes .*out_channels"):
        channel_arguments(lambda in_channels: None, 3, 2)


class Plain(Stand):
    """Takes its layers as classes, as many architectures of other people do, under names of their own."""

    def __init__(self, input_channels: int, conv_op: type[nn.Module], num_classes: int):
        super().__init__(input_channels, num_classes)
        self.last = conv_op(4, num_classes, 1)


class Odd(Stand):
    def __init__(self, planes: int, answers: int):
        super().__init__(planes, answers)


def test_options_may_name_classes_and_channels_by_other_names(tmp_path):
    torch.save(stand().state_dict(), tmp_path / "w.pt")
    found = given(tmp_path / "w.pt", "test_external:Plain", options={"conv_op": "torch.nn:Conv2d"})
    assert torch.equal(found, stand()(IMAGES))
    assert torch.equal(given(tmp_path / "w.pt", "test_external:Odd", options={"planes": 3, "answers": 2}), found)
    with pytest.raises(UserError, match="Odd has no argument in_channels .* give it as an option by the name"):
        given(tmp_path / "w.pt", "test_external:Odd", options={"planes": 3})
    with pytest.raises(UserError, match="options.conv_op: 'torch.nn:Conv5d' cannot be imported"):
        given(tmp_path / "w.pt", "test_external:Plain", options={"conv_op": "torch.nn:Conv5d"})


def test_the_network_of_nnunet_and_its_checkpoint(tmp_path):
    pytest.importorskip("dynamic_network_architectures")
    options = {"n_stages": 2, "features_per_stage": [4, 8], "conv_op": "torch.nn:Conv2d", "kernel_sizes": 3}
    options |= {"strides": [1, 2], "n_conv_per_stage": 1, "n_conv_per_stage_decoder": 1, "norm_op": None}
    architecture = "dynamic_network_architectures.architectures.unet:PlainConvUNet"
    network = build_model(architecture, 3, 2, **options).eval()
    torch.save({"network_weights": network.state_dict(), "logging": [np.float64(0.5)]}, tmp_path / "checkpoint.pth")
    assert torch.equal(given(tmp_path / "checkpoint.pth", architecture, options=options), network(IMAGES))


def test_torchscript(tmp_path):
    torch.jit.script(stand()).save(tmp_path / "w.pt")
    torch.testing.assert_close(given(tmp_path / "w.pt", architecture=None), stand()(IMAGES))
    with pytest.raises(UserError, match="torchscript, which holds its own network; leave the architecture out"):
        given(tmp_path / "w.pt")


def test_torch_export(tmp_path):
    free = torch.export.Dim.DYNAMIC
    program = torch.export.export(stand(), (IMAGES,), dynamic_shapes=({0: free, 2: free, 3: free},))
    torch.export.save(program, tmp_path / "w.pt2")
    torch.testing.assert_close(given(tmp_path / "w.pt2", architecture=None), stand()(IMAGES))


@pytest.mark.slow
@pytest.mark.parametrize("free", [True, False])
def test_onnx(tmp_path, free):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path / "w.onnx"
    dynamic = {"dynamic_shapes": ({0: "n", 2: "h", 3: "w"},)} if free else {}
    torch.onnx.export(stand(), (IMAGES[: 2 if free else 1],), path, dynamo=True, **dynamic)
    torch.testing.assert_close(given(path, architecture=None), stand()(IMAGES), rtol=1e-4, atol=1e-4)
    if not free:
        network, _ = load_external(path, ExternalSpec(), 3, 2)
        with pytest.raises(UserError, match="takes images of height 16 alone, not 32; export it with free height"):
            call_network(network, torch.rand(1, 3, 32, 24), 2)


def test_onnx_without_onnxruntime_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    (tmp_path / "w.onnx").write_bytes(b"")
    with pytest.raises(UserError, match=r"need onnxruntime; pip install 'seunet\[export\]'"):
        given(tmp_path / "w.onnx", architecture=None)


@pytest.mark.parametrize("name", ["", "model.safetensors"])
def test_a_network_that_was_trained_here(tmp_path, name):
    torch.manual_seed(0)
    options = {"width": 2, "depth": 1}
    network = build_model("unet", 3, 2, **options).eval()
    description = {"architecture": "unet", "in_channels": 3, "num_classes": 2, "options": options}
    save_model(tmp_path / "net", network, description)
    path = tmp_path / "net" / name
    assert torch.equal(given(path, architecture=None), network(IMAGES))
    loaded, found = load_external(path, ExternalSpec(), 3, 2)
    assert type(loaded) is type(network) and found["options"] == options


class Pickled(nn.Module):
    pass


@pytest.mark.parametrize(
    ("write", "part"),
    [
        (lambda path: torch.save(Pickled(), path), "holds other things than tensors, .* run any code"),
        (lambda path: torch.save({"epoch": 3, "step": 5}, path), "no state_dict in it, but epoch, step"),
        (lambda path: path.write_bytes(b"no weights"), "w.pt: no file of weights; name one of"),
        (lambda path: torch.save(stand().state_dict() | {"more.weight": torch.zeros(1)}, path), "do not fit .*more.w"),
        (lambda path: torch.save(stand(num_classes=3).state_dict(), path), "do not fit Stand: size mismatch for last"),
        (lambda path: path.mkdir(), "w.pt.*: no such file|a folder"),
        (lambda path: None, "no such file"),
    ],
)
def test_bad_files_are_one_line(tmp_path, write, part):
    write(tmp_path / "w.pt")
    with pytest.raises(UserError, match=part) as caught:
        given(tmp_path / "w.pt")
    assert len(str(caught.value).splitlines()) == 1 and "w.pt" in str(caught.value)


@pytest.mark.parametrize(("key", "prefix"), [("model", None), (None, "net.")])
def test_places_in_a_checkpoint_are_refused_for_whole_networks(tmp_path, key, prefix):
    torch.jit.script(stand()).save(tmp_path / "w.pt")
    with pytest.raises(UserError, match="holds a whole network; key and prefix choose among"):
        load_external(tmp_path / "w.pt", ExternalSpec(key=key, prefix=prefix))


def test_what_holds_no_weights_is_not_asked_for_an_architecture(tmp_path):
    for name, content in {
        "photo.png": b"\x89PNG and more",
        "photo.jpg": b"\xff\xd8\xff\xe0",
        "a.txt": b"words",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name}: no file of weights; name one of"):
            given(tmp_path / name, architecture=None)


def test_weights_alone_need_an_architecture(tmp_path):
    save_file(stand().state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="holds weights alone; name the architecture"):
        given(tmp_path / "w.safetensors", architecture=None)
    (tmp_path / "w.onnx").write_bytes(np.zeros(9).tobytes())


@pytest.mark.parametrize(
    ("factory", "part"),
    [
        ("Raising", "cannot be built: ValueError: no such encoder"),
        ("returning", "returns a str; a torch.nn.Module is asked"),
    ],
)
def test_factories_that_build_nothing_are_one_line(factory, part):
    with pytest.raises(UserError, match=part):
        build_model(f"test_external:{factory}", 3, 2)


def returning(in_channels: int, num_classes: int) -> str:
    return "a network"


class Raising(nn.Module):
    def __init__(self, in_channels: int, num_classes: int):
        raise ValueError("no such encoder")
