"""The workflow as users run it: through Snakemake, end to end, and again after every kind of change."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from conftest import ROOT
from PIL import Image
from snakemake.utils import update_config

from seunet.config import checks as configuration
from seunet.config import plan
from seunet.data import reef
from seunet.experiment.training import train
from seunet.runtime.files import sha256
from seunet.settings.training import Training

PARTS = ("Snakefile", "workflow", "seunet", "config", "envs")
MODELS = ("unet-jitter2", "seunet")
TINY = {
    "datasets": {
        "reef": {
            "source": "shapes",
            "count": {"train": 6, "val": 2, "test": 3},
            "image_size": 32,
            "network": {"width": 2, "depth": 1},
            "training": {"crop": 16, "batch_size": 2, "epochs": 2, "augmentation": {"rotation": 10}},
            "test_scales": [0.5, 1, 2],
            "size_multiple": 8,
        }
    },
    "runs": [{"datasets": ["reef"], "models": list(MODELS), "seeds": [0]}],
}


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """Return a copy of what a clone of this project has, so that its files can be changed."""
    folder = tmp_path_factory.mktemp("clone")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / part, folder / part)
    return folder


class Workflow:
    """A clone, and a working folder in which its workflow is run."""

    def __init__(self, clone: Path, folder: Path):
        self.clone, self.folder = clone, folder

    def command(self, config: dict, *arguments: str, base: bool = True) -> list[str]:
        """Return the command line for the tiny configuration with `config` laid over it, as users lay files."""
        files = []
        for i, overlay in enumerate([TINY, config] if base else [config]):
            files.append(self.folder / f"overlay{i}.yaml")
            files[-1].write_text(yaml.safe_dump(overlay))
        configs = [self.clone / "config" / "config.yaml", *files]
        start = [sys.executable, "-m", "snakemake", "--snakefile", self.clone / "Snakefile", "--cores", "2"]
        # the files of the configuration last: the option takes as many as there are
        return [*map(str, [*start, "--directory", self.folder, *arguments, "--configfile", *configs])]

    def run(self, config: dict | None = None, *arguments: str, good: bool = True, base: bool = True) -> str:
        """Run it; return what the terminal shows."""
        command = self.command(config or {}, *arguments, base=base)
        result = subprocess.run(
            command, cwd=self.clone, env=environment(), capture_output=True, text=True, timeout=900, check=False
        )
        text = result.stdout + result.stderr
        assert (result.returncode == 0) == good, text[-6000:]
        return text

    def planned(self, config: dict | None = None) -> dict[str, int]:
        """Return how many jobs of each rule a run would do."""
        return jobs(self.run(config, "--dry-run"))


def environment() -> dict[str, str]:
    """Return an environment in which no server can be reached, and the library is the clone's alone."""
    closed = "http://127.0.0.1:9"
    return {**os.environ, "http_proxy": closed, "https_proxy": closed, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}


def jobs(text: str) -> dict[str, int]:
    """Read the table of jobs that Snakemake prints."""
    table = text.partition("Job stats:")[2].partition("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


@pytest.fixture(scope="session")
def finished(clone, tmp_path_factory) -> Workflow:
    """Return the tiny workflow after its first run."""
    workflow = Workflow(clone, tmp_path_factory.mktemp("work"))
    done = jobs(workflow.run())
    assert (done["prepare"], done["render"], done["train"], done["evaluate"], done["tables"]) == (1, 1, 2, 2, 1)
    return workflow


def test_everything_is_there(finished):
    results = finished.folder / "results"
    figures = ["reef_iou", "reef_consistency", "reef_predictions", "reef_augmentation"]
    for name in [*figures, "training_curves", "equivariance", "claims"]:
        with Image.open(results / "figures" / f"{name}.png") as image:
            assert min(image.size) > 100 and len(image.convert("L").getcolors(256)) > 10, name
        assert "<svg" in (results / "figures" / f"{name}.svg").read_text(encoding="utf-8")[:1000]
    scores = pd.read_csv(results / "tables" / "scores.csv")
    assert set(scores["model"]) == set(MODELS) and list(scores["scale"].unique()) == [0.5, 1, 2] and len(scores) == 6
    assert scores["iou"].between(0, 1).all() and (scores.loc[scores["scale"] == 1, "consistency"] == 1).all()
    assert len(pd.read_csv(results / "tables" / "class_iou.csv")) == 6 * len(reef.CLASSES)
    assert len(pd.read_csv(results / "tables" / "history.csv")) == 2 * 2
    errors = pd.read_csv(results / "tables" / "equivariance.csv").set_index(["model", "scale"])
    assert set(errors.index) == {(model, scale) for model in MODELS for scale in (0.5, 2)}
    assert list(errors.loc[("seunet", 2), "stage"]) == ["stem", "encoder 1", "decoder 1", "head", "logits"]
    assert (errors["error"] > 0).sum() == errors["error"].notna().sum() > 15
    (claim,) = pd.read_csv(results / "tables" / "claims.csv").itertuples()
    assert (claim.better, claim.worse, claim.seeds) == ("seunet", "unet-jitter2", 1)
    assert claim.low <= claim.estimate <= claim.high
    for model in MODELS:
        folder = results / "models" / "reef" / model / "seed0"
        assert {file.name for file in folder.iterdir()} == {"model.safetensors", "model.json", "history.csv"}
        log = finished.folder / "logs" / "train" / "reef" / model / "seed0.log"
        assert "epoch 2/2" in log.read_text()
        assert log.with_suffix(".tsv").exists()
    worst = pd.read_csv(results / "tables" / "worst_images.csv")
    assert list(worst.groupby("model")["iou"].is_monotonic_increasing) == [True, True] and len(worst) == 2 * 3
    images = pd.read_csv(results / "per_image" / "reef" / "unet-jitter2" / "seed0.csv")
    assert list(images.columns) == ["file", "scale", "class", "iou"] and len(images) == 3 * 3 * len(reef.CLASSES)
    assert set(images["file"]) == {"test_00000", "test_00001", "test_00002"}
    assert not list(finished.folder.rglob("*.partial*"))


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run()


@pytest.mark.slow
def test_the_report_is_one_page_of_everything(finished):
    finished.run({}, "results/report.html")
    page = (finished.folder / "results" / "report.html").read_text(encoding="utf-8")
    assert page.count("<img") == 8 and "One training per network" in page
    assert (
        "At the scale of training" in page or "is best at every scale" in page
    )  # what the scores of tiny networks give
    assert "<rect" in page and ">2 jobs<" in page  # the graph of the rules
    for rule in ("prepare", "train", "evaluate"):
        assert f"<td>{rule}</td>" in page  # the times
    assert '"scale_jitter": 2' in page.replace("&#34;", '"')
    assert "Nothing to be done" in finished.run({}, "results/report.html")


@pytest.mark.slow
def test_a_new_seed_trains_one_model(finished):
    more = [*TINY["runs"], {"datasets": ["reef"], "models": ["seunet"], "seeds": [1]}]
    planned = finished.planned({"runs": more})
    assert planned["train"] == planned["evaluate"] == planned["tables"] == 1
    assert not {"prepare", "render", "download"} & planned.keys()


@pytest.mark.slow
def test_a_new_model_trains_one_model(finished):
    new = {"models": {"wide": {"label": "Wide", "architecture": "unet", "options": {"width": 3}}}}
    runs = [{"datasets": ["reef"], "models": [*MODELS, "wide"], "seeds": [0]}]
    planned = finished.planned({**new, "runs": runs})
    assert planned["train"] == planned["evaluate"] == 1 and "prepare" not in planned


@pytest.mark.slow
def test_networks_tested_on_another_data_set_are_not_trained_again(finished):
    other = {"datasets": {"other": {"trained_on": "reef", "seed": 3}}}
    runs = [*TINY["runs"], {"datasets": ["other"], "models": list(MODELS), "seeds": [0]}]
    text = finished.run(other | {"runs": runs}, "--dry-run")
    assert (jobs(text)["prepare"], jobs(text)["evaluate"]) == (1, 2) and "train" not in jobs(text)


def test_a_new_scale_prepares_and_trains_nothing(finished):
    planned = finished.planned({"datasets": {"reef": {"test_scales": [0.5, 1, 1.5, 2]}}})
    assert planned["evaluate"] == 2 and planned["render"] == 1
    assert not {"prepare", "train"} & planned.keys()


@pytest.mark.slow
def test_another_learning_rate_trains_again_and_prepares_nothing(finished):
    planned = finished.planned({"datasets": {"reef": {"training": {"learning_rate": 0.01}}}})
    assert planned["train"] == planned["evaluate"] == 2 and not {"prepare", "render"} & planned.keys()


@pytest.mark.slow
def test_another_label_draws_figures_alone(finished):
    planned = finished.planned({"models": {"seunet": {"label": "Ours"}}})
    assert planned["figure"] == 5 and not {"prepare", "render", "train", "evaluate"} & planned.keys()


@pytest.fixture
def edited(clone):
    """Return a function that appends a line to a file of the clone; the file is as before after the test."""
    before = {}

    def edit(name: str, line: str) -> None:
        path = clone / name
        before.setdefault(path, (path.read_bytes(), path.stat()))
        path.write_bytes(path.read_bytes() + line.encode())

    yield edit
    for path, (content, stat) in before.items():
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.slow
def test_a_changed_caption_computes_nothing(finished, edited):
    edited("workflow/report/figure.rst", "\nOne more sentence.\n")
    assert not {"prepare", "render", "train", "evaluate", "tables"} & finished.planned().keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "again", "spared"),
    [
        ("seunet/data/reef.py", {"prepare": 1, "render": 1, "train": 2, "evaluate": 2}, set()),
        ("seunet/data/augmentation.py", {"train": 2, "evaluate": 2, "tables": 1, "figure": 5}, {"prepare", "render"}),
        ("seunet/experiment/inference.py", {"evaluate": 2, "tables": 1, "figure": 5}, {"prepare", "render", "train"}),
        ("seunet/report/figures/gallery.py", {"figure": 5}, {"prepare", "render", "train", "evaluate", "tables"}),
        ("seunet/config/checks.py", {}, {"prepare", "render", "train", "evaluate", "tables", "figure"}),
    ],
)
def test_a_changed_library_runs_again_what_depends_on_it(finished, edited, file, again, spared):
    edited(file, "\n# a comment\n")
    assert "Nothing to be done" in finished.run({}, "--dry-run")
    edited(file, "\nCHANGED = 1\n")
    planned = finished.planned()
    assert {rule: planned.get(rule) for rule in again} == again
    assert not spared & planned.keys()


def test_a_mistake_in_the_configuration_is_one_line(finished):
    text = finished.run({"datasets": {"reef": {"training": {"epohcs": 3}}}}, "--dry-run", good=False)
    lines = [line for line in text.splitlines() if "epohcs" in line]
    assert len(lines) == 1 and "datasets.reef.training.epohcs: unknown key; did you mean epochs?" in lines[0]
    assert "Traceback" not in text and len(text.splitlines()) < 8


def test_a_second_flag_that_would_drop_the_files_of_the_first_is_refused(clone, tmp_path):
    demo = str(clone / "config" / "demo.yaml")
    text = Workflow(clone, tmp_path).run({}, "--dry-run", "--configfile", demo, good=False)
    lines = [line for line in text.splitlines() if "--configfile stands there 2 times" in line]
    assert len(lines) == 1 and f"give it once: --configfile {demo} " in lines[0] and "Traceback" not in text


@pytest.mark.slow
def test_a_mistake_that_a_job_finds_reaches_the_terminal(finished):
    mine = {
        "source": "folder",
        "path": "/nowhere/at/all",
        "classes": {"a": 0, "b": 1},
        "image_size": 32,
        "training": {"batch_size": 1, "epochs": 1},
        "test_scales": [1],
    }
    runs = [{"datasets": ["mine"], "models": ["unet"], "seeds": [0]}]
    config = {"datasets": {"mine": mine}, "runs": runs}
    text = finished.run(config, "results/datasets/mine/dataset.json", good=False)
    lines = [line for line in text.splitlines() if line.startswith("error in rule prepare: ")]
    assert lines and all("/nowhere/at/all" in line for line in lines)
    assert text.splitlines()[-1] == lines[0]  # not between two lists of file names
    assert "Traceback" not in text
    assert "/nowhere/at/all" in (finished.folder / "logs" / "prepare" / "mine.log").read_text()


@pytest.mark.slow
def test_names_that_a_shell_or_a_figure_could_read_run_to_the_end(clone, tmp_path):
    name = "da ta's $(touch hacked) é;`touch hacked`"
    around = tmp_path / "around"
    folder, images = around / "work", np.random.default_rng(0).integers(0, 2, (10, 32, 32), np.uint8)
    for part in ("images", "masks"):
        (folder / name / part).mkdir(parents=True)
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / name / part / f"{i} $(touch hacked)'é.png")
    dataset = TINY["datasets"]["reef"] | {"source": "folder", "path": name, "metric": {"iou": "../../x"}}
    dataset |= {"classes": {"../../x": 0, 'a {b} $x^$ "q",é': 1}, "network": {"width": 2, "depth": 1}}
    del dataset["count"]
    label = '$\\frac{$ {model} <b> "q" \'s $(touch hacked)'
    config = {"datasets": {"mine": dataset}, "models": {"unet": {"label": label, "architecture": "unet"}}}
    config["runs"] = [{"datasets": ["mine"], "models": ["unet"], "seeds": [0]}]
    figures = [f"results/figures/mine_{kind}.png" for kind in ("iou", "predictions")]
    before = files_below(clone)
    Workflow(clone, folder).run(config, *figures, base=False)
    assert all((folder / figure).exists() for figure in figures)
    assert set(pd.read_csv(folder / "results/tables/scores.csv")["label"]) == {label}
    assert set(pd.read_csv(folder / "results/tables/class_iou.csv")["class"]) == set(dataset["classes"])
    assert [path.name for path in around.iterdir()] == ["work"] and files_below(clone) == before
    made = {path.name for path in folder.iterdir()} - {name, "overlay0.yaml", ".snakemake"}
    assert made == {"results", "logs"}


def files_below(folder):
    """Return the files below a folder, but for what Python and Snakemake keep beside."""
    files = {path for path in folder.rglob("*") if path.is_file()}
    return {path for path in files if not {"__pycache__", ".snakemake"} & set(path.parts)}


@pytest.mark.slow
def test_the_paper_is_planned_in_seconds_without_a_network(clone, tmp_path):
    workflow = Workflow(clone, tmp_path)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    planned = jobs(workflow.run({}, "--dry-run", base=False))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 30  # of the processor, busy or not
    config = configuration.check(yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8")))
    assert planned["train"] == len(plan.all_trainings(config)) and planned["download"] == 3 and planned["prepare"] == 2


@pytest.mark.slow
def test_snakemake_finds_nothing_to_complain(clone, tmp_path):
    assert "good condition" in Workflow(clone, tmp_path).run({}, "--lint", base=False)


@pytest.mark.slow
def test_killed_workflow_goes_on_to_the_same_weights(finished, tmp_path):
    """SIGKILL to every process in the middle of a training; then the command that users type."""
    shutil.copytree(finished.folder / "results" / "datasets", tmp_path / "results" / "datasets")
    workflow = Workflow(finished.clone, tmp_path)
    overlay = {"datasets": {"reef": {"training": {"epochs": 60}}}}
    target = tmp_path / "results" / "models" / "reef" / "seunet" / "seed0" / "model.safetensors"
    command = workflow.command(overlay, str(target.relative_to(tmp_path)))
    process = subprocess.Popen(
        command, cwd=workflow.clone, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    history, deadline = target.with_name("history.csv"), time.monotonic() + 900
    while not (history.exists() and len(pd.read_csv(history)) >= 3):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    family = [process, *psutil.Process(process.pid).children(recursive=True)]
    os.killpg(process.pid, signal.SIGKILL)
    for member in family[1:]:
        if member.is_running():
            member.kill()
    process.wait()
    assert not target.exists() and target.with_name("last.pt").exists()

    workflow.run(overlay, "--unlock")  # a killed Snakemake leaves its lock
    workflow.run(overlay, "--rerun-incomplete", str(target.relative_to(tmp_path)))
    log = (tmp_path / "logs" / "train" / "reef" / "seunet" / "seed0.log").read_text()
    assert "resumed after epoch" in log
    assert list(pd.read_csv(history)["epoch"]) == list(range(1, 61))
    assert sha256(target) == sha256(trained_by_hand(overlay, tmp_path) / "model.safetensors")


def trained_by_hand(overlay: dict, folder: Path) -> Path:
    """Train the network of the workflow by the library alone, without interruption."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    for layer in (TINY, overlay):
        update_config(config, layer)
    config = configuration.check(config)
    options = plan.network_options(config, "reef", "seunet")
    settings = Training.model_validate(plan.training(config, "reef", "seunet"))
    train(folder / "results" / "datasets" / "reef", "seunet", options, settings, 0, folder / "by_hand")
    return folder / "by_hand"


@pytest.mark.slow
def test_both_real_data_sets_to_all_figures(clone, mirror, tmp_path):
    """Archives in, figures out, on the real images: the whole of config/laptop.yaml with fewer of everything."""
    overlay = yaml.safe_load((mirror / "mirror.yaml").read_text())
    for dataset in overlay["datasets"].values():
        for archive in dataset["archives"].values():
            archive["url"] = str((ROOT / archive["url"]).resolve())
    tiny = yaml.safe_load((ROOT / "tests" / "configs" / "tiny-real.yaml").read_text())
    update_config(overlay, tiny)
    workflow = Workflow(clone, tmp_path)
    done = jobs(workflow.run(overlay, base=False))
    assert (done["download"], done["prepare"], done["train"], done["evaluate"]) == (3, 2, 4, 4)
    figures = {file.name for file in (tmp_path / "results" / "figures").iterdir()}
    for dataset in ("pet", "hela"):
        for kind in ("iou", "consistency", "predictions", "augmentation", "crops"):
            assert {f"{dataset}_{kind}.png", f"{dataset}_{kind}.svg"} <= figures
    scores = pd.read_csv(tmp_path / "results" / "tables" / "scores.csv")
    assert len(scores) == 2 * 2 * 3 and scores["consistency"].between(0, 1).all()
    assert set(scores["dataset"]) == {"pet", "hela"}


@pytest.mark.slow
def test_it_runs_from_any_folder_in_any_locale_and_refuses_a_key_that_stands_twice(clone, tmp_path):
    command = [sys.executable, "-m", "snakemake", "--snakefile", clone / "Snakefile", "--dry-run"]
    target = ["--", "results/datasets/reef/dataset.json"]
    config = clone / "config" / "demo.yaml"
    surroundings = environment() | {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    (tmp_path / "here").mkdir()

    def run(*arguments):
        return subprocess.run(
            [*map(str, [*command, *arguments])],
            cwd=tmp_path / "here",
            env=surroundings,
            capture_output=True,
            timeout=300,
        )

    done = run("--configfile", config, *target)
    assert done.returncode == 0 and b"prepare" in done.stdout + done.stderr, done.stderr[-2000:].decode()
    (tmp_path / "here" / "mine.yaml").write_text("models: {}\nclaims: []\nmodels: {é: 1}\n", encoding="utf-8")
    refused = run("--directory", tmp_path / "there", "--configfile", config, "mine.yaml", *target)
    text = (refused.stdout + refused.stderr).decode()  # a dry run says errors on either
    assert refused.returncode and "mine.yaml, line 3: models stands there twice, first in line 1; remove one" in text
    assert "Traceback" not in text


@pytest.mark.root
def test_make_works_for_a_user_without_a_name_and_a_home(clone, tmp_path):
    """Snakemake writes to the home folder before it reads the Snakefile: only what starts it can say where that is."""
    if os.geteuid():
        pytest.skip("becoming another user needs root")
    shutil.copytree(clone, tmp_path, dirs_exist_ok=True)
    shutil.copy2(ROOT / "Makefile", tmp_path)
    os.chown(tmp_path, 12345, 12345)
    nobody = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]
    nobody += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]  # Python may lie in a closed folder
    make = ["make", "report", f"BIN={Path(sys.executable).parent}", "CONFIG=config/demo.yaml", "CORES=1 --dry-run"]
    surroundings = {key: value for key, value in environment().items() if key not in ("USER", "LOGNAME")}
    done = subprocess.run(
        [*nobody, *make, "--old-file=.venv/run"], cwd=tmp_path, env=surroundings | {"HOME": "/nonexistent"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stdout + done.stderr, done.stderr[-4000:]
    assert (tmp_path / ".snakemake" / "home").is_dir()
