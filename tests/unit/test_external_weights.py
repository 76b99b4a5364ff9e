"""Given weights in the configuration: tested and not trained, with their keys checked before anything runs."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from test_configuration import good, message
from test_external import stand

from seunet.config import checks as configuration
from seunet.config import plan
from seunet.experiment.evaluation import evaluate
from seunet.experiment.inference import Variant
from seunet.settings.dataset import Testing

KEYS = {"label": "Theirs", "architecture": "test_external:Stand"}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_file(stand(3, 4).state_dict(), tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def configured(path: Path, model=None, models=None, seeds=(0,), **keys) -> dict:
    config = good()
    config["models"]["theirs"] = model or KEYS | {"weights": str(path)} | keys
    config["models"] |= models or {}
    config["runs"] = [{"datasets": ["reef"], "models": ["theirs", *(models or {})], "seeds": list(seeds)}]
    return config


def test_given_weights_are_not_trained_but_may_be_an_ensemble(weights):
    ensemble = {"several": {"label": "Several", "weights_of": "theirs", "ensemble": [0.5, 1]}}
    config = configuration.check(configured(weights, models=ensemble, channels="bgr", normalise={"mean": 0.5}))
    assert plan.all_trainings(config) == []
    asked = plan.variant(config, "reef", "several", 0)
    assert asked["given"]["channels"] == "bgr" and asked["given"]["contents"].startswith("1 files, sha256")
    variant = Variant.read(asked)
    assert variant.given.conventions.mean == 0.5 and variant.ensemble == [0.5, 1]


def test_another_content_is_another_variant(weights):
    config = configuration.check(configured(weights))
    before = plan.variant(config, "reef", "theirs", 0)
    save_file(stand(3, 5).state_dict(), weights)
    assert plan.variant(config, "reef", "theirs", 0) != before


def test_seeds_have_files_of_their_own(weights):
    (weights.parent / "w1.safetensors").write_bytes(weights.read_bytes())
    (weights.parent / "w2.safetensors").write_bytes(weights.read_bytes())
    config = configuration.check(configured(weights.parent / "w{seed}.safetensors", seeds=(1, 2)))
    assert plan.external_weights(config, "reef", "theirs", 2) == weights.parent / "w2.safetensors"
    assert "w3.safetensors: no such file" in message(configured(weights.parent / "w{seed}.safetensors", seeds=(3,)))


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"weights": "none.pt"}, ["models.theirs.weights: none.pt: no such file"]),
        ({"architecture": None}, ["models.theirs.weights:", "holds weights alone; name their architecture"]),
        ({"scale_jitter": 2}, ["models.theirs.scale_jitter: nothing is trained where weights are given"]),
        ({"weights_of": "unet", "ensemble": [1, 2]}, ["models.theirs.weights: that of models.unet", "remove it"]),
        ({"output": "softmax"}, ["models.theirs.output", "logits", "sigmoid"]),
        ({"channels": "gbr"}, ["models.theirs.channels", "bgr"]),
        ({"normalise": {"mean": [123.7, 116.3, 103.5]}}, ["models.theirs.normalise.mean"]),
        ({"normalise": {"std": 0}}, ["models.theirs.normalise.std", "images in [0, 1]"]),
        ({"normalise": {"average": 0.5}}, ["models.theirs.normalise.average: unknown key"]),
        ({"options": {"wdith": 7}}, ["models.theirs.options.wdith: unknown option; did you mean width?"]),
        ({"weights": None, "output": "sigmoid"}, ["models.theirs.output: only a model with weights takes it"]),
        ({"weights": None, "size_multiple": 8}, ["models.theirs.size_multiple: only a model with weights takes it"]),
    ],
)
def test_bad_keys_are_one_line(weights, keys, parts):
    text = message(configured(weights, **keys))
    assert all(part in text for part in parts), text


def test_a_file_that_holds_its_network_takes_no_architecture(weights):
    torch.jit.script(stand(3, 4)).save(weights.with_suffix(".pt"))
    text = message(configured(weights.with_suffix(".pt")))
    assert "torchscript, which holds its own network; leave the architecture out" in text
    configuration.check(configured(weights, {"label": "Theirs", "weights": str(weights.with_suffix(".pt"))}))


def test_they_are_evaluated(weights, tiny, tmp_path):
    save_file(stand(3, 3).state_dict(), weights)
    names = ("scores", "per_image", "samples", "crops", "windows")
    files = {name: tmp_path / f"{name}{'.npz' if name in ('per_image', 'samples') else '.csv'}" for name in names}
    variant = Variant.read({"given": {"architecture": "test_external:Stand", "channels": "bgr"}})
    testing = Testing(test_scales=[1, 0.5], size_multiple=8)
    evaluate(weights, tiny, testing, {"dataset": "reef", "model": "theirs", "seed": 0}, variant=variant, **files)
    assert set(pd.read_csv(files["scores"])["height"]) == {16, 32}
