"""Prediction in tiles: the same as of the whole image, with memory that the tile bounds."""

import pytest
import torch
from torch import nn

from seunet.experiment.inference import predict
from seunet.models import build_model
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Tile

NETWORKS = {  # name: architecture, options, a margin that covers its receptive field
    "unet": ("unet", {"width": 4, "depth": 2}, 32),
    "seunet": ("seunet", {"width": 2, "depth": 1, "num_scales": 2}, 48),
    "seunet-interacting": ("seunet", {"width": 2, "depth": 1, "num_scales": 2, "scale_size": 2}, 48),
    "seunet-exact": ("seunet", {"width": 2, "depth": 1, "num_scales": 2, "geometry": "exact"}, 48),
}


class Recorder(nn.Module):
    """A network that remembers the sizes of the images that it was shown."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, self.sizes = model, []
        self.size_multiple = getattr(model, "size_multiple", 1)

    def forward(self, x):
        self.sizes.append(tuple(x.shape[-2:]))
        return self.model(x)


def network(name: str) -> nn.Module:
    """Build a network whose batch norms have statistics as after a training."""
    architecture, options, _ = NETWORKS[name]
    torch.manual_seed(0)
    model = build_model(architecture, 3, 3, **options)
    for _ in range(20):
        model(torch.rand(2, 3, 32, 32))
    return model.eval()


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(176, 176), (40, 204), (148, 180)], ids=str)
def test_tiled_is_untiled(name, size):
    """Also where the sides are no multiples of the tile, and where one side is smaller than a tile."""
    model, margin = Recorder(network(name)), NETWORKS[name][2]
    tiling = Tile(size=48, margin=margin)
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    tiled = predict(model, images, tiling)
    assert len(model.sizes) == -(-size[0] // 48) * -(-size[1] // 48)
    assert max(max(shown) for shown in model.sizes) <= 48 + 2 * margin  # the memory is bounded by the tile
    whole = predict(model, images)
    assert model.sizes[-1] == size and tiled.shape == whole.shape == (2, 3, *size)
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)
    assert whole.std() > 1e-2  # no constant picture


def test_a_margin_that_is_too_small_shows():
    """So the comparison above can fail."""
    images = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    model = Recorder(network("unet"))
    assert (predict(model, images, Tile(size=32, margin=0)) - predict(model, images)).abs().max() > 1e-3


def test_small_images_are_predicted_whole():
    model = Recorder(network("unet"))
    predict(model, torch.rand(1, 3, 64, 64), Tile(size=32, margin=16))
    assert model.sizes == [(64, 64)]


def test_largest_input_does_not_grow_with_the_image():
    model = Recorder(network("unet"))
    for side in (100, 164, 260):
        predict(model, torch.rand(1, 3, side, side), Tile(size=32, margin=16))
    assert max(max(size) for size in model.sizes) == 64


def test_no_gradients_are_kept():
    for model in (network("unet"), Recorder(network("unet"))):
        assert not predict(model, torch.rand(1, 3, 96, 96), Tile(size=32, margin=8)).requires_grad


def test_networks_without_a_grid_take_any_tile():
    torch.manual_seed(0)
    model = nn.Conv2d(3, 2, 3, padding=1)
    images = torch.rand(1, 3, 53, 31)
    torch.testing.assert_close(
        predict(model, images, Tile(size=7, margin=1)), predict(model, images), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("tiling", "key"),
    [(Tile(size=30, margin=16), "tile.size: 30"), (Tile(size=32, margin=6), "tile.margin: 6")],
    ids=["size", "margin"],
)
def test_tiles_off_the_grid_are_refused(tiling, key):
    with pytest.raises(UserError, match=f"{key} is no multiple of 4") as caught:
        predict(Recorder(network("unet")), torch.rand(1, 3, 128, 128), tiling)
    assert len(str(caught.value).splitlines()) == 1


def test_images_off_the_grid_are_continued_by_their_border_pixels():
    model, images = network("unet"), torch.rand(1, 3, 30, 33)
    padded = torch.cat([images, images[:, :, -1:], images[:, :, -1:]], dim=2)
    padded = torch.cat([padded, *[padded[..., -1:]] * 3], dim=3)
    assert torch.equal(predict(model, images), predict(model, padded)[..., :30, :33])
