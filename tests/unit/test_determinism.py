"""Networks whose answers depend on chance, or on the other images of a batch, are refused before anything is scored."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from test_cli import call, picture
from test_network_options import Red
from torch import nn

from seunet import SEUNet, SResNet, UNet
from seunet.experiment.determinism import check_deterministic, check_on_noise
from seunet.experiment.inference import MultiScale
from seunet.models.external_network import Conventions, ExternalNetwork
from seunet.runtime.errors import UserError

IMAGE = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Chance(Red):
    """Has dropout in its forward, whatever its mode."""

    def forward(self, x):
        return super().forward(F.dropout(x, 0.02))


class Neighbours(Red):
    """Takes the mean of the batch away from every image."""

    def forward(self, x):
        return super().forward(x - x.mean((0, 2, 3), keepdim=True))


class FirstOfAll(Red):
    """Answers about the first image of the batch alone."""

    def forward(self, x):
        return super().forward(x[:1].expand_as(x))


def batch_statistics() -> nn.Module:
    return nn.Sequential(Red(3, 2), nn.BatchNorm2d(2, track_running_stats=False)).eval()


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Chance(3, 2), "gives another answer each time .* training mode, or has dropout"),
        (Neighbours(3, 2), "answers otherwise about an image alone"),
        (FirstOfAll(3, 2), "answers otherwise about an image alone"),
        (batch_statistics(), "answers otherwise .* its batch norm takes the statistics of the batch"),
    ],
)
def test_chance_and_neighbours_are_found(network, said):
    softmax = ExternalNetwork(nn.Sequential(network, nn.Softmax(1)), Conventions(output="probabilities"), 3, "theirs")
    for model in (network, MultiScale(network, [1, 0.5]), softmax):
        with pytest.raises(UserError, match=said):
            check_deterministic(model, IMAGE)
    with pytest.raises(UserError, match=said):
        check_on_noise(network, 3)


class Seldom(Red):
    """Leaves its layer out for one image of five, as stochastic depth does."""

    def forward(self, x):
        return super().forward(x) * (torch.rand(len(x), 1, 1, 1) > 0.2)


def test_chance_that_strikes_seldom_is_found_too():
    for seed in range(5):
        torch.manual_seed(seed)
        with pytest.raises(UserError, match="gives another answer each time"):
            check_on_noise(Seldom(3, 2), 3)


def test_a_constant_answer_is_steady():
    network = nn.Sequential(Red(3, 2), nn.AdaptiveAvgPool2d(1), nn.Upsample((64, 64)), nn.Softmax(1))
    check_on_noise(network, 3)


@pytest.mark.parametrize(
    "network",
    [
        UNet(3, 2, width=2, depth=2),
        SEUNet(3, 2, width=2, depth=2, scales_at_test=5, num_scales=3, windows="information", geometry="exact"),
        SResNet(3, 2, width=2),
        ExternalNetwork(nn.Sequential(Red(3, 2), nn.Softmax(1)), Conventions(output="probabilities"), 3, "theirs"),
        nn.Sequential(Red(3, 2), nn.InstanceNorm2d(2)),
    ],
)
def test_steady_networks_pass(network):
    check_deterministic(network.eval(), IMAGE)
    check_on_noise(network.eval(), 3)


def test_commands_refuse_them(tmp_path):
    torch.jit.trace(Chance(3, 2), torch.rand(1, 3, 16, 16), check_trace=False).save(tmp_path / "chance.pt")
    result = call(tmp_path / "chance.pt", picture(tmp_path / "a.png"), "--output", tmp_path / "out")
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert "the network chance.pt gives another answer each time" in result.output
    assert not (tmp_path / "out").exists()
