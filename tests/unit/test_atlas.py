"""An atlas: maps that lie in one image, and layers that act on all of them, give what the maps give one by one."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet import build_model
from seunet.models.seunet import SEUNet
from seunet.ops.atlas import Atlas, pack, unpack

LAYOUTS = {"pyramid": ([(17, 11), (9, 6), (5, 3), (1, 1)], [1, 1, 1, 1]), "dense": ([(9, 7)] * 4, [1, 2, 4, 8])}
SMALL = {"width": 2, "depth": 2, "num_scales": 3}
PYRAMID = SMALL | {"geometry": "exact", "layout": "pyramid"}
NETWORKS = {
    "windows": PYRAMID | {"num_scales": 2, "scales_in_training": 4, "border": "zeros"},
    "pyramid": PYRAMID,
    "pyramid, flat, two scales at once": PYRAMID | {"pooling": "flat", "scale_size": 2},
    "dense": SMALL | {"geometry": "exact"},
    "dense, zeros": SMALL | {"geometry": "exact", "border": "zeros"},
    "released, strided": SMALL | {"pooling": "strided"},
    "released": SMALL,
    "root of two": SMALL | {"geometry": "exact", "base": 2**0.5},
}


@pytest.mark.parametrize("border", ["zeros", "replicate"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_maps_come_out_as_they_went_in(layout: str, border: str) -> None:
    sizes, steps = LAYOUTS[layout]
    maps = [torch.rand(2, 3, *size) for size in sizes]
    atlas = pack(maps, steps, border)
    assert all(torch.equal(a, b) for a, b in zip(unpack(atlas), maps, strict=True)) and len(atlas) == len(maps)
    assert all(torch.equal(atlas[s], x) for s, x in enumerate(maps))


def results(network: SEUNet, x: Tensor, y: Tensor) -> list[Tensor]:
    """Return logits, gradients and running statistics of a step."""
    torch.manual_seed(1)
    logits = network(x)
    F.cross_entropy(logits, y.repeat(len(logits) // len(y), 1, 1)).backward()
    return [logits, *(parameter.grad for parameter in network.parameters()), *network.buffers()]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_in_an_atlas_is_that_of_the_maps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, which no compiled code takes."""
    x, y = torch.rand(2, 1, 20, 28, dtype=torch.float64), torch.randint(0, 2, (2, 20, 28))
    found = []
    for one_by_one in (False, True):
        with monkeypatch.context() as patch:
            if one_by_one:
                patch.setattr(SEUNet, "arranged", lambda self, maps: maps)
            torch.manual_seed(0)
            network = build_model("seunet", 1, 2, **NETWORKS[name]).double().train()
            seen = []
            network.stem.register_forward_hook(lambda module, inputs, output, seen=seen: seen.append(output))
            found.append(results(network, x, y))
            assert isinstance(seen[0], Atlas) != one_by_one
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
