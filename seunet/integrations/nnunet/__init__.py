"""U-Net and SEU-Net as nnU-Net's plans name them: `network_class_name: seunet.integrations.nnunet.SEUNet`.

nnU-Net (2.8.1) calls a class with input_channels, num_classes, deep_supervision and the plan's arch_kwargs. It sets
`network.decoder.deep_supervision` before training (true) and before prediction (false), and expects a list of answers
while that is true. Needs no package of nnU-Net's; `trainers/` does. How to use them: docs/how-to/nnunet.md.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from seunet import models
from seunet.models import accepted_options
from seunet.runtime.errors import UserError

TRAINERS = Path(__file__).with_name("trainers")  # for the environment variable nnUNet_extTrainer
# Of the arch_kwargs that nnU-Net plans for its own networks; `strides` alone says something about ours.
PLANNED = (
    "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage",
    "n_conv_per_stage_decoder", "conv_bias", "norm_op", "norm_op_kwargs", "dropout_op", "dropout_op_kwargs", "nonlin",
    "nonlin_kwargs",
)  # fmt: skip
MAX_DEPTH = 4  # of the paper; nnU-Net plans up to seven poolings, with at most 512 features


def network_options(network: type[nn.Module], arch_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of our network from a plan's arch_kwargs; say which of nnU-Net's own it does not take.

    Without `depth`, that of the plan's `strides` is taken, at most MAX_DEPTH: patches are multiples of that. Raises
    UserError for a plan in three dimensions, and for an option that the network does not have.
    """
    own = {name: value for name, value in arch_kwargs.items() if name not in PLANNED}
    if poolings := poolings_of(arch_kwargs.get("strides", ())):
        own.setdefault("depth", min(poolings, MAX_DEPTH))
    options = accepted_options(network, own)
    if unused := [name for name in PLANNED if name in arch_kwargs and name != "strides"]:
        print(f"{network.__name__} has {options}; of the plan it does not take: {', '.join(unused)}")
    return options


def poolings_of(strides: Sequence[Sequence[int]]) -> int:
    """Return how often a plan halves the image: its leading strides of (2, 2), after the first stage."""
    if any(len(stride) != 2 for stride in strides):
        raise UserError(f"strides: {list(strides[0])}; these networks are two-dimensional: take configuration 2d")
    halved = [tuple(stride) == (2, 2) for stride in strides[1:]]
    return halved.index(False) if False in halved else len(halved)


class InPlans:
    """What nnU-Net asks of a class of a plan; stands before one of our networks among the bases."""

    decoder: nn.ModuleList
    network: type[nn.Module]

    def __init__(self, input_channels: int, num_classes: int, deep_supervision: bool = False, **arch_kwargs: Any):
        options = network_options(self.network, arch_kwargs)
        super().__init__(input_channels, num_classes, **options)  # type: ignore[call-arg]
        self.decoder.deep_supervision = deep_supervision  # type: ignore[assignment]

    def forward(self, image: Tensor) -> Any:
        """(N, C, H, W) → logits (N, classes, H, W), or a list of these alone while nnU-Net supervises deeply."""
        logits = super().forward(image)  # type: ignore[misc]
        return [logits] if self.decoder.deep_supervision else logits


class UNet(InPlans, models.UNet):
    """`seunet.UNet` for a plan, with its options in arch_kwargs: width, depth."""

    network = models.UNet


class SEUNet(InPlans, models.SEUNet):
    """`seunet.SEUNet` for a plan, with its options in arch_kwargs: width, depth, num_scales, layout, windows, …"""

    network = models.SEUNet
