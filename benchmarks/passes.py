"""What finding the factor of images costs: passes of the network over an image's own pixels, probe and answer together.

Counted, not timed: the images have the scale of the training, so that ×1 is right.
"""

import torch
from torch import nn

from benchmarks.measure import Row
from seunet import UNet
from seunet.experiment.fingerprint import fingerprint
from seunet.experiment.inference import AutoFactorNetwork, predict
from seunet.settings.configuration import FactorSearch


def passes(images: torch.Tensor, per: str) -> float:
    """Return the pixels that a network reads to answer these images, over their own pixels."""
    torch.manual_seed(0)
    model = UNet(3, 2, width=4, depth=3).eval()
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.momentum = 1.0
        model.train()(images[:4])  # a layer is right once those before it are
    asked = AutoFactorNetwork(model.eval(), FactorSearch(per=per), fingerprint(model, images[:12].split(4)))
    read = [0]

    def count(module: nn.Module, inputs: tuple) -> None:
        read[0] += inputs[0].shape[0] * inputs[0].shape[-2] * inputs[0].shape[-1]

    for network in {asked.model, asked.predictor}:
        network.register_forward_pre_hook(count)
    asked.find_common_factor(images)
    for image in images.split(1):
        predict(asked, image)
    return read[0] / images[:, 0].numel()


@torch.no_grad()
def rows() -> list[Row]:
    """Count the passes for a folder of 100 images, and for one image alone."""
    return [
        Row("--at auto, 100 images: passes over their own pixels", passes(images(100, 128), "dataset"), 1.6, "passes"),
        Row("--at auto-each, one image: passes over its own pixels", passes(images(1, 256), "image"), 3, "passes"),
    ]


def images(count: int, side: int) -> torch.Tensor:
    """Return smooth images (count, 3, side, side)."""
    blocks = torch.rand(count, 3, side // 8, side // 8, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(blocks, scale_factor=8, mode="bilinear")


if __name__ == "__main__":
    print(*(row.as_text() for row in rows()), sep="\n")
