"""Checkpoints of trainers: the one group of tensors that fits is found, and nothing else of a file is run."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seunet.models.external_loading import ExternalSpec, load_external
from seunet.runtime.errors import UserError


class Net(nn.Sequential):
    def __init__(self, in_channels: int, num_classes: int):
        super().__init__(nn.Conv2d(in_channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, num_classes, 1))


class Callback:
    """What a trainer keeps beside its weights; `ran` grows where it is read as it is."""

    ran: list[str] = []

    def __init__(self, value=3):
        self.value = value

    def __setstate__(self, state):
        self.ran.append("state")

    def __reduce__(self):
        return (run, (), {"value": 3})


def run() -> Callback:
    Callback.ran.append("code")
    return Callback()


def net(seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net(3, 2).eval()


def named(prefix: str, seed: int = 0, **more) -> dict:
    return {f"{prefix}{name}": value for name, value in net(seed).state_dict().items()} | more


def opened(path: Path, **where) -> nn.Module:
    network, _ = load_external(path, ExternalSpec("test_state_dicts:Net", **where))
    return network.network


def is_net(network: nn.Module, seed: int = 0) -> bool:
    wanted = net(seed).state_dict()
    return all(torch.equal(value, wanted[name]) for name, value in network.state_dict().items())


LIGHTNING = named("model.", **{"criterion.weight": torch.ones(2)})
CHECKPOINTS = {
    "lightning": {"epoch": 3, "state_dict": LIGHTNING, "hyper_parameters": {"lr": 0.1}},
    "compiled": named("_orig_mod."),
    "compiled in part": {name.replace("0.", "0._orig_mod.", 1): value for name, value in named("").items()},
    "parallel": {"net": named("module.")},
    "parallel and compiled": {"state_dict": named("model._orig_mod.module.", **{"loss.w": torch.ones(1)})},
    "nnU-Net": {
        "network_weights": named(""),
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"params": [0]}]},
        "logging": {"dice": [np.float64(0.5), np.float32(1)]},
        "init_args": {"device": torch.device("cpu"), "callback": Callback()},
        "trainer_name": "nnUNetTrainer",
    },
    "objects": {"args": Namespace(lr=0.1), "path": Path("x"), "model": {"weights": named("")}},
    "the same twice": {"state_dict": named(""), "best": named("")},
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_one_group_that_fits_is_found(tmp_path, name):
    Callback.ran.clear()
    torch.save(CHECKPOINTS[name], tmp_path / "w.ckpt")
    assert is_net(opened(tmp_path / "w.ckpt"))
    assert Callback.ran == []


def test_what_is_left_is_said(tmp_path, capsys):
    torch.save(CHECKPOINTS["lightning"], tmp_path / "w.ckpt")
    opened(tmp_path / "w.ckpt")
    said = capsys.readouterr().err
    assert "took the weights of state_dict that begin with model., and left criterion.weight" in said


def test_several_that_fit_must_be_chosen_from(tmp_path):
    both = {"state_dict": named("student.") | named("teacher.", 1), "ema": named("", 2)}
    torch.save(both, tmp_path / "w.ckpt")
    with pytest.raises(UserError, match="several .*--key state_dict --prefix student., or .*teacher.*--key ema --pre"):
        opened(tmp_path / "w.ckpt")
    assert is_net(opened(tmp_path / "w.ckpt", key="ema"), 2)
    assert is_net(opened(tmp_path / "w.ckpt", prefix="student"), 0)
    assert is_net(opened(tmp_path / "w.ckpt", key="state_dict", prefix="teacher."), 1)
    with pytest.raises(UserError, match="no tensors under the key 'model', but under 'state_dict', 'ema'"):
        opened(tmp_path / "w.ckpt", key="model")
    with pytest.raises(UserError, match="do not fit Net"):
        opened(tmp_path / "w.ckpt", prefix="pupil")


def test_a_part_of_the_weights_or_too_many_do_not_fit(tmp_path):
    part = named("model.")
    del part["model.0.bias"]
    for content in (part, named("model.", **{"model.3.weight": torch.ones(1)})):
        torch.save({"state_dict": content}, tmp_path / "w.ckpt")
        with pytest.raises(UserError, match="do not fit Net: .*(Missing|Unexpected).*(0.bias|3.weight)"):
            opened(tmp_path / "w.ckpt")


def test_old_checkpoints_without_counts_of_batches(tmp_path):
    torch.save({name: value for name, value in named("").items() if "num_batches" not in name}, tmp_path / "w.pt")
    assert is_net(opened(tmp_path / "w.pt"))


def test_channels_and_classes_are_those_of_the_weights(tmp_path):
    torch.save({"state_dict": {f"m.{n}": v for n, v in Net(5, 7).state_dict().items()}}, tmp_path / "w.pt")
    _, about = load_external(tmp_path / "w.pt", ExternalSpec("test_state_dicts:Net"))
    assert (about["in_channels"], about["num_classes"]) == (5, 7)
    with pytest.raises(UserError, match="They fit with 7 classes"):
        load_external(tmp_path / "w.pt", ExternalSpec("test_state_dicts:Net"), 5, 3)
