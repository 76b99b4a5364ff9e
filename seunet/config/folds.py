"""Cross-validation: a data set of folds stands for one data set per fold."""

from collections.abc import Iterable

from seunet.settings.configuration import Configuration
from seunet.settings.dataset import Dataset


def expand_folds(config: Configuration) -> Configuration:
    """Return a configuration with each data set `mine` of n folds replaced by mine-fold0, mine-fold1, ….

    So are the names in runs and claims. A data set that says which `fold` it is stays.
    """
    parts = {name: folds_of(name, dataset) for name, dataset in config.datasets.items()}

    def expanded(names: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(part for name in names for part in parts.get(name, [name])))

    datasets = {part: dataset for folds in parts.values() for part, dataset in folds.items()}
    runs = [run.model_copy(update={"datasets": expanded(run.datasets)}) for run in config.runs]
    claims = [
        claim.model_copy(update={"datasets": expanded(claim.datasets)}) if claim.datasets else claim
        for claim in config.claims
    ]
    return config.model_copy(update={"datasets": datasets, "runs": runs, "claims": claims})


def folds_of(name: str, dataset: Dataset) -> dict[str, Dataset]:
    """Return the data sets by name that a data set stands for: itself, unless it has folds."""
    split = dataset.split
    if split.folds is None or split.fold is not None:
        return {name: dataset}
    folds = [split.model_copy(update={"fold": fold}) for fold in range(split.folds)]
    return {f"{name}-fold{split.fold}": dataset.model_copy(update={"split": split}) for split in folds}
