# What the rules share: the checked configuration, the runs, and the slice of the configuration that each rule depends on.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod, RerunTrigger

from seunet.config import checks as configuration
from seunet.config import plan
from seunet.config.files import check_files
from seunet.runtime import integrity, provenance, sources
from seunet.runtime.contents import contents
from seunet.data.fit import image_sides
from seunet.data.partners import folder_files
from seunet.data.prepared import GENERATED
from seunet.runtime.errors import LEFT, UserError
from seunet.settings.dataset import Testing
from seunet.runtime.files import sha256

try:
    # Every job reads this file again: all is checked, and networks are built, in the process that started it.
    if workflow.is_main_process:
        check_files(workflow.configfiles)
    CONFIG = configuration.check(config) if workflow.is_main_process else configuration.read(config)
except UserError as error:
    raise WorkflowError(str(error))

SCRIPTS = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).with_name("scripts")
ROOT = SCRIPTS.parents[1]  # of this workflow, also where another one uses it as a module
if workflow.is_main_process:
    integrity.restore_times()
    if ROOT.resolve() == Path(workflow.basedir).resolve():
        # Snakemake also goes by the times of scripts and by the place of conda's environments, which a copy or a checkout
        # changes: here `code` says what they do.
        PLACES = {RerunTrigger.CODE, RerunTrigger.SOFTWARE_ENV}
        type(workflow).rerun_triggers = property(lambda self: self.dag_settings.rerun_triggers - PLACES)

DATASETS, MODELS = CONFIG.datasets, CONFIG.models
RUNS = plan.all_runs(CONFIG)
RUN_DATASETS = list(dict.fromkeys(dataset for dataset, _, _ in RUNS))
TRAININGS = plan.all_trainings(CONFIG)  # an ensemble has none of its own, but needs that of its network
TRAINED = {model: plan.trained_model(CONFIG, model) for model in MODELS}
METRICS = {dataset: DATASETS[dataset].metric.written() for dataset in RUN_DATASETS}
CLAIMS = plan.claims_to_test(CONFIG)
MEASURED = [run for run in RUNS if DATASETS[run[0]].compared_scales]
TABLES = [f"results/tables/{name}.csv" for name in ["scores", "class_iou", "warnings", "history", "crops", "windows"]]
TABLES += ["results/tables/equivariance.csv"] * bool(MEASURED)
TABLES += ["results/tables/claims.csv"] * bool(CLAIMS)
FORMATS = ("png", "svg")
# The kinds of figures of a data set, and the table that each is drawn from; None: samples.
KINDS = {"iou": "scores", "consistency": "scores", "augmentation": "scores", "crops": "crops", "scales": "windows"}
KINDS |= {"predictions": None, "winners": None}


wildcard_constraints:
    dataset="|".join(map(re.escape, DATASETS)),
    model="|".join(map(re.escape, MODELS)),
    seed=r"\d+",


def say_errors(left):
    """Print what jobs left in a folder: the last thing on the terminal, after lists of file names."""
    for file in sorted(left.glob("*")):
        print(f"\n{file.read_text(encoding='utf-8')}", end="", file=sys.stderr, flush=True)


def finish_record(record, status):
    """Complete results/run.json; where it cannot be written, say so, and let what went wrong before be the end."""
    try:
        provenance.finish(record, Path("results"), status)
    except UserError as error:
        logger.error(str(error))


def archive_paths(dataset):
    """Return where the archives of a data set are kept: {key: path}."""
    return {
        key: f"resources/{dataset}/{key}{plan.archive_suffix(archive.url)}"
        for key, archive in DATASETS[dataset].archives.present().items()
    }


def archive_key(wildcards):
    """Return the configuration's key of the archive that a file of resources/ is."""
    paths = {path: key for key, path in archive_paths(wildcards.dataset).items()}
    return paths[f"resources/{wildcards.dataset}/{wildcards.file}"]


def preparation(wildcards):
    """Return what the prepared arrays depend on: a new address, scale or learning rate prepares nothing anew."""
    return plan.preparation(DATASETS[wildcards.dataset])


def checksums(wildcards):
    """Return what the archives must contain."""
    return plan.checksums(DATASETS[wildcards.dataset])


def folder_contents(wildcards):
    """Return a checksum of the files of a data set of source folder, whose times say nothing; None for the others."""
    settings = DATASETS[wildcards.dataset]
    files = folder_files(settings)
    return contents(files, Path(settings.path).expanduser()) if files else None


def sizes(wildcards):
    """Return what the sizes of the test images depend on."""
    return DATASETS[wildcards.dataset].given("test_scales", "size_multiple")


def other_pixels(wildcards):
    """Return where test images of other scales are kept, of a data set that has them otherwise than by resampling."""
    settings, folder = DATASETS[wildcards.dataset], f"results/datasets/{wildcards.dataset}/test"
    if settings.source in GENERATED:
        return f"{folder}/rendered"
    return f"{folder}/original" if settings.test_pixels == "original" else []


def training(wildcards):
    """Return what the weights depend on."""
    return {
        "architecture": MODELS[wildcards.model].architecture,
        "options": plan.network_options(CONFIG, wildcards.dataset, wildcards.model),
        "training": plan.training(CONFIG, wildcards.dataset, wildcards.model),
    }


def length(wildcards):
    """Return a guess at the length of a training: the longest go first, and all before any evaluation."""
    settings = DATASETS[wildcards.dataset]
    side = settings.training.crop or max(image_sides(settings.image_size))
    return side * plan.scales_of(CONFIG, wildcards.dataset, wildcards.model)


def testing(wildcards):
    """Return what the scores depend on."""
    return DATASETS[wildcards.dataset].given(*Testing.model_fields)


def measuring(wildcards):
    """Return what the errors of equivariance depend on: as `testing`, at scales of their own."""
    return testing(wildcards) | {"test_scales": DATASETS[wildcards.dataset].compared_scales}


def weights_of(wildcards):
    """Return the trained, or given, network that an evaluation loads."""
    if given := plan.given_weights(CONFIG, wildcards.dataset, wildcards.model, wildcards.seed):
        return {key: by_content(path) for key, path in plan.weight_files(given).items()}
    dataset = plan.trained_dataset(CONFIG, wildcards.dataset)
    folder = f"results/models/{dataset}/{TRAINED[wildcards.model]}/seed{wildcards.seed}"
    return {"weights": f"{folder}/model.safetensors", "description": f"{folder}/model.json"}


def by_content(path):
    """Return a given file as an input whose time says nothing; of what rules make here, the time counts."""
    return str(path) if Path(path).is_relative_to("results") else ancient(str(path))


def given_contents(wildcards):
    """Return a checksum of given weights, None where they are trained here."""
    given = plan.given_weights(CONFIG, wildcards.dataset, wildcards.model, wildcards.seed)
    files = [Path(path) for path in plan.weight_files(given).values()] if given else []
    return contents(files, files[0].parent) if files else None


def variant(wildcards):
    """Return how a model predicts, if not as in its training."""
    return plan.variant(CONFIG, wildcards.dataset, wildcards.model, wildcards.seed)


def threads_of(wildcards):
    """Return the CPU threads of a training or evaluation."""
    return DATASETS[wildcards.dataset].training.threads


def prepared(*splits):
    """Return the files of a prepared data set that a rule reads."""
    arrays = [f"{split}/{name}.npy" for split in splits for name in ("images", "masks")]
    return [f"results/datasets/{{dataset}}/{file}" for file in ["dataset.json", *arrays]]


def looks():
    """Return what decides how models look in figures: of all of them, so that each looks the same in every figure."""
    return {
        name: {
            "label": model.label,
            "architecture": model.architecture,
            "scale_jitter": MODELS[TRAINED[name]].jitter.strength,
            "rescale": model.rescale,
        }
        for name, model in MODELS.items()
    }


def labels(models):
    """Return the printed names of models."""
    return {model: MODELS[model].label for model in models}


def code(script, environment):
    """Return a digest of the code that a script runs, as a parameter: a comment changes none, nor does a copied file.

    With conda, the file of the environment counts as well.
    """
    used = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    packages = f" {sha256(ROOT / 'envs' / f'{environment}.yaml')}" if used else ""
    return lambda wildcards: sources.code(script, (SCRIPTS, ROOT)) + packages


def network_code(wildcards):
    """Return a digest of a network of the user's own (package.module:factory) and of what it imports from beside it.

    What lies neither in the working folder nor in this workflow's is installed, and counts as its packages do: not.
    """
    name, colon, _ = (MODELS[TRAINED[wildcards.model]].architecture or "").partition(":")
    folders = (ROOT, Path.cwd())  # in the order in which they are searched
    return sources.code(name, folders) if colon and sources.find(name, folders) else None


def models_on(dataset):
    """Return the models that are run on a data set, in the order of the configuration."""
    return [model for model in MODELS if any(run[:2] == (dataset, model) for run in RUNS)]


def figures_of(dataset):
    """Return the kinds of figures of a data set.

    The comparison with augmentation needs a jittered network; two figures need one with windows of scales.
    """
    models = models_on(dataset)
    jittered = any(looks()[model]["scale_jitter"] > 1 for model in models)
    windowed = any(plan.has_windows(CONFIG, dataset, model) for model in models)
    optional = ["augmentation"] * jittered + ["scales", "winners"] * windowed
    return ["iou", "consistency", "crops", "predictions", *optional]


def figure_names():
    """Return all figures, as (data set, kind); those over all data sets have no data set."""
    names = [(dataset, kind) for dataset in RUN_DATASETS for kind in figures_of(dataset)]
    over_all = {"training_curves": TRAININGS, "equivariance": MEASURED, "claims": CLAIMS}
    return names + [("", kind) for kind, drawn in over_all.items() if drawn]


def figure_files():
    """Return the files of all figures, as PNG and SVG."""
    names = ["_".join(filter(None, name)) for name in figure_names()]
    return [f"results/figures/{name}.{suffix}" for name in names for suffix in FORMATS]


def left_over():
    """Return the tables and figures that earlier runs left, and that no run of this configuration makes."""
    made = {Path(path) for path in TABLES + figure_files()}
    found = [path for kind in ("tables", "figures") for path in sorted(Path("results", kind).glob("[!.]*"))]
    return [str(path) for path in found if path not in made]


def say_left_over():
    """Name the tables and figures that do not belong to this configuration, so that nobody takes them for it."""
    if files := left_over():
        named = ", ".join(files[:6]) + ", …" * (len(files) > 6)
        logger.info(
            f"Not of this configuration, but of earlier runs: {named} ({len(files)}). Delete what you do not need."
        )


def captions():
    """Return the templates of the captions: one of the data sets' figures, one of each figure over all of them."""
    kinds = ["figure"] + [kind for dataset, kind in figure_names() if not dataset]
    return [str(ROOT / "workflow" / "report" / f"{kind}.rst") for kind in kinds]


def rules_of(dag):
    """Return how many jobs each rule of a run has, and the rules whose files they read, for the record."""
    jobs, needed = {}, {}
    for job in dag.jobs:
        jobs[job.rule.name] = jobs.get(job.rule.name, 0) + 1
        needed.setdefault(job.rule.name, set()).update(other.rule.name for other in dag.job_dependencies(job))
    return {name: {"jobs": count, "after": sorted(needed[name])} for name, count in sorted(jobs.items())}


def claim_files():
    """Return the counts per image of every run that a claim is about."""
    runs = [
        (claim["dataset"], claim[role], seed)
        for claim in CLAIMS
        for role in ("better", "worse")
        for seed in claim["seeds"]
    ]
    return [f"results/scores/{dataset}/{model}/seed{seed}.npz" for dataset, model, seed in dict.fromkeys(runs)]


def figure_inputs(wildcards):
    """Return what a figure is drawn from: a table, or each model's samples of its first seed."""
    if KINDS[wildcards.kind]:
        return {"table": f"results/tables/{KINDS[wildcards.kind]}.csv"}
    first = {model: seed for dataset, model, seed in reversed(RUNS) if dataset == wildcards.dataset}
    return {
        "samples": [
            f"results/samples/{wildcards.dataset}/{model}/seed{first[model]}.npz"
            for model in models_on(wildcards.dataset)
        ]
    }
