"""Augmentation: laws that hold for every draw, so that no image and mask ever come apart."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from seunet.data.augmentation import Augmentation, draw_factors
from seunet.settings.training import Training


def augmented(crop: int | None = None, scale_jitter: float | dict = 1, **changes) -> Augmentation:
    return Augmentation(
        Training.model_validate(
            {"epochs": 1, "batch_size": 1, "crop": crop, "scale_jitter": scale_jitter, "augmentation": changes}
        )
    )


STRONG = [
    augmented(rotation=180, flips=["horizontal", "vertical"]),
    augmented(crop=32, rotation=30, scale_jitter=4),
    augmented(crop=40, elastic=True),
    augmented(crop=80, rotation=10, scale_jitter=2, elastic=True, flips=["horizontal"]),  # larger than the image
]
GREY = 100  # grey levels between two classes


def draw(augmentation, images, masks, seed=0):
    return augmentation(images, masks, torch.Generator().manual_seed(seed))


def blobs(count=8, side=64, classes=3, seed=0) -> torch.Tensor:
    """Return smooth random class maps (N, H, W) uint8."""
    noise = torch.randn(count, classes, side // 16, side // 16, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, size=(side, side), mode="bicubic").argmax(1).byte()


def coded(masks: torch.Tensor) -> torch.Tensor:
    """Return images (N, 1, H, W) uint8 whose grey levels are the classes."""
    return (masks * GREY)[:, None]


def inner(labels: torch.Tensor, radius: int) -> torch.Tensor:
    """Return which pixels (N, H, W) have no other class within a radius."""
    x, window = labels[:, None].float(), 2 * radius + 1
    high = F.max_pool2d(x, window, stride=1, padding=radius)
    return (high == -F.max_pool2d(-x, window, stride=1, padding=radius))[:, 0]


def test_nothing_but_a_crop_is_an_exact_crop():
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (16, 3, 20, 24), generator=generator, dtype=torch.uint8)
    masks = torch.randint(4, (16, 20, 24), generator=generator, dtype=torch.uint8)
    places = set()
    for seed in range(4):
        x, y = draw(augmented(crop=9), images, masks, seed)
        for i in range(16):
            found = [
                (top, left)
                for top in range(20 - 9 + 1)
                for left in range(24 - 9 + 1)
                if torch.equal(masks[i, top : top + 9, left : left + 9].long(), y[i])
            ]
            assert len(found) == 1
            (top, left) = found[0]
            torch.testing.assert_close(
                x[i] * 255, images[i, :, top : top + 9, left : left + 9].float(), atol=0.01, rtol=0
            )
            places |= set(found)
    assert len(places) > 40  # of 192
    assert {top for top, _ in places} == set(range(12)) and {left for _, left in places} >= {0, 15}


def test_nothing_at_all_is_the_image_itself():
    masks = blobs()
    x, y = draw(augmented(), coded(masks), masks)
    assert torch.equal(y, masks.long())
    torch.testing.assert_close(x * 255, coded(masks).float(), atol=0.01, rtol=0)


def test_flips_mirror_image_and_mask():
    masks = blobs(32)
    for axes, dims in (
        (("horizontal",), [[2]]),
        (("vertical",), [[1]]),
        (("horizontal", "vertical"), [[2], [1], [1, 2]]),
    ):
        x, y = draw(augmented(flips=list(axes)), coded(masks), masks)
        seen = set()
        for i in range(32):
            options = {(): masks[i : i + 1], **{tuple(d): masks[i : i + 1].flip(d) for d in dims}}
            match = [key for key, value in options.items() if torch.equal(value[0].long(), y[i])]
            assert len(match) == 1
            torch.testing.assert_close(x[i, 0] * 255, options[match[0]][0].float() * GREY, atol=0.01, rtol=0)
            seen |= set(match)
        assert seen == set(options)  # every flip, and none, was drawn


def disagreement(x: torch.Tensor, y: torch.Tensor, radius: int) -> float:
    """Return the share of pixels, of those farther than `radius` from another class, whose grey level is another's."""
    sure = inner(y, radius)
    assert sure.float().mean() > 0.3  # enough to say something
    return ((x[:, 0] * 255 - y * GREY).abs() > 6)[sure].float().mean().item()


@pytest.mark.parametrize("augmentation", STRONG, ids=repr)
def test_image_and_mask_move_alike(augmentation):
    """A few pixels may differ: specks of a class that the nearest pixel misses and bilinear resampling does not."""
    masks = blobs()
    for seed in range(3):
        x, y = draw(augmentation, coded(masks), masks, seed)
        # an image that shrinks is blurred first
        assert disagreement(x, y, 6 if augmentation.jitter.resizes else 2) < 0.01


@pytest.mark.parametrize("augmentation", STRONG, ids=repr)
def test_image_and_mask_are_not_shifted_by_a_pixel(augmentation):
    """The grey levels agree better with the mask than with the mask moved by one pixel in any direction."""
    masks = blobs(16)
    x, y = draw(augmentation, coded(masks), masks)

    def distance(rows: int, columns: int) -> float:
        moved = y.roll((rows, columns), (1, 2))[:, 2:-2, 2:-2]
        return (x[:, 0, 2:-2, 2:-2] * 255 - moved * GREY).abs().mean().item()

    here = distance(0, 0)
    assert all(distance(i, j) > 1.1 * here for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0))


@pytest.mark.parametrize("augmentation", STRONG, ids=repr)
def test_no_label_appears_that_is_not_in_the_mask(augmentation):
    """Class 0 above all: what lies beyond a border is reflected, not filled (PROTOCOL §5)."""
    masks = blobs() + 1
    images = torch.full((len(masks), 3, 64, 64), 200, dtype=torch.uint8)
    for seed in range(3):
        x, y = draw(augmentation, images, masks, seed)
        for i in range(len(masks)):
            assert set(y[i].unique().tolist()) <= set(masks[i].unique().tolist())
        torch.testing.assert_close(x, torch.full_like(x, 200 / 255), atol=1e-4, rtol=0)  # no dark rim in images


@pytest.mark.parametrize("augmentation", STRONG, ids=repr)
def test_ignored_pixels_stay_ignored(augmentation):
    masks = torch.where(blobs() == 2, 255, blobs()).byte()
    _, y = draw(augmentation, coded(masks % 3), masks)
    assert set(y.unique().tolist()) <= {0, 1, 255} and (y == 255).any()
    _, everything = draw(augmentation, coded(masks % 3), torch.full_like(masks, 255))
    assert (everything == 255).all()


def run_length(row: torch.Tensor, place: int) -> int:
    """Return how many ones of a row lie around a place without a gap."""
    zeros = (row == 0).nonzero()[:, 0]
    return int(zeros[zeros > place].min() - zeros[zeros < place].max()) - 1


@pytest.mark.parametrize("jitter", [1.5, 4.0])
def test_jitter_changes_sizes_within_its_bounds(jitter):
    """A square in the middle of an image that is never larger than the crop, which then lies around its centre."""
    side, width, count = 80, 60, 64
    image = torch.zeros(side, side, dtype=torch.uint8)
    image[10:70, 10:70] = 1
    masks = image.expand(count, side, side).clone()
    _, y = draw(augmented(crop=320, scale_jitter=jitter), coded(masks), masks)
    factors = torch.tensor([run_length(label[160], 160) / width for label in y])
    assert factors.min() >= 1 / jitter * 0.9 and factors.max() <= jitter * 1.1
    assert factors.min() < 1 / jitter * 1.5 and factors.max() > jitter * 0.85  # the whole range is drawn
    # uniform in [1/r, r]: the mean is the middle of the range
    assert factors.mean().item() == pytest.approx((jitter + 1 / jitter) / 2, rel=0.15)


def test_a_range_of_jitter_has_a_law():
    generator = torch.Generator().manual_seed(0)
    linear, octaves = (
        draw_factors(augmented(scale_jitter={"low": 0.5, "high": 2, "law": law}).jitter, 20_000, generator)
        for law in ("linear", "log")
    )
    for factors in (linear, octaves):
        assert factors.min() >= 0.5 and factors.max() <= 2 and factors.min() < 0.52 and factors.max() > 1.95
    assert linear.mean().item() == pytest.approx(1.25, abs=0.01)
    assert octaves.log2().mean().item() == pytest.approx(0, abs=0.02)
    assert augmented(scale_jitter=2).jitter == augmented(scale_jitter={"low": 0.5, "high": 2}).jitter
    assert augmented(scale_jitter=2).jitter.resizes and not augmented(scale_jitter=1).jitter.resizes


def test_no_jitter_keeps_sizes():
    masks = blobs()
    sizes = torch.bincount(masks.flatten().long())
    _, y = draw(augmented(rotation=180), coded(masks), masks)
    disc = torch.zeros(1, 64, 64, dtype=torch.uint8)
    disc[0, 24:40, 24:40] = 1
    _, turned = draw(augmented(rotation=180), coded(disc), disc)
    assert turned.sum().item() == pytest.approx(256, rel=0.06) and len(sizes) == 3 and y.shape == masks.shape


@pytest.mark.parametrize("angle", [10.0, 45.0])
def test_rotation_stays_within_its_angle(angle):
    """A long bar through the centre: its direction is the angle of the rotation."""
    masks = torch.zeros(64, 64, 64, dtype=torch.uint8)
    masks[:, 31:33, 12:52] = 1
    _, y = draw(augmented(rotation=angle), coded(masks), masks)
    found = []
    for label in y.numpy():
        rows, columns = np.nonzero(label)
        points = np.stack([columns, rows]) - 31.5
        values, vectors = np.linalg.eigh(points @ points.T)
        direction = vectors[:, 1]
        found.append(np.degrees(np.arctan(direction[1] / direction[0])))
    assert np.abs(found).max() <= angle + 1.5
    assert min(found) < -0.8 * angle and max(found) > 0.8 * angle


def test_gain_multiplies_each_channel_alone():
    images = torch.full((64, 3, 4, 4), 100, dtype=torch.uint8)
    x, _ = draw(augmented(gain=0.1), images, torch.zeros(64, 4, 4, dtype=torch.uint8))
    factor = x * 2.55
    assert (factor == factor[:, :, :1, :1]).all()  # one number per image and channel
    assert factor.min() >= 0.9 - 1e-5 and factor.max() <= 1.1 + 1e-5
    assert factor.min() < 0.92 and factor.max() > 1.08
    assert len(factor[:, :, 0, 0].unique()) > 150


def test_values_stay_between_0_and_1():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (8, 3, 32, 32), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(8, 32, 32, dtype=torch.uint8)
    for augmentation in (*STRONG, augmented(gain=0.5)):
        x, y = draw(augmentation, images, masks)
        assert x.dtype == torch.float32 and y.dtype == torch.int64
        assert x.min() >= 0 and x.max() <= 1


@pytest.mark.parametrize("augmentation", STRONG, ids=repr)
def test_one_seed_gives_one_result(augmentation):
    masks = blobs()
    images = coded(masks)
    before = images.clone(), masks.clone()
    torch.manual_seed(0)
    first = draw(augmentation, images, masks, 7)
    torch.manual_seed(1)  # the global generator has no say
    second = draw(augmentation, images, masks, 7)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], draw(augmentation, images, masks, 8)[0])
    assert torch.equal(images, before[0]) and torch.equal(masks, before[1])  # what came in is as it was


@pytest.mark.parametrize("augmentation", [*STRONG, augmented(crop=32)], ids=repr)
def test_a_device_is_never_waited_for(augmentation):
    """Tensors of the meta device have no values: whoever reads one, which on a GPU means to wait, gets an error."""
    images, masks = (torch.zeros(8, *shape, dtype=torch.uint8, device="meta") for shape in ((3, 64, 64), (64, 64)))
    x, y = draw(augmentation, images, masks)
    assert x.shape == (8, 3, *y.shape[1:]) and x.device.type == y.device.type == "meta"


def test_images_that_are_not_square():
    masks = blobs()[:, :32]
    for augmentation in (
        augmented(rotation=20, scale_jitter=2),
        augmented(crop=24, elastic=True),
    ):
        x, y = draw(augmentation, coded(masks), masks)
        assert x.shape[-2:] == y.shape[-2:] == ((32, 64) if augmentation.crop is None else (24, 24))
        assert disagreement(x, y, 6) < 0.01
