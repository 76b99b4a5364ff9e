"""What the rules of the workflow take from a configuration: files, parameters, figures, digests of code."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT
from test_configuration import change, good

from seunet.config import checks as configuration
from seunet.config import digests, figures, parameters, paths, plan, run_hooks

PER_DATASET = {
    name: getattr(parameters, name)
    for name in ("preparation", "checksums", "test_sizes", "testing", "measuring", "threads", "metric", "ceiling")
}


def slices(config) -> dict[str, object]:
    """Return every parameter of a run of the good configuration, by the name of its function."""
    found: dict[str, object] = {name: function(config, "reef") for name, function in PER_DATASET.items()}
    found["network"] = parameters.network(config, "reef", "unet")
    found["priority"] = parameters.priority(config, "reef", "unet")
    found["variant"] = plan.variant(config, "reef", "ensemble", 0)
    found["styles"] = parameters.styles(config)
    found["labels"] = parameters.labels(config, plan.all_runs(config))
    return found


@pytest.mark.parametrize(
    ("path", "value", "touched"),
    [
        ("datasets.reef.training.learning_rate", 0.5, {"network"}),
        ("datasets.reef.training.threads", 2, {"network", "threads"}),
        ("datasets.reef.training.crop", 8, {"network", "priority"}),
        ("datasets.reef.test_scales", [0.25, 1], {"testing", "test_sizes", "measuring"}),
        ("datasets.reef.equivariance_scales", [0.5], {"measuring"}),
        ("datasets.reef.tile", {"size": 16, "margin": 8}, {"testing", "measuring"}),
        ("datasets.reef.seed", 3, {"preparation"}),
        ("datasets.reef.metric", {"iou": "fish"}, {"preparation", "metric"}),
        ("datasets.reef.ceiling", 0.9, {"ceiling"}),
        ("datasets.cells.archives.sequences.sha256", "1" * 64, set()),
        ("models.unet.label", "Other", {"styles", "labels"}),
        ("models.unet.scale_jitter", 2, {"network", "styles"}),
        ("models.ensemble.ensemble", [0.5, 1], {"variant"}),
        ("models.seunet.options", {"num_scales": 3}, set()),
    ],
)
def test_a_key_changes_the_parameters_of_what_depends_on_it_and_no_other(path, value, touched):
    before = slices(configuration.check(good()))
    after = slices(configuration.check(change(path, value)))
    assert {name for name in before if before[name] != after[name]} == touched


def test_an_archive_is_known_by_its_file_and_its_address_runs_nothing_again():
    config = configuration.check(change("datasets.cells.archives.sequences.url", "https://a.b/c.tar.gz"))
    assert paths.archives(config, "cells") == {"sequences": "resources/cells/sequences.tar.gz"}
    assert paths.archive_key(config, "cells", "sequences.tar.gz") == "sequences"
    assert parameters.archive(config, "cells", "sequences.tar.gz") == {
        "url": "https://a.b/c.tar.gz",
        "sha256": "0" * 64,
    }
    assert parameters.checksums(config, "cells") == {"sequences": "0" * 64}
    assert paths.archives(config, "reef") == {}


def test_a_test_opens_the_network_that_was_trained_for_it(tmp_path):
    base = good()
    base["datasets"]["harder"] = {"trained_on": "reef", "seed": 5}
    weights = tmp_path / "theirs.pt"
    weights.write_bytes(b"")
    base["models"]["theirs"] = {"label": "Theirs", "architecture": "unet", "weights": str(weights)}
    config = configuration.read(base)
    trained = "results/models/reef/unet/seed3/model.safetensors"
    assert paths.weights(config, "harder", "ensemble", 3)["weights"] == trained and paths.is_made_here(trained)
    assert paths.weights(config, "reef", "theirs", 0) == {"weights": str(weights)}
    assert not paths.is_made_here(str(weights))
    assert parameters.external_checksum(config, "reef", "unet", 0) is None
    assert parameters.external_checksum(config, "reef", "theirs", 0).startswith("1 files, sha256 ")


def test_test_images_of_other_scales_are_drawn_kept_or_resampled():
    config = configuration.check(change("datasets.cells.test_pixels", "original"))
    assert paths.other_pixels(config, "reef") == ["results/datasets/reef/test/rendered"]
    assert paths.other_pixels(config, "cells") == ["results/datasets/cells/test/original"]
    assert paths.other_pixels(config, "mine") == []


def test_every_figure_has_what_it_is_drawn_from_and_each_file_is_named_once():
    config = good()
    config["models"]["seunet"] |= {"scale_jitter": 2}
    config = configuration.check(config)
    assert figures.figures_of(config, "cells") == ["iou", "consistency", "crops", "predictions", "augmentation"]
    names = figures.figure_names(config)
    assert [kind for dataset, kind in names if not dataset] == ["training_curves", "equivariance", "claims"]
    files = figures.figure_files(config)
    assert len(files) == len(set(files)) == 2 * len(names)
    assert figures.figure_inputs(config, "reef", "iou") == {"table": "results/tables/scores.csv"}
    assert figures.figure_inputs(config, "cells", "predictions") == {
        "samples": [f"results/samples/cells/{model}/seed0.npz" for model in ("unet", "seunet")]
    }
    assert {"results/tables/claims.csv", "results/tables/equivariance.csv"} <= set(paths.tables(config))
    assert paths.of_claims(config) == [
        f"results/scores/reef/{model}/seed{seed}.npz" for model in ("seunet", "unet") for seed in (0, 1)
    ]


def test_without_claims_and_scales_to_compare_there_is_no_table_of_them():
    config = good() | {"claims": []}
    for dataset in config["datasets"].values():
        dataset["equivariance_scales"] = []
    config = configuration.check(config)
    kinds = {kind for _, kind in figures.figure_names(config)}
    assert not kinds & {"claims", "equivariance"} and len(paths.tables(config)) == 7


def test_the_page_of_results_names_every_table_and_folder():
    page = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    config = configuration.check(good())
    files = [*paths.tables(config), paths.MISSING]
    folders = {file.path.parts[1] for run in plan.all_runs(config) for file in paths.of_run(config, *run)}
    assert [file for file in files if f"`{Path(file).relative_to('results')}`" not in page] == []
    assert [folder for folder in folders if f"`{folder}/" not in page] == []


def test_tables_and_figures_of_earlier_runs_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_hooks.left_over_note([]) is None
    for name in ("tables/scores.csv", "figures/old.png", "figures/.hidden"):
        Path("results", name).parent.mkdir(parents=True, exist_ok=True)
        Path("results", name).touch()
    assert "runs: results/figures/old.png (1)." in run_hooks.left_over_note(["results/tables/scores.csv"])


def test_a_network_of_the_users_own_counts_by_its_code(tmp_path):
    (tmp_path / "nets.py").write_text("import helper\n")
    (tmp_path / "helper.py").write_text("WIDTH = 1\n")
    base = good()
    base["models"]["own"] = {"label": "Own", "architecture": "nets:Net"}
    base["models"]["own-twice"] = {"label": "Twice", "weights_of": "own", "ensemble": [1, 2]}
    config = configuration.read(base)
    first = digests.network_code(config, "own", (tmp_path,))
    assert first and digests.network_code(config, "own-twice", (tmp_path,)) == first
    assert digests.network_code(config, "unet", (tmp_path,)) is None
    assert digests.network_code(config, "own", (tmp_path / "elsewhere",)) is None  # installed, as a package


def test_the_packages_of_conda_count_where_conda_installs_them(tmp_path):
    for name in ("workflow/scripts/one.py", "envs/train.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    plain = digests.script_code("one", tmp_path)
    assert digests.script_code("one", tmp_path, "train").startswith(f"{plain} ")


def test_the_record_counts_jobs_by_rule_and_what_they_wait_for():
    rules = [SimpleNamespace(name=name) for name in ("prepare", "train")]
    jobs = [SimpleNamespace(rule=rules[0])] + [SimpleNamespace(rule=rules[1]) for _ in range(2)]
    dag = SimpleNamespace(jobs=jobs, job_dependencies=lambda job: jobs[:1] if job is not jobs[0] else [])
    assert run_hooks.rules_of(dag) == {"prepare": {"jobs": 1, "after": []}, "train": {"jobs": 2, "after": ["prepare"]}}


def test_errors_of_jobs_are_told_one_after_the_other(tmp_path):
    (tmp_path / "b.log").write_text("second\n")
    (tmp_path / "a.log").write_text("first é\n", encoding="utf-8")
    assert run_hooks.errors_left(tmp_path) == "\nfirst é\n\nsecond\n"
    assert run_hooks.errors_left(tmp_path / "none") == ""
