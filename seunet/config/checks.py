"""The configuration: checked before anything runs, with errors that name the place."""

from typing import Any

from seunet.config.dataset_checks import check_dataset, check_trained_on
from seunet.config.model_checks import check_model, check_pair, check_shared_options, check_weights
from seunet.config.name_checks import check_known
from seunet.config.plan import all_runs
from seunet.config.reading import read
from seunet.runtime.errors import UserError
from seunet.settings.configuration import Claim, Configuration
from seunet.settings.messages import format_value, one_line


def check(mapping: Any, build: bool = True) -> Configuration:
    """Return the configuration of a merged mapping, after everything that can be checked before a job runs.

    Raises UserError in one line that names the first bad key by its path, what was expected, and for a misspelt key
    the nearest allowed one. Without `build` no network is built to check the values of its options.
    """
    config = read(mapping)
    try:
        check_consistency(config, build)
    except UserError as error:
        raise UserError(one_line(f"configuration: {error}")) from error
    return config


def check_consistency(config: Configuration, build: bool) -> None:
    """Check what one key alone cannot say: that names are known, and that sizes and options fit together."""
    for name, model in config.models.items():
        check_model(f"models.{name}", model, config.models)
    for name, dataset in config.datasets.items():
        check_trained_on(f"datasets.{name}.trained_on", dataset, config.datasets)
        check_dataset(f"datasets.{name}", dataset)
        check_shared_options(f"datasets.{name}.network", dataset.network, config.models)
    for i, run in enumerate(config.runs):
        check_known(f"runs[{i}].datasets", run.datasets, config.datasets)
        check_known(f"runs[{i}].models", run.models, config.models)
    for i, claim in enumerate(config.claims):
        check_claim(f"claims[{i}]", claim, config)
    for triple in all_runs(config):
        check_weights(config, *triple)
    for pair in dict.fromkeys(triple[:2] for triple in all_runs(config)):
        check_pair(config, *pair, build)


def check_claim(path: str, claim: Claim, config: Configuration) -> None:
    """Check that a claim compares two models that there are, on data sets that there are."""
    check_known(f"{path}.better", [claim.better], config.models)
    check_known(f"{path}.worse", [claim.worse], config.models)
    if claim.better == claim.worse:
        raise UserError(f"{path}.worse: {format_value(claim.worse)} is better already; compare two models")
    check_known(f"{path}.datasets", claim.datasets or (), config.datasets)
