"""The generated data set: deterministic, the same scene at every scale, and no shortcut to the classes."""

import numpy as np
import pytest
from PIL import Image

from seunet.data import reef, rendering
from seunet.data.shapes import draw_scene, generate
from seunet.settings.dataset import Counts, Limit, Preparation

SIDE = 64
SETTINGS = Preparation(source="shapes", image_size=SIDE, count=Counts(train=6, val=3, test=4))


@pytest.fixture(scope="module")
def things():
    """Every class of object, alone on a ground: its mean colour, its area, its class (rows of many scenes)."""
    rng = np.random.Generator(np.random.PCG64(0))
    colors, areas, labels = [], [], []
    while len(labels) < 400:
        for thing in reef.draw_scene(rng, SIDE).things:
            if thing.label == 0:
                continue
            lone = reef.Thing(**{**vars(thing), "x": 16.0, "y": 16.0})
            scene = reef.Scene(32, np.zeros((1, 4)), np.zeros((2, 3), np.float32), [], [lone])
            image, mask = rendering.render(scene, 32, 32)
            colors.append(image[mask == thing.label].mean(axis=0))
            areas.append([(mask == thing.label).sum()])
            labels.append(thing.label)
    return np.array(colors), np.array(areas), np.array(labels)


def neighbour_accuracy(features, labels):
    """Balanced accuracy of 15 nearest neighbours in standardised features, each left out in its turn."""
    z = (features - features.mean(axis=0)) / features.std(axis=0)
    distance = ((z[:, None] - z[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distance, np.inf)
    nearest = labels[distance.argsort(axis=1)[:, :15]]
    classes = np.unique(labels)
    shares = np.stack([(nearest == c).sum(axis=1) / (labels == c).mean() for c in classes])
    hit = classes[shares.argmax(axis=0)] == labels
    return np.mean([hit[labels == c].mean() for c in classes])


def test_what_a_sample_looks_like():
    source = generate(SETTINGS)
    assert source.channels == 3
    for split, count in SETTINGS.count:
        samples = list(source.read(split))
        assert [name for name, _, _ in samples] == list(source.splits[split])
        assert len(samples) == count
        for _, image, mask in samples:
            assert image.shape == (SIDE, SIDE, 3) and image.dtype == np.uint8
            assert mask.shape == (SIDE, SIDE) and mask.dtype == np.uint8
            assert mask.max() < len(source.classes)


def test_two_runs_agree_to_the_bit_and_splits_and_seeds_differ():
    one, two = generate(SETTINGS), generate(SETTINGS)
    for a, b in zip(one.read("train"), two.read("train"), strict=True):
        assert np.array_equal(a[1], b[1]) and np.array_equal(a[2], b[2])
    first = {split: next(iter(one.read(split)))[1] for split in ("train", "val", "test")}
    assert not np.array_equal(first["train"], first["val"])
    assert not np.array_equal(first["val"], first["test"])
    other = next(iter(generate(SETTINGS.model_copy(update={"seed": 1})).read("train")))[1]
    assert not np.array_equal(first["train"], other)


def test_a_scene_does_not_depend_on_counts_and_limits():
    few = {
        name: image for name, image, _ in generate(SETTINGS.model_copy(update={"limit": Limit(train=2)})).read("train")
    }
    all_ = {name: image for name, image, _ in generate(SETTINGS).read("train")}
    assert len(few) == 2
    assert all(np.array_equal(image, all_[name]) for name, image in few.items())


@pytest.mark.parametrize("scale", [2, 4])
def test_the_same_scene_at_another_scale(scale):
    """Averaged back, a large rendering is the small one, image and mask, apart from boundaries."""
    for index in range(6):
        scene = draw_scene(0, f"test_{index:05d}", SIDE)
        image, mask = rendering.render(scene, SIDE, SIDE)
        large, large_mask = rendering.render(scene, SIDE * scale, SIDE * scale)
        blocks = large.reshape(SIDE, scale, SIDE, scale, 3).mean(axis=(1, 3))
        assert np.abs(blocks - image).mean() < 4
        votes = large_mask.reshape(SIDE, scale, SIDE, scale)
        uniform = (votes == votes[:, :1, :, :1]).all(axis=(1, 3))
        assert uniform.mean() > 0.8
        assert (votes[:, 0, :, 0] == mask)[uniform].mean() > 0.998


def test_enlarging_reveals_detail():
    """A large rendering holds detail that an enlarged small one lacks, though water softens both."""
    scene = draw_scene(0, "test_00000", SIDE)
    large = rendering.render(scene, 4 * SIDE, 4 * SIDE)[0].astype(float)
    small = Image.fromarray(rendering.render(scene, SIDE, SIDE)[0])
    enlarged = np.asarray(small.resize((4 * SIDE, 4 * SIDE), Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(large - enlarged).mean() > 0.5


def test_rendered_follows_the_test_split_at_any_size():
    source = generate(SETTINGS)
    samples = list(source.rendered(24, 40))
    assert [name for name, _, _ in samples] == list(source.splits["test"])
    assert all(image.shape == (24, 40, 3) and mask.shape == (24, 40) for _, image, mask in samples)
    same_size = [image for _, image, _ in source.rendered(SIDE, SIDE)]
    for (_, image, _), again in zip(source.read("test"), same_size, strict=True):
        assert np.array_equal(image, again)


def test_all_classes_occur():
    masks = [rendering.render(draw_scene(0, f"train_{i:05d}", SIDE), SIDE, SIDE)[1] for i in range(40)]
    shares = np.bincount(np.concatenate(masks).ravel(), minlength=len(reef.CLASSES)) / (40 * SIDE**2)
    assert 0.5 < shares[0] < 0.85
    assert shares[1:].min() > 0.04


def test_neither_mean_colour_nor_size_tells_the_class(things):
    """Two classes: a guess is right in half of the cases, and these features must not add much."""
    colors, areas, labels = things
    assert neighbour_accuracy(colors, labels) < 0.65
    assert neighbour_accuracy(areas, labels) < 0.65
    assert neighbour_accuracy(np.hstack([colors, areas]), labels) < 0.65


def test_objects_of_several_sizes_share_an_image():
    sizes = (0.5, 1, 2, 4)
    radii = [t.radius for i in range(8) for t in draw_scene(0, f"test_{i:05d}", 256, sizes).things]
    found = [[r / s for r in radii if reef.RADIUS[0] <= r / s <= reef.RADIUS[1]] for s in sizes]
    assert sum(map(len, found)) == len(radii)
    areas = [sum((r * s) ** 2 for r in part) for s, part in zip(sizes, found, strict=True)]
    assert max(areas) < 3 * min(areas), "no size should cover most of the scene"
    mixed = SETTINGS.model_copy(update={"image_size": 256, "sizes": list(sizes)})
    for _, _, mask in generate(mixed).read("test"):
        assert 0.5 < (mask == 0).mean() < 0.9


def test_one_size_draws_what_it_always_drew():
    plain = draw_scene(3, "val_00001", SIDE)
    assert [round(t.radius, 6) for t in plain.things[:3]] == [11.053993, 10.551506, 9.280545]
    assert repr(draw_scene(3, "val_00001", SIDE, (1,))) == repr(plain)
