"""Where the files of the workflow are: archives, arrays, weights, scores, tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from seunet.config.plan import (
    RunName,
    archive_suffix,
    claims_to_test,
    external_weights,
    measured_runs,
    trained_dataset,
    trained_model,
    weight_files,
)
from seunet.data.prepared import GENERATED
from seunet.settings.configuration import Configuration

RESULTS = Path("results")
MISSING = "results/tables/missing.csv"  # beside the other tables, where they leave runs out


@dataclass(frozen=True)
class Made:
    """A file that a run needs, and the log of the job that makes it."""

    path: Path
    log: str


def archives(config: Configuration, dataset: str) -> dict[str, str]:
    """Return where the archives of a data set are kept: {key: path}."""
    return {
        key: f"resources/{dataset}/{key}{archive_suffix(archive.url)}"
        for key, archive in config.datasets[dataset].archives.present().items()
    }


def archive_key(config: Configuration, dataset: str, file: str) -> str:
    """Return the configuration's key of the archive that is kept as resources/{dataset}/{file}; KeyError if none is."""
    keys = {path: key for key, path in archives(config, dataset).items()}
    return keys[f"resources/{dataset}/{file}"]


def prepared(*splits: str) -> list[str]:
    """Return the files of a prepared data set that a rule reads, with the wildcard {dataset}; dataset.json first."""
    arrays = [f"{split}/{name}.npy" for split in splits for name in ("images", "masks")]
    return [f"results/datasets/{{dataset}}/{file}" for file in ["dataset.json", *arrays]]


def other_pixels(config: Configuration, dataset: str) -> list[str]:
    """Return where test images of other scales are kept; nothing where they are resampled from the prepared ones."""
    settings, folder = config.datasets[dataset], f"results/datasets/{dataset}/test"
    if settings.source in GENERATED:
        return [f"{folder}/rendered"]
    return [f"{folder}/original"] if settings.test_pixels == "original" else []


def weights(config: Configuration, dataset: str, model: str, seed: int) -> dict[str, str]:
    """Return the files of the trained, or given, network that is tested: weights and perhaps their description."""
    if given := external_weights(config, dataset, model, seed):
        return {key: str(path) for key, path in weight_files(given).items()}
    trained_on, network = trained_dataset(config, dataset), trained_model(config, model)
    folder = f"results/models/{trained_on}/{network}/seed{seed}"
    return {"weights": f"{folder}/model.safetensors", "description": f"{folder}/model.json"}


def is_made_here(path: str) -> bool:
    """Tell whether a file is one that rules make: then its time counts, and of others the content alone."""
    return Path(path).is_relative_to(RESULTS)


def of_runs(kind: str, suffix: str, runs: Iterable[RunName]) -> list[str]:
    """Return results/{kind}/{data set}/{model}/seed{seed}{suffix} of each run."""
    return [f"results/{kind}/{dataset}/{model}/seed{seed}{suffix}" for dataset, model, seed in runs]


def histories(trainings: Iterable[RunName]) -> list[str]:
    """Return the history of each training."""
    return of_runs("models", "/history.csv", trainings)


def of_run(config: Configuration, dataset: str, model: str, seed: int) -> list[Made]:
    """Return all that tables and figures need of a run, in the order in which it is made."""
    trained_on, network = trained_dataset(config, dataset), trained_model(config, model)
    training = f"logs/train/{trained_on}/{network}/seed{seed}.log"
    files = [Made(Path(path), training) for path in weights(config, dataset, model, seed).values()]
    if config.models[network].weights is None:
        files.append(Made(files[0].path.with_name("history.csv"), training))
    kinds = {"scores": (".csv", ".npz"), "samples": (".npz",), "crops": (".csv",), "windows": (".csv",)}
    tested = [
        path for kind, ends in kinds.items() for end in ends for path in of_runs(kind, end, [(dataset, model, seed)])
    ]
    files += [Made(Path(path), f"logs/evaluate/{dataset}/{model}/seed{seed}.log") for path in tested]
    if config.datasets[dataset].compared_scales:
        measured = of_runs("equivariance", ".csv", [(dataset, model, seed)])
        files += [Made(Path(path), f"logs/equivariance/{dataset}/{model}/seed{seed}.log") for path in measured]
    return files


def of_claims(config: Configuration) -> list[str]:
    """Return the counts per image of every run that a claim is about, once."""
    runs = [
        (claim["dataset"], claim[role], seed)
        for claim in claims_to_test(config)
        for role in ("better", "worse")
        for seed in claim["seeds"]
    ]
    return of_runs("scores", ".npz", dict.fromkeys(runs))


def tables(config: Configuration) -> list[str]:
    """Return the tables that a configuration makes."""
    names = ["scores", "class_iou", "warnings", "history", "crops", "windows", "worst_images"]
    names += ["equivariance"] * bool(measured_runs(config)) + ["claims"] * bool(claims_to_test(config))
    return [f"results/tables/{name}.csv" for name in names]
