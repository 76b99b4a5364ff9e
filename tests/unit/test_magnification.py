"""The factor of a folder: found for generated scenes of known magnification, and kept at 1 where nothing tells it."""

import numpy as np
import pytest
import torch
from torch import nn

from seunet import SEUNet, UNet, UserError
from seunet.data import rendering, shapes
from seunet.data.sampling import evenly_spaced
from seunet.experiment.factor_search import MARGIN, Trial, search
from seunet.experiment.fingerprint import ANSWERS, Fingerprint, fingerprint
from seunet.experiment.inference import AutoFactorNetwork, predict
from seunet.experiment.magnification import DOUBT, PROBES, find_magnification, least_gain, resized
from seunet.experiment.observation import answer_features, finest_window_only, has_channels_last, observe
from seunet.settings.configuration import FactorSearch

SIDE = 64


def scenes(magnification, count=8):
    side = round(SIDE * magnification)
    images = [rendering.render(shapes.draw_scene(0, f"val_{i:05d}", SIDE), side, side)[0] for i in range(count)]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def calibrated(model):
    """Give batch norm the statistics of scenes, as a training does."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        for _ in norms:  # a layer is right once those before it are
            model.train()(scenes(1, 4))
    return model.eval()


def network(kind=nn.BatchNorm2d):
    """A network that nobody trained: its maps tell textures of one size from those of another."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 3),
        kind(8, affine=True),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3),
        kind(8),
        nn.ReLU(),
    ]
    body = nn.Sequential(*layers)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = body, nn.Conv2d(8, 3, 1)

        def forward(self, x):
            return nn.functional.interpolate(self.head(self.body(x)), x.shape[-2:], mode="bilinear")

    return calibrated(Net())


@pytest.mark.parametrize("magnification", [1, 1.41, 2, 4])
def test_the_factor_of_scenes_of_known_magnification(magnification):
    model = network()
    reference = fingerprint(model, scenes(1).split(4))
    found = find_magnification(model, list(scenes(magnification)), reference)
    assert abs(np.log2(found.factor * magnification)) <= 0.26, found
    assert found.best.score == max(trial.score for trial in found.trials) or found.factor == 1


def test_small_scenes_are_enlarged():
    model = network()
    assert find_magnification(model, list(scenes(0.5)), fingerprint(model, scenes(1).split(4))).factor > 1.3


@pytest.mark.parametrize("kind", [nn.InstanceNorm2d, lambda channels, affine=True: nn.GroupNorm(2, channels), None])
def test_networks_without_running_statistics_are_compared_with_images_of_the_right_scale(kind):
    model = network(kind or (lambda channels, affine=True: nn.Identity()))
    reference = fingerprint(model, scenes(1).split(4))
    assert reference.layers
    assert find_magnification(model, list(scenes(2)), reference).factor == pytest.approx(0.5, rel=0.2)
    with pytest.raises(UserError, match="--reference"):
        find_magnification(model, list(scenes(2, 1)))


def test_answers_tell_where_layers_cannot_be_watched():
    model = network()
    answers = Fingerprint({}, fingerprint(model, scenes(1).split(4)).answers)
    assert answers.distance(observe(model, scenes(1))[0]) < answers.distance(observe(model, scenes(2))[0])


def test_answers_add_to_the_distance_of_the_layers_up_to_a_bound():
    model = network()
    known = fingerprint(model, scenes(1).split(4))
    layers = Fingerprint(known.layers)
    mean, spread = known.answers
    added = []
    for away in (0, 1, 1000):
        answers = Fingerprint(known.layers, (mean + away * spread, spread))
        added.append(answers.distance(observe(model, scenes(1))[0]) - layers.distance(observe(model, scenes(1))[0]))
    assert 0 <= added[0] < added[1] < added[2] < ANSWERS
    assert added[2] == pytest.approx(ANSWERS, rel=1e-3)


def test_a_windowed_network_is_compared_at_its_finest_window():
    torch.manual_seed(0)
    options = {"geometry": "exact", "layout": "pyramid", "num_scales": 2, "scales_in_training": 3, "scales_at_test": 5}
    model = SEUNet(3, 3, width=4, depth=2, scale_dropout=0, windows="information", **options)
    model = calibrated(model)
    x = scenes(1, 2)
    with finest_window_only(model):
        finest = model(x)
    model.windows.rule = 0
    torch.testing.assert_close(finest, model(x))
    model.windows.rule = "information"
    found = find_magnification(model, list(scenes(2)), fingerprint(model, scenes(1).split(4)))
    assert found.factor == pytest.approx(0.5, rel=0.2)


def test_a_constant_network_keeps_images_as_they_are():
    model = UNet(3, 2, width=2, depth=2).eval()
    nn.init.zeros_(model.classifier.weight)
    flat = list(scenes(1, 2))
    found = find_magnification(model, flat, fingerprint(model, [torch.stack(flat)]))
    assert found.factor == 1 and "no factor stands out" in str(found)


def test_images_too_small_for_any_scale_are_refused():
    model = network()
    with pytest.raises(UserError, match="smaller than 16 pixels"):
        find_magnification(model, [torch.rand(3, 12, 40)], fingerprint(model, [torch.rand(1, 3, 64, 64)]))
    with pytest.raises(UserError, match="no images"):
        find_magnification(model, [])


def test_images_that_resampling_rounded_beyond_one_are_images() -> None:
    model, images = network(), [torch.rand(3, 64, 64) * (1 + 2e-7) - 1e-7]
    images[0][0, 0, :2] = torch.tensor([1 + 1e-6, -1e-6])
    assert find_magnification(model, images, fingerprint(model, [torch.rand(1, 3, 64, 64)])).factor


@pytest.mark.parametrize(
    "images, words",
    [
        ([torch.zeros(1, 3, 64, 64)], "expected a tensor of floats (channels, height, width)"),
        ([np.zeros((3, 64, 64))], "ndarray"),
        ([torch.full((3, 64, 64), 200.0)], "divide bytes by 255"),
        ([torch.full((3, 64, 64), float("nan"))], "values from nan"),
    ],
)
def test_what_is_no_image_is_refused(images, words):
    with pytest.raises(UserError) as error:
        find_magnification(network(), images)
    assert words in str(error.value)


def test_other_mistakes_are_said_in_one_line():
    model, x = network(), list(scenes(1, 2))
    with pytest.raises(UserError, match="training mode"):
        find_magnification(network().train(), x)
    with pytest.raises(UserError, match="factors"):
        find_magnification(model, x, factors=(1, -2))
    with pytest.raises(UserError, match="damaged, or is none"):
        find_magnification(model, x, {})
    with pytest.raises(UserError, match="another network"):
        find_magnification(model, x, fingerprint(calibrated(UNet(3, 3, width=2, depth=2)), [torch.stack(x)]))


def test_images_with_nothing_in_them_and_tiny_ones_decide_nothing():
    model = network()
    reference = fingerprint(model, scenes(1).split(4))
    assert find_magnification(model, [torch.full((3, 64, 64), 0.5)] * 2, reference).factor == 1
    large = list(scenes(2))
    assert find_magnification(model, [*large, torch.rand(3, 10, 10)], reference).factor == pytest.approx(0.5, rel=0.2)


def test_a_network_of_one_size_has_a_fingerprint_too():
    class OneSize(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.head = nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            return self.head(self.norm(input=x)).reshape(-1, 2, 64, 64)

    made = fingerprint(OneSize().eval(), [scenes(1, 2)])
    assert not made.enlarges and made.answers is not None


def test_layer_norms_are_watched_wherever_their_channels_are():
    class ChannelsFirst(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.movedim(1, -1)).movedim(-1, 1)

    class Usual(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x)

    model = nn.Sequential(nn.Conv2d(3, 8, 1), ChannelsFirst(8), nn.Conv2d(8, 2, 1)).eval()
    reference = fingerprint(model, [scenes(1, 2)])
    assert [len(mean) for mean, _ in reference.layers.values()] == [8]
    assert find_magnification(model, list(scenes(2, 2)), reference).trials
    assert has_channels_last(nn.LayerNorm(8), torch.rand(1, 8, 4, 8))
    assert has_channels_last(Usual(8), torch.rand(1, 5, 8)) and not has_channels_last(
        nn.BatchNorm2d(8), torch.rand(1, 8)
    )


def test_a_fingerprint_comes_back_from_json():
    model = UNet(3, 2, width=2, depth=2).eval()
    images = scenes(1, 4)
    made = fingerprint(model, images.split(2))
    again, seen = Fingerprint.read(made.written()), observe(model, scenes(2, 4))[0]
    assert again.distance(seen) == pytest.approx(made.distance(seen), rel=1e-3)
    assert made.distance(observe(model, images)[0]) == pytest.approx(0, abs=1e-4)


def test_a_channel_that_few_images_stir_does_not_decide_alone():
    model = network()
    known = fingerprint(model, scenes(1).split(4))
    name, (mean, variance) = next(iter(known.layers.items()))
    far = torch.full_like(mean[:1], 1e6)
    stirred = Fingerprint({**known.layers, name: (torch.cat([far, mean[1:]]), variance)}, known.answers)
    added = stirred.distance_of_layers(observe(model, scenes(1))[0]) - known.distance_of_layers(
        observe(model, scenes(1))[0]
    )
    assert added <= 1 / (len(mean) * len(known.layers))


def test_an_earlier_fingerprint_counts_by_its_layers_alone():
    model = UNet(3, 2, width=2, depth=2).eval()
    written = fingerprint(model, scenes(1, 4).split(2)).written() | {"answers": [[0.0] * 4, [1.0] * 4]}
    again = Fingerprint.read(written)
    assert again.answers is None and again.distance(observe(model, scenes(2, 4))[0]) > 0
    with pytest.raises(UserError, match="earlier version.*--reference"):
        Fingerprint.read(written | {"layers": {}})


def test_borders_of_answers_tell_the_size_of_objects_and_not_their_number():
    def features(disks, radius):
        y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
        inside = torch.stack([(y - 20 - 40 * (k // 3)) ** 2 + (x - 20 - 40 * (k % 3)) ** 2 for k in range(disks)])
        found = (inside < radius**2).any(0).long()
        return answer_features(torch.nn.functional.one_hot(found).permute(2, 0, 1)[None].float().log_softmax(1))[0, 0]

    few, many, large = features(2, 5), features(8, 5), features(8, 10)
    assert abs(few - many) < 0.2 and many - large > 0.5


def test_images_of_the_training_count_in_what_is_seen_but_not_in_how_sure_the_answers_are():
    model = UNet(3, 2, width=2, depth=2).eval()
    held_out, learnt = scenes(1, 4), 0.3 * scenes(1, 8)[4:]
    made, alone, whole = (
        fingerprint(model, [held_out], [learnt]),
        fingerprint(model, [held_out]),
        fingerprint(model, [held_out, learnt]),
    )
    assert made.information == alone.information != whole.information
    assert (made.enlarges, made.enlarges_quarters) == (alone.enlarges, alone.enlarges_quarters)
    for name, (mean, variance) in made.layers.items():
        torch.testing.assert_close((mean, variance), whole.layers[name])
    torch.testing.assert_close(made.answers, whole.answers)


def between(scores):
    """Return a function that tries a factor: its score on straight lines between those given."""
    factors = sorted(scores)

    def attempt(factor):
        if not factors[0] * 0.99 < factor < factors[-1] * 1.01:
            return None
        return Trial(factor, np.interp(np.log2(factor), np.log2(factors), [scores[f] for f in factors]), 0, 0)

    return attempt


@pytest.mark.parametrize("right", [0.3, 0.45, 0.58, 1.6, 3.2])
def test_finer_steps_end_within_an_eighth_of_an_octave(right):
    def attempt(factor):
        return Trial(factor, -abs(np.log2(factor / right)), 0, 0)

    found = search(attempt, (0.125, 0.25, 0.5, 1, 2, 4))
    assert abs(np.log2(found.factor / right)) <= 1 / 8


def test_an_image_alone_is_not_shown_at_finer_steps_beside_its_own_pixels():
    def attempt(factor):
        return Trial(factor, -abs(np.log2(factor / 1.15)), 0, 0)

    assert search(attempt, (0.5, 1, 2)).factor == pytest.approx(1.19, abs=0.01)
    assert search(attempt, (0.5, 1, 2), alone=True).factor == 1


def test_between_octaves_of_nearly_one_score_the_half_octaves_are_tried():
    scores = {0.125: 0.22, 0.177: 0.22, 0.25: 0.281, 0.354: 0.292, 0.5: 0.274, 0.707: 0.308, 1: 0.273}  # instance norm
    assert search(between(scores), (0.125, 0.25, 0.5, 1)).factor == pytest.approx(0.707, abs=0.01)


def test_enlargements_are_tried_only_while_the_score_rises():
    tried = []

    def attempt(factor):
        tried.append(factor)
        return Trial(factor, -abs(np.log2(factor / 0.35)), 0, 0)

    found = search(attempt, (0.125, 0.25, 0.5, 1, 2, 4))
    assert max(tried) < 1.5 and found.factor == pytest.approx(0.3536, rel=1e-3)


def test_an_enlargement_must_gain_more_where_it_did_not_help_reduced_images():
    def attempt(factor):
        return Trial(factor, -0.03 * abs(np.log2(factor / 2)), 0, 0)

    assert search(attempt, (0.5, 1, 2)).factor == 2
    assert search(attempt, (0.5, 1, 2), to_enlarge=0.05, doubted=True).factor == 1


def test_a_score_that_falls_ends_the_enlargements_only_where_it_is_good_already():
    scores = {0.5: 0.0, 0.707: 0.05, 1: 0.11, 1.414: 0.09, 2: 0.23, 2.828: 0.1, 4: -0.1}  # of scenes at ×½

    attempt = between(scores)
    assert search(attempt, (0.5, 1, 2, 4)).factor == 1
    assert search(attempt, (0.5, 1, 2, 4), good=0.235).factor == 2
    found = search(attempt, (0.5, 1, 2, 4), good=0.1)
    assert found.factor == 1 and max(trial.factor for trial in found.trials) < 1.5


def test_where_no_octave_is_good_all_half_octaves_are_tried():
    scores = {0.125: 0.12, 0.177: 0.138, 0.25: 0.143, 0.354: 0.206, 0.5: 0.121, 0.707: 0.3, 1: 0.111, 1.414: 0.03}

    attempt = between(scores)
    assert search(attempt, (0.125, 0.25, 0.5, 1)).factor == pytest.approx(0.354, abs=0.01)
    assert search(attempt, (0.125, 0.25, 0.5, 1), good=0.25).factor == pytest.approx(0.707, abs=0.01)


def test_nothing_is_reduced_in_place_of_an_enlargement_that_is_not_believed():
    scores = {0.5: -0.22, 0.707: -0.16, 1: -0.19, 1.414: -0.13}  # of a network whose cells are too small to be seen

    attempt = between(scores)
    assert search(attempt, (0.5, 1, 2)).factor == pytest.approx(1.414, abs=0.01)
    assert search(attempt, (0.5, 1, 2), to_enlarge=np.inf, doubted=True).factor == 1


def test_what_enlargements_did_to_the_references_own_images_decides_what_they_must_gain():
    class Constant(nn.Module):
        """Answers of images below some side differ from those above."""

        def __init__(self, side):
            super().__init__()
            self.side, self.norm = side, nn.BatchNorm2d(3)

        def forward(self, x):
            logits = self.norm(x)
            return -logits if x.shape[-1] < self.side else logits

    x = scenes(1, 2)  # of 64 pixels: 32 at half, 16 at a quarter, 23 of a quarter enlarged by half an octave
    for side, gain in ((8, np.inf), (20, DOUBT), (40, MARGIN)):
        made = fingerprint(Constant(side).eval(), [x])
        again = Fingerprint.read(made.written())
        assert (again.enlarges, again.enlarges_quarters) == (made.enlarges, made.enlarges_quarters)
        assert least_gain(made) == gain


@pytest.mark.parametrize("size, factor", [((512, 512), 1), ((512, 512), 4), ((300, 900), 2), ((2000, 3000), 0.7)])
def test_of_an_image_alone_no_more_pixels_are_shown_than_it_has(size, factor):
    shown = resized(torch.rand(1, *size), factor, alone=True)
    assert shown.shape[-2] * shown.shape[-1] <= 1.02 * min(size[0] * size[1], 2**20)
    assert resized(torch.rand(1, *size), 0.25).shape[-2:] == (round(size[0] / 4), round(size[1] / 4))


def test_at_factor_1_images_are_not_resampled_to_sides_that_the_network_takes():
    model = network()
    model.size_multiple = 32
    images = scenes(1, 2)[..., :40, :56]
    asked = AutoFactorNetwork(model, FactorSearch(per="dataset", factors=[1]), fingerprint(model, scenes(1).split(4)))
    asked.factor = 1.0
    torch.testing.assert_close(asked(images), predict(model, images))


def test_few_images_decide():
    assert len(evenly_spaced(100, PROBES)) == PROBES == 10
    assert evenly_spaced(3, PROBES) == [0, 1, 2] and evenly_spaced(1, PROBES) == [0]


def test_one_factor_for_all_and_one_for_each():
    model = network()
    reference, x = fingerprint(model, scenes(1).split(4)), scenes(2, 6)
    together = AutoFactorNetwork(model, FactorSearch(per="dataset"), reference)
    together.find_common_factor(x)
    assert together.factor == pytest.approx(0.5, rel=0.2)
    assert predict(together, x).shape == (6, 3, 128, 128)
    alone = AutoFactorNetwork(model, FactorSearch(per="image"), reference)
    torch.testing.assert_close(predict(alone, x)[:1], predict(alone, x[:1]))


def test_the_search_shows_images_at_the_sides_at_which_they_are_answered():
    """Of 48 pixels, enlarged by half an octave to 68, they would be padded to 96: half of that are streaks."""
    model, seen = network(), set()
    model.size_multiple = 32
    model.register_forward_pre_hook(lambda _, inputs: seen.add(inputs[0].shape[-2:]))
    known = fingerprint(model, scenes(1).split(4))
    seen.clear()
    find_magnification(model, list(scenes(0.75, 4)), known)
    assert seen == {(32, 32), (64, 64)}


def test_a_small_image_among_others_keeps_no_factor_from_being_tried():
    model, images = network(), list(scenes(4, 6))
    known = fingerprint(model, scenes(1).split(4))
    alone = find_magnification(model, images, known)
    assert find_magnification(model, [*images, images[0][:, :18]], known) == alone and alone.factor < 0.5


def test_images_of_one_colour_say_nothing():
    model = network()
    colour = torch.tensor([0.1, 0.5, 0.9])[:, None, None].expand(3, 64, 64)
    found = find_magnification(model, [colour] * 3, fingerprint(model, scenes(1).split(4)))
    assert found.factor == 1 and len(found.trials) == 1


def test_a_fingerprint_needs_images():
    with pytest.raises(UserError, match="no images; give at least one batch"):
        fingerprint(network(), [])


def test_the_sentence_does_not_say_that_nothing_stands_out_where_an_enlargement_is_not_believed():
    found = search(lambda factor: Trial(factor, 0.1 * factor, 0, 0), (0.5, 1, 2), to_enlarge=np.inf)
    assert found.factor == 1 and str(found) == "shown at their own pixels: ×2 scores higher, but enlarging may not pay"
