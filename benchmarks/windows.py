"""What choosing among windows of scales costs at test, over the plain maximum of the same scales."""

import torch

from benchmarks.measure import Row, medians
from seunet import build_model

NETWORK = {"width": 16, "depth": 4, "geometry": "exact", "layout": "pyramid", "num_scales": 2, "scales_at_test": 5}
SHAPE = (4, 3, 224, 224)


@torch.no_grad()
def rows() -> list[Row]:
    """Time one pass of a network of two scales that is asked with five."""
    images = torch.rand(SHAPE).contiguous(memory_format=torch.channels_last)
    networks = {rule: build_model("seunet", 3, 3, **NETWORK, windows=rule).eval() for rule in ("max", "information")}
    time = medians({rule: lambda network=network: network(images) for rule, network in networks.items()})
    return [
        Row("Choosing the most informative window / maximum over all scales", time["information"] / time["max"], 1.05)
    ]


if __name__ == "__main__":
    print(*(row.as_text() for row in rows()), sep="\n")
