"""Windows of scales: one of them answers as the plain network, the law from window to window, and each rule."""

import numpy as np
import pytest
import torch
from torch import Tensor

from seunet.layers.lifting import blur
from seunet.models import SEUNet
from seunet.models.calling import call_network
from seunet.models.windows import CHOICES, RULES, Windows
from seunet.runtime.errors import UserError

PYRAMID = {"width": 8, "depth": 2, "num_scales": 2, "geometry": "exact", "layout": "pyramid", "scale_dropout": 0}


def network(**options) -> SEUNet:
    """Return a small network in evaluation mode; one seed, so the same weights whatever the options."""
    torch.manual_seed(0)
    model = SEUNet(3, 2, **(PYRAMID | options))
    with torch.no_grad():
        model.classifier.weight.mul_(5)  # answers that differ clearly
    return model.eval()


@pytest.fixture(scope="module")
def image() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layout", ["pyramid", "dense"])
def test_without_more_scales_every_rule_is_the_plain_network(image, layout):
    plain = network(layout=layout)(image)
    for rule in ("max", "entropy", "information", "pixel", "region", 0):
        assert torch.equal(network(layout=layout, windows=rule)(image), plain)
    assert torch.allclose(network(layout=layout, windows="mean")(image).softmax(1), plain.softmax(1), atol=1e-6)


@pytest.mark.parametrize("layout", ["pyramid", "dense"])
def test_the_first_window_of_many_is_the_plain_network(image, layout):
    plain = network(layout=layout)(image)
    assert torch.allclose(network(layout=layout, scales_at_test=4, windows=0)(image), plain, atol=1e-6)


def test_a_window_answers_as_the_first_one_of_the_rescaled_image(image):
    more, plain = network(scales_at_test=3, windows=1), network()
    maps = []
    more.head.register_forward_hook(lambda module, inputs, output: maps.append(output))
    more(image)
    second = more.windows.window_logits(maps[0], lambda x: more.classifier(more.project(x)))[1]
    lift = more.lift
    rescaled = blur(image, lift.kernel(1, image), 2)  # a camera twice as far away
    # the blur of scale 4 is that of scale 2, applied to an image that is blurred already
    assert (second - plain(rescaled)).norm() / second.norm() < 0.1


@pytest.mark.parametrize("layout", ["pyramid", "dense"])
def test_in_training_every_window_answers_for_itself(image, layout):
    model = network(layout=layout, scales_in_training=4).train()
    for module in model.modules():  # batch norm as in evaluation mode, so that the answers can be compared
        module.training = module is model
    answers = call_network(model, image, 2).chunk(3)
    for j, answer in enumerate(answers):
        window = network(layout=layout, scales_at_test=4, windows=j)
        assert torch.allclose(answer, window(image), atol=1e-5)
    assert call_network(model.eval(), image, 2).shape == (2, 2, 64, 64)


def test_in_training_only_the_trained_scales_count(image):
    model = network(scales_at_test=4, windows="information").train()
    maps = []
    model.head.register_forward_hook(lambda module, inputs, output: maps.append(output))
    model(image)
    model.eval()(image)
    assert [len(x) for x in maps] == [2, 4]


def test_information_wants_answers_that_are_sure_and_say_several_things():
    background = torch.tensor([8.0, -8.0])[:, None, None].expand(2, 4, 4)  # sure, and the same everywhere
    both = background.clone()
    both[:, :2] = both[:, :2].flip(0)  # sure, and half of each
    unsure = torch.zeros(2, 4, 4)
    window_logits = [x[None] for x in (background, unsure, both)]
    assert Windows("information", 1).choose_window(window_logits, (1, 1)).item() == 2
    assert Windows("entropy", 1).choose_window(window_logits[:2], (1, 1)).item() == 0


def test_each_image_of_a_batch_has_its_own_window(image):
    model = network(scales_at_test=4, windows="information")
    single = torch.cat([model(x[None]) for x in image])
    assert torch.allclose(model(image), single, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"windows": "best"}, "windows: 'best' is not one of"),
        ({"scales_at_test": 1}, "scales_at_test: 1 is less than num_scales 2"),
        ({"windows": 3, "scales_at_test": 4}, "no window 3; 4 scales have windows 0 to 2"),
    ],
)
def test_mistakes_are_said(options, words):
    with pytest.raises(UserError, match=words):
        network(**options)


def entropy(p: np.ndarray) -> np.ndarray:
    """(classes, …) → (…), in nats."""
    return -(p * np.log(p)).sum(0)


def chosen_window(rule: str, logits: list[np.ndarray], pixel: tuple[int, int]) -> int:
    """Return the window that a rule chooses for one image, by hand; logits (classes, H, W) of each window."""
    scores = []
    for window in logits:
        p = np.exp(window) / np.exp(window).sum(0)
        mean = entropy(p).mean()
        information = entropy(p.mean((1, 2))) - mean
        at_pixel = -entropy(p)[pixel] if rule == "pixel" else 0
        scores.append({"entropy": -mean, "information": information, "pixel": at_pixel}[rule])
    return int(np.argmax(scores))


def information_around(logits: np.ndarray) -> np.ndarray:
    """(classes, H, W) → (H, W): the information within 4 pixels of each, and that of the whole, by hand."""
    p = np.exp(logits) / np.exp(logits).sum(0)
    found = np.empty(p.shape[1:])
    for y, x in np.ndindex(found.shape):
        part = p[:, max(0, y - 4) : y + 5, max(0, x - 4) : x + 5]
        found[y, x] = entropy(part.mean((1, 2))) - entropy(part).mean()
    return found + entropy(p.mean((1, 2))) - entropy(p).mean()


@pytest.mark.parametrize("pyramid", [False, True])
def test_a_window_for_each_region_looks_around_a_pixel_on_its_own_lattice(pyramid):
    size, generator = (16, 24), torch.Generator().manual_seed(4)
    windows = Windows("region", 1, pyramid=pyramid)
    shapes = [tuple(-(-side // 2**s) for side in size) if pyramid else size for s in range(3)]
    logits = [3 * torch.randn(1, 3, *shape, generator=generator) for shape in shapes]
    scores = [torch.from_numpy(information_around(x[0].numpy())).float()[None, None] for x in logits]
    by_hand = torch.stack(windows.all_to_image_size(scores, size)).argmax(0)
    assert torch.equal(windows.choose_window(logits, size), by_hand)
    resized = torch.stack(windows.all_to_image_size(logits, size))
    assert torch.equal(windows.combine_windows(logits, size), torch.take_along_dim(resized, by_hand[None], 0)[0])


@pytest.mark.parametrize("pyramid", [False, True])
@pytest.mark.parametrize("rule", [*(rule for rule in RULES if rule != "region"), 1])
def test_the_winning_scale_has_the_maximum_of_most_channels_within_the_chosen_window(rule, pyramid):
    count, length, size = 4, 2, (8, 12)
    windows = Windows(rule, length, pyramid=pyramid)
    generator = torch.Generator().manual_seed(3)
    shapes = [tuple(-(-side // 2**s) for side in size) if pyramid else size for s in range(count)]
    maps = [torch.randn(2, 5, *shape, generator=generator) for shape in shapes]
    logits = [3 * torch.randn(2, 3, *shape, generator=generator) for shape in shapes[: count - length + 1]]
    found = windows.winning_scales(maps, logits)
    assert found.shape == (2, *size)
    values = torch.stack([windows.to_image_size(x, s, size) for s, x in enumerate(maps)]).numpy()
    own = [x.numpy() for x in (windows.all_to_image_size(logits, size) if rule == "pixel" else logits)]
    for n, y, x in np.ndindex(2, *size):
        inside = range(count) if rule in ("max", "mean") else range(rule, rule + length) if rule == 1 else None
        if inside is None:
            first = chosen_window(rule, [window[n] for window in own], (y, x))
            inside = range(first, first + length)
        winners = values[inside.start : inside.stop, n, :, y, x].argmax(0) + inside.start
        assert found[n, y, x] == np.bincount(winners, minlength=count).argmax()


@pytest.mark.parametrize("pyramid", [False, True])
@pytest.mark.parametrize("rule", ["mean", "entropy", "information", "pixel", "region", 1])
def test_a_batch_is_answered_image_by_image(rule, pyramid):
    windows = Windows(rule, 1, pyramid=pyramid)
    logits = [3 * torch.randn(2, 3, *((8 >> j, 16 >> j) if pyramid else (8, 16))) for j in range(3)]
    logits = logits[1:2] if rule == 1 else logits
    together = windows.combine_windows(logits, (8, 16))
    alone = [windows.combine_windows([x[i : i + 1] for x in logits], (8, 16)) for i in range(2)]
    assert together.shape == (2, 3, 8, 16)
    torch.testing.assert_close(together, torch.cat(alone))


def test_each_pixel_has_the_window_that_is_surest_of_it():
    windows = Windows("pixel", 1)
    logits = [3 * torch.randn(1, 3, 8, 16) for _ in range(3)]
    p = torch.stack(logits).softmax(2)
    surest = (p * p.log()).sum(2, keepdim=True).argmax(0, keepdim=True).expand(1, 1, 3, 8, 16)
    torch.testing.assert_close(windows.combine_windows(logits, (8, 16)), torch.stack(logits).gather(0, surest)[0])


@pytest.mark.parametrize("rule", CHOICES)
def test_probabilities_of_zero_have_no_logarithm_but_a_choice(rule):
    unsure = torch.tensor([0.0, 0.0, -200.0])[:, None, None].expand(3, 16, 16)  # class 2 has probability 0 everywhere
    sure = torch.full((3, 16, 16), -200.0)
    sure[0, :, ::2], sure[1, :, 1::2] = 200.0, 200.0
    assert Windows(rule, 1).choose_window([unsure[None], sure[None]], (16, 16)).unique().tolist() == [1]


@pytest.mark.parametrize("rule", CHOICES)
def test_logits_of_half_precision_are_compared_in_full_precision(rule):
    generator = torch.Generator().manual_seed(5)
    windows = Windows(rule, 1)
    logits = [(3 * torch.randn(64, 3, 8, 8, generator=generator)).bfloat16() for _ in range(3)]
    chosen = windows.choose_window(logits, (8, 8))
    assert torch.equal(chosen, windows.choose_window([x.float() for x in logits], (8, 8)))


def test_a_window_is_named_by_its_first_and_its_last_scale():
    assert [Windows("information", 2).name(j) for j in (0, 1)] == ["1-2", "2-4"]
    assert [Windows("information", 1, base=3).name(j) for j in (0, 2)] == ["1", "9"]
