"""Multi-scale ensembles of a trained network: prediction, evaluation, configuration."""

import copy

import pytest
import torch
from test_configuration import change, good, message
from torch import nn

from seunet.config import checks as configuration
from seunet.config import plan
from seunet.data.rescaling import rescale_image, rescale_logits
from seunet.experiment import evaluation
from seunet.experiment.inference import KnownScale, MultiScale, Variant, predict
from seunet.experiment.training import train
from seunet.models import UNet
from seunet.models.calling import nearest_side
from seunet.settings.dataset import Testing, Tile
from seunet.settings.metric import COUNTS
from seunet.settings.training import Training

ENSEMBLE = {"label": "Ensemble", "weights_of": "unet", "ensemble": [0.5, 1, 2]}


@pytest.fixture
def network():
    """Return a small U-Net that takes multiples of 4, and whose batch norms have seen something."""
    torch.manual_seed(0)
    network = UNet(3, 3, width=4, depth=2)
    network(torch.rand(4, 3, 16, 16))
    return network.eval()


def test_probabilities_are_averaged(network):
    images = torch.rand(2, 3, 24, 32)
    expected = 0
    for size in [(12, 16), (24, 32), (48, 64)]:
        expected = expected + rescale_logits(network(rescale_image(images, size)), (24, 32)).softmax(1) / 3
    with torch.no_grad():
        found = MultiScale(network, [0.5, 1, 2])(images)
    torch.testing.assert_close(found.exp(), expected.detach())
    torch.testing.assert_close(found.exp().sum(1), torch.ones(2, 24, 32))


def test_an_ensemble_of_factor_1_is_the_network(network):
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(predict(MultiScale(network, [1]), images), predict(network, images).log_softmax(1))


@pytest.mark.parametrize(("side", "factor", "asked"), [(16, 0.5, 8), (20, 0.5, 12), (16, 0.1, 4), (16, 1.3, 20)])
def test_sides_are_rounded_to_the_networks_multiple(network, side, factor, asked):
    assert nearest_side(side * factor, network.size_multiple) == asked


def test_a_fusion_chooses_one_answer_for_each_image(network):
    images = torch.rand(2, 3, 16, 16)
    answers = [predict(MultiScale(network, [factor]), images) for factor in (1, 0.5)]
    for fusion in ("entropy", "information"):
        found = MultiScale(network, [1, 0.5], fusion)(images)
        for i in range(2):
            assert any(torch.allclose(found[i], answer[i], atol=1e-5) for answer in answers)


def test_a_known_scale_is_the_answer_at_the_size_of_training(network):
    images = torch.rand(1, 3, 32, 32)
    small = rescale_image(images, (16, 16))
    expected = rescale_logits(network(small), (32, 32))
    torch.testing.assert_close(predict(Variant(rescale="training").wrap(network, (16, 16)), images), expected)
    torch.testing.assert_close(KnownScale(network, (16, 16))(small), network(small))


def test_certainty_of_another_class_is_no_infinity():
    class Certain(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0] * 0 + 1e4, x[:, 0] * 0 - 1e4], 1)

    assert MultiScale(Certain(), [1, 2])(torch.rand(1, 3, 4, 4)).isfinite().all()


def test_tiles_agree_with_the_whole_at_every_factor(network):
    images = torch.rand(1, 3, 64, 72)
    ensemble = MultiScale(network, [0.5, 1, 2])
    whole, tiled = predict(ensemble, images), predict(ensemble, images, Tile(size=16, margin=40))
    torch.testing.assert_close(tiled, whole, atol=1e-4, rtol=0)


def test_evaluation_of_an_ensemble(tiny, tmp_path):
    weights = tmp_path / "weights"
    settings = Training(epochs=1, batch_size=4, crop=16)
    train(tiny, "unet", {"width": 4, "depth": 2}, settings, 0, weights, "cpu")
    before = sorted(path.name for path in weights.iterdir())
    scores = {}
    for name, factors in {"alone": (), "one": (1,), "three": (0.5, 1, 2)}.items():
        files = [
            tmp_path / f"{name}{suffix}" for suffix in (".csv", ".npz", "-samples.npz", "-crops.csv", "-windows.csv")
        ]
        run = {"dataset": "reef", "model": "unet", "seed": 0}
        evaluation.evaluate(
            weights, tiny, Testing(test_scales=[0.5, 1, 2], size_multiple=8), run, *files, variant=Variant(factors)
        )
        scores[name] = files[0].read_text()
    assert scores["alone"] == scores["one"] != scores["three"]
    assert scores["three"].splitlines()[0].endswith(",".join(COUNTS))
    assert sorted(path.name for path in weights.iterdir()) == before  # nothing is written beside the weights


def with_ensemble(**changes):
    """Return the good configuration with an ensemble of its U-Net, and changes to it (None: without the key)."""
    config = change("models.both", copy.deepcopy(ENSEMBLE) | changes)
    config["models"]["both"] = {key: value for key, value in config["models"]["both"].items() if value is not None}
    config["runs"] = [{"datasets": ["reef"], "models": ["both", "seunet"], "seeds": [0, 1]}]
    return config


def test_the_network_of_an_ensemble_is_trained_though_no_run_names_it():
    config = with_ensemble()
    config = configuration.check(config)
    assert ("reef", "both", 0) in plan.all_runs(config)
    trained = [("reef", model, seed) for model in ("unet", "seunet") for seed in (0, 1)]
    assert plan.all_trainings(config) == trained
    assert plan.network_options(config, "reef", "both") == {"width": 4, "depth": 2}


def test_a_model_may_train_longer():
    config = change("models.unet.epochs_factor", 1.5)
    config["datasets"]["reef"]["training"]["epochs"] = 10
    assert plan.training(configuration.check(config), "reef", "unet")["epochs"] == 15
    assert plan.training(configuration.check(config), "reef", "seunet")["epochs"] == 10


def test_a_model_may_have_a_learning_rate_of_its_own_and_the_default_written_out_is_the_default():
    config = change("datasets.reef.training.learning_rate", 0.01)
    config["models"]["unet"]["learning_rate"] = 0.1
    config["models"]["seunet"]["learning_rate"] = 0.001
    checked = configuration.check(config)
    assert plan.training(checked, "reef", "unet")["learning_rate"] == 0.1
    assert plan.training(checked, "reef", "seunet") == plan.training(configuration.check(good()), "reef", "seunet")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"weights_of": "unett"}, ['models.both.weights_of: "unett" is not known', "did you mean unet?"]),
        ({"weights_of": "both"}, ["models.both.weights_of: models.both has weights_of itself"]),
        ({"weights_of": None}, ["models.both.weights_of: missing"]),
        (
            {"ensemble": None},
            ["models.both: the same as models.unet", "give ensemble, rescale, magnification, or options"],
        ),
        ({"ensemble": None, "fusion": "mean"}, ["models.both: the same as models.unet"]),
        ({"ensemble": None, "rescale": "training", "fusion": "mean"}, ["models.both.fusion: there is no ensemble"]),
        ({"fusion": "best"}, ['models.both.fusion: "best" is not known']),
        ({"rescale": "test"}, ['models.both.rescale: "test" is not known']),
        ({"weights_of": None, "ensemble": None}, ["models.both.architecture: missing", "or weights_of"]),
        ({"architecture": "unet"}, ["models.both.architecture:", "models.unet", "remove it"]),
        ({"options": {"width": 8}}, ["models.both.options.width: the weights depend on it", "scales_at_test, windows"]),
        ({"scale_jitter": 2}, ["models.both.scale_jitter:", "remove it"]),
        ({"learning_rate": 0.1}, ["models.both.learning_rate:", "remove it"]),
        ({"ensemble": []}, ["models.both.ensemble: [] is too short"]),
        ({"ensemble": [1, 0]}, ["models.both.ensemble[1]: 0 is out of bounds", "at least 0.1"]),
        ({"ensemble": [1, 1]}, ["models.both.ensemble: 1 stands there twice"]),
        ({"ensemble": 2}, ["models.both.ensemble: expected a list, got 2"]),
    ],
)
def test_bad_ensembles_are_named(changes, parts):
    text = message(with_ensemble(**changes))
    for part in parts:
        assert part in text, text


def test_sizes_are_checked_against_the_network_of_an_ensemble():
    config = with_ensemble()
    config["runs"][0]["models"] = ["both"]
    config["datasets"]["reef"]["size_multiple"] = 2
    assert "datasets.reef.size_multiple: 2 is no multiple of 4, which models.unet needs" in message(config)
