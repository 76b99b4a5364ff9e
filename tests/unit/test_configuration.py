"""The configuration: the shipped ones are good, and every bad one gives one line that says where and what to do."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from snakemake.utils import update_config

from seunet.config import checks as configuration
from seunet.config import parameters, plan, reference
from seunet.runtime.errors import UserError

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "config").glob("*.yaml")) + [ROOT / "tests" / "configs" / "tiny-real.yaml"]

GOOD = """
datasets:
  reef:
    source: shapes
    count: {train: 4, val: 2, test: 2}
    image_size: 32
    network: {width: 4, depth: 2}
    training: {crop: 16, batch_size: 2, epochs: 1}
    test_scales: [0.5, 1, 2]
    size_multiple: 8
  cells:
    source: hela
    archives: {sequences: {url: "http://localhost/a.zip", sha256: "%s"}}
    image_size: 64
    metric: {iou: cell}
    training: {batch_size: 1, epochs: 1}
    test_scales: [1]
  mine:
    source: folder
    path: somewhere
    classes: {sky: 0, ground: [1, 2]}
    image_size: 64
    training: {batch_size: 1, epochs: 1}
    test_scales: [1]
models:
  unet: {label: U-Net, architecture: unet}
  seunet: {label: SEU-Net, architecture: seunet, options: {num_scales: 2}}
  ensemble: {label: Ensemble, weights_of: unet, ensemble: [0.5, 1, 2]}
claims:
  - {claim: it generalises, better: seunet, worse: unet, datasets: [reef]}
runs:
  - {datasets: [reef, cells], models: [unet, seunet], seeds: [0, 1]}
  - {datasets: [reef], models: [ensemble], seeds: [0]}
""" % ("0" * 64)


def load(*files) -> dict:
    """Merge configuration files from left to right, as Snakemake does."""
    merged: dict = {}
    for file in files:
        update_config(merged, yaml.safe_load(Path(file).read_text(encoding="utf-8")))
    return merged


def good() -> dict:
    return yaml.safe_load(GOOD)


def change(path: str, value) -> dict:
    """Return the good configuration with a YAML value, or any object, at a dotted path."""
    config = good()
    *parents, last = path.split(".")
    place = config
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = value
    return config


def written(config) -> dict:
    """Return a configuration as a file could hold it, defaults included."""
    own = {"datasets": {"__all__": {"split", "ignore"}}, "models": {"__all__": {"fusion"}}}  # of some alone
    return config.model_dump(mode="json", exclude_none=True, exclude=own)


def message(config) -> str:
    """Return the error of a bad configuration, which must be one readable line."""
    with pytest.raises(UserError) as caught:
        configuration.check(config)
    text = str(caught.value)
    assert len(text.splitlines()) == 1 and text.isprintable(), text
    assert text.startswith("configuration: ") and len(text) < 500, text
    return text


def test_the_reference_and_the_schema_are_those_of_the_classes():
    """After a change of seunet/settings: make reference."""
    readme = (ROOT / reference.README).read_text(encoding="utf-8")
    assert readme == reference.readme(readme)
    assert (ROOT / reference.SCHEMA).read_text(encoding="utf-8") == reference.schema()


def test_every_key_has_a_text_or_is_a_split():
    rows = [row for settings in reference.TABLES.values() for row in reference.rows(settings)]
    assert len(rows) > 40 and not [row for row in rows if row.endswith("|  |")]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_the_schema_for_editors_takes_what_is_shipped(file):
    schema = json.loads((ROOT / reference.SCHEMA).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(load(ROOT / "config" / "config.yaml", file))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_shipped_configurations_are_good(file):
    if file.name == "networks.yaml":
        for package in ("monai", "dynamic_network_architectures", "segmentation_models_pytorch"):
            pytest.importorskip(package, reason="a package of envs/networks.yaml")
    over_evidence = file.name in ("networks.yaml", "evidence-earlier.yaml")
    below = ["demo"] if file.name.startswith("demo-") else ["laptop", "evidence"] if over_evidence else []
    below = [ROOT / "config" / f"{name}.yaml" for name in ("config", *below)]
    config = load(*dict.fromkeys([*below, file]))
    config = configuration.check(config)
    assert plan.all_runs(config)


def test_the_paper_is_whole():
    config = load(ROOT / "config" / "config.yaml")
    config = configuration.check(config)
    runs = plan.all_runs(config)
    assert len(runs) == len(set(runs))
    models = ("unet", "unet-jitter1.5", "unet-jitter2", "unet-jitter4", "sresnet", "seunet", "seunet-nodropout")
    assert {(data, model, seed) for data in ("pet", "hela") for model in models for seed in (0, 1, 2)} <= set(runs)
    variants = [run for run in runs if config.models[run[1]].weights_of]  # nothing is trained for them
    assert len(plan.all_trainings(config)) == len(runs) - len(variants)
    assert [len(config.datasets[name].test_scales) for name in ("pet", "hela")] == [17, 11]


def test_defaults_are_filled_in_and_what_is_checked_can_be_written_and_read_again():
    config = good()
    checked = configuration.check(config)
    training = checked.datasets["reef"].training
    assert training.augmentation.model_dump() == {"rotation": 0, "flips": [], "gain": 0, "elastic": False}
    assert (training.schedule, training.learning_rate) == ("constant", 0.001)
    assert (checked.datasets["mine"].archives.present(), checked.models["unet"].options) == ({}, {})
    assert configuration.check(written(checked)) == checked and config == good()


def test_what_differs_from_the_defaults_is_all_that_a_rule_depends_on():
    """So a key that somebody adds to the library, with a default, runs nothing again."""
    checked = configuration.check(good())
    dataset = checked.datasets["reef"]
    assert dataset.training.non_defaults() == {"crop": 16, "batch_size": 2, "epochs": 1}
    assert dataset.non_defaults("source", "seed", "split", "limit", "metric") == {"source": "shapes"}
    same = change("datasets.reef.training.augmentation", {"rotation": 0})
    assert parameters.preparation(configuration.check(same), "reef") == parameters.preparation(checked, "reef")


def test_keys_for_anchors_hold_anything_and_change_nothing():
    base = good()
    anchors = {"x-training": {"epochs": "many", "x": [None, {1: 2}]}, "x-": 3, "x-no": None}
    assert configuration.check(base | anchors) == configuration.check(base)
    schema = json.loads(reference.schema())
    jsonschema.Draft202012Validator(schema).validate(base | anchors)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(base | {"y-training": {}})


def test_one_run_listed_in_two_entries_is_run_once():
    config = good()
    config["runs"].append({"datasets": ["reef"], "models": ["unet"], "seeds": [1, 2]})
    config = configuration.check(config)
    runs = plan.all_runs(config)
    assert len(runs) == len(set(runs)) == 10


def test_a_data_set_that_is_trained_on_another_takes_its_keys_and_its_networks():
    config = good()
    config["datasets"]["dark"] = {"trained_on": "reef", "seed": 1}
    config["runs"].append({"datasets": ["dark"], "models": ["unet"], "seeds": [5]})
    checked = configuration.check(config)
    reef, dark = checked.datasets["reef"], checked.datasets["dark"]
    assert dark == reef.model_copy(update={"trained_on": "reef", "seed": 1})
    assert ("reef", "unet", 5) in plan.all_trainings(checked)
    assert not [run for run in plan.all_trainings(checked) if run[0] == "dark"]


BAD = [  # path, value in YAML, parts of the message
    ("datasets.reef.trained_on", "min", "datasets.reef.trained_on:", "did you mean mine?"),
    ("datasets.reef.trained_on", "reef", "datasets.reef.trained_on: datasets.reef has trained_on itself"),
    # unknown and misspelt keys
    ("extra", "1", "extra: unknown key", "datasets, models, runs"),
    ("datasets.x-reef", "{a: 1}", "datasets.x-reef"),
    ("x_anchors", "{a: 1}", "x_anchors: unknown key"),
    ("datasets.reef.imagesize", "32", "datasets.reef.imagesize: unknown key", "did you mean image_size?"),
    ("datasets.reef.training.learnig_rate", "0.1", "training.learnig_rate: unknown key", "did you mean learning_rate?"),
    ("datasets.reef.training.augmentation", "{rotate: 10}", "augmentation.rotate: unknown key", "mean rotation?"),
    ("models.unet.jitter", "2", "models.unet.jitter: unknown key", "scale_jitter"),
    ("runs.0.seed", "[1]", "runs[0].seed: unknown key", "did you mean seeds?"),
    ("datasets.reef.limit", "{tests: 3}", "limit.tests: unknown key", "did you mean test?"),
    ("datasets.reef.tile", "{size: 16, margin: 8, marge: 2}", "tile.marge: unknown key", "margin"),
    ("datasets.reef.network", "{widht: 4}", "datasets.reef.network.widht: unknown option", "did you mean width?"),
    ("models.unet.options", "{num_scales: 2}", "models.unet.options.num_scales: unknown option", "width, depth"),
    ("models.seunet.options", "{pooling: square}", "seunet", "pooling", "quadratic2"),
    ("models.seunet.options", "{geometry: right}", "seunet", "'right'", "released, exact"),
    # a misspelt key that is also missing: the misspelling is named, not what is missing because of it
    ("datasets.reef", "{sorce: shapes}", "datasets.reef.sorce: unknown key", "did you mean source?"),
    # wrong types
    ("datasets", "[a, b]", "datasets: expected a mapping", "got"),
    ("datasets.reef", "null", "datasets.reef: expected a mapping, got null"),
    ("models", "null", "models: expected a mapping, got null"),
    ("runs", "null", "runs: expected a list, got null"),
    ("runs", "{datasets: [reef]}", "runs: expected a list"),
    ("runs.0", "reef", "runs[0]: expected a mapping"),
    ("datasets.reef.training", "null", "datasets.reef.training: expected a mapping, got null"),
    ("datasets.reef.training", "[1]", "datasets.reef.training: expected a mapping"),
    ("datasets.reef.training.augmentation", "null", "training.augmentation: expected a mapping, got null"),
    ("datasets.reef.network", "null", "datasets.reef.network: expected a mapping, got null"),
    ("datasets.cells.archives", "null", "datasets.cells.archives: expected a mapping, got null"),
    ("datasets.reef.image_size", "large", "datasets.reef.image_size: expected a whole number", '"large"'),
    ("datasets.reef.image_size", "32.0", "expected a whole number, got 32.0"),
    ("datasets.reef.training.epochs", "1.5", "training.epochs: expected a whole number, got 1.5"),
    ("datasets.reef.training.epochs", "true", "training.epochs: expected a whole number, got true"),
    ("datasets.reef.training.crop", "big", "training.crop: expected a whole number or null"),
    ("datasets.reef.training.augmentation", "{elastic: 1}", "augmentation.elastic: expected true or false, got 1"),
    ("datasets.reef.test_scales", "1", "datasets.reef.test_scales: expected a list, got 1"),
    ("datasets.reef.test_scales", "[1, big]", "datasets.reef.test_scales[1]: expected a number"),
    (
        "datasets.reef.equivariance_scales",
        "[0.5, 1]",
    ),
    ("datasets.reef.tile", "64", "datasets.reef.tile: expected null or a mapping with size and margin, got 64"),
    ("datasets.reef.metric", "iou", "datasets.reef.metric: expected mean_iou, mean_dice or a mapping with iou or dice"),
    ("datasets.reef.metric", "{}", "datasets.reef.metric: expected mean_iou"),
    ("datasets.reef.metric", "{iou: a, dice: a}", "datasets.reef.metric: expected mean_iou"),
    ("datasets.reef.metric", "{iuo: a}", "datasets.reef.metric.iuo: unknown key", "did you mean iou?"),
    ("datasets.cells.metric", "{dice: cel}", "datasets.cells.metric.dice:", "did you mean cell?"),
    ("datasets.reef.metric", "{iou: 3}", "datasets.reef.metric.iou: expected a text, got 3"),
    ("runs.0.seeds", "0", "runs[0].seeds: expected a list, got 0"),
    ("runs.0.seeds", "[a]", "runs[0].seeds[0]: expected a whole number"),
    # what YAML 1.1 reads otherwise than meant
    ("models.unet.label", "no", "models.unet.label: expected a text, got false", "quotes"),
    ("models.unet.label", "1.5", "models.unet.label: expected a text, got 1.5", "quotes"),
    ("models.unet.label", "2024-01-01", "models.unet.label: expected a text", "quotes"),
    ("datasets.no", None, "datasets: the name false is not a text", "quotes"),
    ("datasets.reef.training.learning_rate", "1e-3", "expected a number", '"1e-3"', "1.0e-3"),
    ("datasets.reef.training.epochs", "'10'", "epochs: expected a whole number", "without quotes"),
    ("datasets.reef.training.learning_rate", ".nan", "training.learning_rate: expected a number, got NaN"),
    ("datasets.reef.training.weight_decay", ".inf", "training.weight_decay: expected a number, got Infinity"),
    ("datasets.reef.test_scales", "[1, .nan]", "test_scales[1]: expected a number"),
    ("datasets.cells.archives.sequences.sha256", "null", "sequences.sha256: expected a text, got null"),
    ("datasets.cells.archives.sequences.sha256", "1" * 64, "sequences.sha256: expected a text", "quotes"),
    # unknown names
    ("datasets.reef.source", "flowers", "datasets.reef.source:", "pet, hela, shapes, folder"),
    ("datasets.reef.source", "shape", "did you mean shapes?"),
    ("models.unet.architecture", "unett", "models.unet.architecture:", "unet, seunet, sresnet"),
    ("models.unet.architecture", "nowhere.at_all:net", "models.unet.architecture:", "nowhere"),
    ("models.unet.architecture", "math:nothing", "models.unet.architecture:", "math:nothing"),
    ("models.unet.architecture", "math:pi", "models.unet.architecture:", "math:pi"),
    ("models.unet.architecture", "math:sqrt", "models.unet.architecture:", "math:sqrt"),
    ("models.unet.architecture", "3d unet", "models.unet.architecture:", "package.module:factory"),
    ("runs.0.datasets", "[reff]", 'runs[0].datasets: "reff" is not known', "did you mean reef?", "cells"),
    ("runs.0.models", "[resnet]", 'runs[0].models: "resnet" is not known', "unet, seunet, ensemble"),
    ("datasets.reef.training.schedule", "linear", "training.schedule:", "plateau, exponential, cosine, constant"),
    ("datasets.reef.training.precision", "float16", "training.precision:", "float32, bfloat16"),
    ("datasets.reef.training.augmentation", "{flips: [diagonal]}", "flips[0]:", "horizontal, vertical"),
    ("datasets.cells.metric.iou", "cel", "datasets.cells.metric.iou:", "did you mean cell?", "background"),
    ("datasets.mine.metric", "{iou: sea}", "datasets.mine.metric.iou:", "sky, ground"),
    ("models.bad/name", "{label: a, architecture: unet}", 'models: the name "bad/name" is not allowed', "letters"),
    ("datasets...", None, 'datasets: the name ".." is not allowed'),
    # what does not fit together
    ("datasets.reef.training.crop", "64", "datasets.reef.training.crop: 64 is larger than image_size 32"),
    ("datasets.reef.training.crop", "18", "training.crop: 18 is no multiple of 4", "models.unet", "use 16"),
    ("datasets.reef.image_size", "36", "datasets.reef.image_size: 36", "multiple", "use 32 or 40"),
    ("datasets.reef.size_multiple", "2", "datasets.reef.size_multiple: 2 is no multiple of 4", "use 4"),
    ("datasets.reef.tile", "{size: 20, margin: 8}", "datasets.reef.tile.size: 20", "multiple"),
    ("datasets.reef.tile", "{size: 16, margin: 3}", "datasets.reef.tile.margin: 3", "multiple"),
    ("datasets.reef.tile", "{size: 0, margin: 8}", "datasets.reef.tile.size: 0", "at least 1"),
    ("datasets.reef.tile", "{size: 16}", "datasets.reef.tile.margin: missing"),
    ("datasets.reef.test_scales", "[0.5, 2]", "datasets.reef.test_scales: 1 is missing"),
    ("datasets.reef.test_scales", "[]", "datasets.reef.test_scales:"),
    ("datasets.reef.test_scales", "[1, 2, 2]", "datasets.reef.test_scales: 2 stands there twice"),
    ("datasets.reef.test_scales", "[1, -2]", "datasets.reef.test_scales[1]: -2 is out of bounds", "at least"),
    ("datasets.reef.test_scales", "[1, 0]", "datasets.reef.test_scales[1]: 0 is out of bounds"),
    # out of bounds
    ("datasets.reef.image_size", "-32", "datasets.reef.image_size: -32 is out of bounds", "at least 8"),
    ("datasets.reef.training.epochs", "0", "training.epochs: 0 is out of bounds", "at least 1"),
    ("datasets.reef.training.batch_size", "-1", "training.batch_size: -1 is out of bounds", "at least 1"),
    ("datasets.reef.training.learning_rate", "0", "learning_rate: 0 is out of bounds", "more than 0"),
    ("datasets.reef.training.learning_rate", "-0.1", "learning_rate: -0.1 is out of bounds"),
    ("datasets.reef.training.learning_rate", "1.0e+38", "learning_rate: 1e+38 is out of bounds", "at most 1000"),
    ("datasets.reef.training.threads", "10000000000", "threads: 10000000000 is out of bounds", "at most 1024"),
    ("datasets.reef.training.weight_decay", "1.0e+38", "weight_decay: 1e+38 is out of bounds", "at most 1000"),
    ("datasets.reef.training.weight_decay", "-1", "weight_decay: -1 is out of bounds", "at least 0"),
    ("datasets.reef.training.threads", "0", "training.threads: 0 is out of bounds"),
    ("datasets.reef.training.augmentation", "{gain: 2}", "augmentation.gain: 2 is out of bounds", "at most 1"),
    ("datasets.reef.limit", "{train: 0}", "limit.train: 0 is out of bounds"),
    ("datasets.reef.count.test", "-3", "datasets.reef.count.test: -3 is out of bounds"),
    ("models.unet.learning_rate", "0", "models.unet.learning_rate: 0 is out of bounds", "more than 0"),
    ("models.unet.scale_jitter", "0.5", "models.unet.scale_jitter: 0.5 is out of bounds", "at least 1"),
    ("runs.0.seeds", "[-1]", "runs[0].seeds[0]: -1 is out of bounds"),
    ("runs.0.seeds", "[0, 0]", "runs[0].seeds: 0 stands there twice"),
    ("runs.0.models", "[unet, unet]", 'runs[0].models: "unet" stands there twice'),
    ("runs.0.seeds", "[]", "runs[0].seeds: [] is too short", "at least 1"),
    ("runs.0.datasets", "[]", "runs[0].datasets: [] is too short"),
    ("runs", "[]", "runs: [] is too short"),
    ("datasets.reef.network", "{width: -4}", "width", "-4"),
    ("datasets.reef.network", "{width: wide}", "width", "'wide'"),
    ("datasets.reef.network", "{depth: two}", "depth", "'two'"),
    ("datasets.reef.network", "{depth: -1}", "depth", "-1"),
    ("datasets.reef.network", "{depth: 1000000000}", "depth", "at most"),
    ("models.seunet.options", "{num_scales: 10000}", "num_scales", "at most"),
    ("models.seunet.options", "{scale_dropout: 2}", "scale_dropout", "2"),
    ("models.seunet.options", "{scale_dropout: half}", "scale_dropout", "half"),
    ("datasets.reef.equivariance_scales", "[1, 2]", "datasets.reef.equivariance_scales: 1 is what", "remove it"),
    # ensembles and claims
    ("models.ensemble.weights_of", "unt", 'models.ensemble.weights_of: "unt" is not known', "did you mean unet?"),
    ("models.ensemble.weights_of", "ensemble", "models.ensemble.weights_of:", "name a network with its own weights"),
    ("models.ensemble.architecture", "unet", "models.ensemble.architecture:", "remove it"),
    ("models.ensemble.ensemble", "[]", "models.ensemble.ensemble: [] is too short"),
    ("models.ensemble.ensemble", "[0]", "models.ensemble.ensemble[0]: 0 is out of bounds"),
    ("models.ensemble", "{label: a, ensemble: [1]}", "models.ensemble.weights_of: missing"),
    ("models.ensemble", "{label: a}", "models.ensemble.architecture: missing"),
    ("claims", "null", "claims: expected a list, got null"),
    ("claims.0.better", "sunet", 'claims[0].better: "sunet" is not known', "did you mean seunet?"),
    ("claims.0.worse", "seunet", "claims[0].worse:", "compare two models"),
    ("claims.0.datasets", "[ref]", 'claims[0].datasets: "ref" is not known', "did you mean reef?"),
    # archives, and what belongs to one source alone
    ("datasets.cells.archives", "{}", "datasets.cells.archives: source hela needs sequences, got none"),
    ("datasets.cells.source", "pet", "datasets.cells.archives: source pet needs images and annotations"),
    ("datasets.reef.archives", "{images: {url: a, sha256: '%s'}}" % ("0" * 64), "source shapes needs none, got images"),
    ("datasets.cells.archives", "{sequence: {url: a, sha256: b}}", "archives.sequence: unknown key", "sequences?"),
    ("datasets.cells.archives.sequences", "{url: a}", "archives.sequences.sha256: missing"),
    ("datasets.cells.archives.sequences.sha256", "abc", "sequences.sha256:", '"abc"', "hexadecimal"),
    ("datasets.cells.archives.sequences.url", "''", "sequences.url:"),
    ("datasets.cells.archives.sequences.url", "'http://[::1/a.zip'", "sequences.url:", "no address"),
    ("datasets.reef.path", "here", "datasets.reef.path: only source folder takes it"),
    ("datasets.cells.count", "{train: 1, val: 1, test: 1}", "datasets.cells.count: only source shapes takes it"),
    ("datasets.cells.sizes", "[1, 2]", "datasets.cells.sizes: only source shapes takes it"),
    (
        "datasets.reef.sizes",
        "[1, 16]",
        "datasets.reef.sizes: objects of size 16 fill images",
        "image_size of at least 736",
    ),
    ("datasets.mine.split", "{train: 0.5, val: 0.1, test: 0.1}", "datasets.mine.split:", "sum to 1"),
    ("datasets.mine.split", "{train: 1, val: 0, test: 0}", "datasets.mine.split.", "out of bounds"),
    ("datasets.mine.value_range", "[4095, 0]", "datasets.mine.value_range: expected [low, high]", "got [4095"),
    ("datasets.mine.value_range", "[7, 7]", "datasets.mine.value_range: expected [low, high] with low below high"),
    ("datasets.mine.value_range", "[0]", "datasets.mine.value_range:"),
    ("datasets.mine.classes", "{sky: 0}", "datasets.mine.classes:", "at least 2"),
    ("datasets.mine.classes", "{sky: 0, ground: 0}", "datasets.mine.classes:", "two of them"),
    ("datasets.mine.classes", "{sky: 0, no: 1}", "datasets.mine.classes:", "false"),
    ("datasets.mine.classes", "{sky: blue, ground: 0}", "datasets.mine.classes.sky:", "blue"),
    ("datasets.mine.classes", "{sky: [0, 0, 300], ground: [1, 1, 1]}", "datasets.mine.classes.sky:", "colour"),
    ("datasets.mine.path", "~nobody-of-this-name/data", "datasets.mine.path:", "home"),
]


@pytest.mark.parametrize(("path", "value", "parts"), [(p, v, parts) for p, v, *parts in BAD])
def test_bad_input_is_named(path, value, parts):
    if path == "datasets.no":
        config = good()
        config["datasets"][False] = copy.deepcopy(config["datasets"]["reef"])
    elif path == "datasets...":
        config = good()
        config["datasets"][".."] = copy.deepcopy(config["datasets"]["reef"])
    else:
        config = change(path, yaml.safe_load(value))
    text = message(config)
    for part in parts:
        assert part in text, text


@pytest.mark.parametrize("key", ["datasets", "models", "runs"])
def test_a_missing_section_is_named(key):
    config = good()
    del config[key]
    assert f"{key}: missing" in message(config)


@pytest.mark.parametrize(
    ("dataset", "key"),
    [("reef", "source"), ("reef", "training"), ("reef", "test_scales"), ("reef", "image_size"), ("reef", "count")]
    + [("mine", "path"), ("mine", "classes"), ("cells", "archives")],
)
def test_a_missing_key_is_named(dataset, key):
    config = good()
    del config["datasets"][dataset][key]
    assert f"datasets.{dataset}.{key}" in message(config)


@pytest.mark.parametrize("config", [{}, [], None, "text", 3, [good()]], ids=repr)
def test_anything_but_a_mapping_is_refused(config):
    message(config)


def test_a_module_that_fails_on_import_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "broken_network.py").write_text("def build(:\n")
    (tmp_path / "failing_network.py").write_text("raise RuntimeError('two\\nlines')\n")
    (tmp_path / "odd_network.py").write_text("def build(channels):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("broken_network", "failing_network", "odd_network"):
        text = message(change("models.unet.architecture", f"{name}:build"))
        assert "models.unet.architecture" in text and name in text


def test_a_network_of_the_users_own_takes_its_options(tmp_path, monkeypatch):
    (tmp_path / "own_network.py").write_text("def build(in_channels, num_classes, filters=3):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = change("models.unet", {"label": "own", "architecture": "own_network:build", "options": {"filters": 5}})
    config = configuration.check(config)
    assert plan.network_options(config, "reef", "unet") == {"filters": 5}  # not the shared width and depth
    bad = change("models.unet", {"label": "own", "architecture": "own_network:build", "options": {"filter": 5}})
    assert "did you mean filters?" in message(bad)
    bad["models"]["unet"]["options"] = {"size_multiple": 32}  # of every network of other people
    assert plan.network_options(configuration.check(bad), "reef", "unet") == {"size_multiple": 32}


def places(config, path=()):
    """Return the path of every value of nested mappings and lists."""
    inside = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    return [path, *(place for key, value in inside for place in places(value, (*path, key)))]


FILLED = written(configuration.check(good()))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.dates()
    | st.binary(max_size=4)
    | st.sampled_from(["unet", "reef", "pet", "os:name", "os.path:join", "builtins:dict", "1e3", "a\nb", "~x", "//["])
    | st.sampled_from([2**70, -1, 10**400, 1e300])
)
KEYS = st.sampled_from(["source", "size", "margin", "iou", "train", "width", "depth"]) | SCALARS
JUNK = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(places(FILLED)), JUNK, KEYS, st.booleans()), min_size=1, max_size=2))
@example([(("runs",), [{"datasets": ["reef"], "models": ["unet"], "seeds": [0], "a\nb\x85c": 1}], None, False)])
def test_junk_never_gives_another_exception(changes):
    config = copy.deepcopy(FILLED)
    for path, junk, key, add in changes:
        config = put(config, path, junk, key, add)
    try:
        configuration.check(config)
    except UserError as error:
        assert len(str(error).splitlines()) == 1 and str(error).isprintable()


def put(config, path, junk, key, add):
    """Replace the value at a path by junk, or add the junk under a key to the mapping that lies there."""
    place = config
    try:
        for part in path[:-1]:
            place = place[part]
        if not path:
            return junk if not add else config
        if add and isinstance(place[path[-1]], dict):
            place[path[-1]][key] = junk
        else:
            place[path[-1]] = junk
    except (KeyError, IndexError, TypeError):
        pass  # an earlier change has removed the place
    return config


def test_equivariance_is_measured_within_the_test_scales_and_may_be_left_out():
    config = change("datasets.reef.test_scales", [0.5, 1, 3])
    config["datasets"]["reef"].pop("equivariance_scales", None)
    assert configuration.check(config).datasets["reef"].compared_scales == [0.5, 2]
    config = change("datasets.reef.equivariance_scales", [])
    assert configuration.check(config).datasets["reef"].compared_scales == []
