"""What windows of scales cost at test: choosing one over the plain maximum of the same scales, and all over a U-Net."""

import torch

from benchmarks.measure import Row, medians
from benchmarks.steps import CLASSES, NETWORKS
from seunet import build_model
from seunet.models.prediction import for_prediction

SHAPE = (4, 3, 224, 224)
CASES = {"U-Net": NETWORKS["unet"]} | {
    rule: (NETWORKS["windows"][0], NETWORKS["windows"][1] | {"windows": rule}) for rule in ("max", "information")
}


@torch.no_grad()
def rows() -> list[Row]:
    """Time one pass, as predictions take it, of a network of two scales that is asked with five."""
    images = torch.rand(SHAPE).contiguous(memory_format=torch.channels_last)
    networks = {
        name: for_prediction(build_model(kind, SHAPE[1], CLASSES, **options).eval())
        for name, (kind, options) in CASES.items()
    }
    time = medians({name: lambda network=network: network(images) for name, network in networks.items()})
    chosen = time["information"]
    return [
        Row("Choosing the most informative window / maximum over all scales", chosen / time["max"], 1.05),
        Row("Windows of five scales: evaluation / U-Net's", chosen / time["U-Net"], 1.4),
    ]


if __name__ == "__main__":
    print(*(row.as_text() for row in rows()), sep="\n")
