"""Networks for nnU-Net's plans, called as it calls them; with nnU-Net itself: tests/foreign/test_nnunet.py."""

import pytest
import torch

from seunet import build_model
from seunet.integrations.nnunet import SEUNet, UNet
from seunet.runtime.errors import UserError

PLANNED = {
    "n_stages": 7,
    "features_per_stage": [32, 64, 128, 256, 512, 512, 512],
    "conv_op": torch.nn.Conv2d,
    "kernel_sizes": [[3, 3]] * 7,
    "strides": [[1, 1], [2, 2], [2, 2], [2, 2], [2, 2], [2, 2], [2, 1]],
    "norm_op_kwargs": {"eps": 1e-5},
}


def test_a_network_answers_with_a_list_while_nnunet_supervises_deeply():
    network = UNet(input_channels=1, num_classes=3, deep_supervision=True, width=2, depth=1)
    image = torch.rand(2, 1, 8, 8)
    (logits,) = network(image)
    network.decoder.deep_supervision = False  # as nnU-Net does before it predicts
    assert network(image).shape == logits.shape == (2, 3, 8, 8)


def test_weights_are_those_of_our_own_network():
    network = SEUNet(1, 2, deep_supervision=True, width=2, depth=1, num_scales=2)
    build_model("seunet", 1, 2, width=2, depth=1, num_scales=2).load_state_dict(network.state_dict())


@pytest.mark.parametrize(("strides", "depth"), [(PLANNED["strides"], 4), ([[1, 1], [2, 2], [2, 2]], 2)])
def test_the_strides_of_a_plan_decide_the_depth_and_the_rest_is_said(strides, depth, capsys):
    assert UNet(1, 2, width=2, **(PLANNED | {"strides": strides})).depth == depth
    assert (
        "it does not take: n_stages, features_per_stage, conv_op, kernel_sizes, norm_op_kwargs"
        in capsys.readouterr().out
    )


def test_windows_answer_each_for_itself_in_training():
    network = SEUNet(
        1, 2, width=2, depth=1, num_scales=1, scales_in_training=2, scales_at_test=3, windows="information"
    )
    assert network.train()(torch.rand(3, 1, 8, 8)).shape[0] == 6
    assert network.eval()(torch.rand(3, 1, 8, 8)).shape[0] == 3


@pytest.mark.parametrize(
    ("arch_kwargs", "said"),
    [({"strides": [[1, 1, 1], [2, 2, 2]]}, "take configuration 2d"), ({"widht": 3}, "no option 'widht'")],
)
def test_what_a_network_cannot_take_is_refused(arch_kwargs, said):
    with pytest.raises(UserError, match=said):
        UNet(1, 2, **arch_kwargs)
