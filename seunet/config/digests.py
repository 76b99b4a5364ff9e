"""Digests of code, as parameters of rules: of the script that a rule runs, and of a network of the user's own."""

from pathlib import Path

from seunet.config.plan import trained_model
from seunet.runtime import sources
from seunet.runtime.files import sha256
from seunet.settings.configuration import Configuration


def script_code(script: str, root: Path, environment: str | None = None) -> str:
    """Return a digest of the code that a script of the workflow in `root` runs.

    A comment does not change it, nor does a copied file. environment: name of the file in envs/ that the rule's
    packages come from; it counts where conda installs them.
    """
    packages = f" {sha256(root / 'envs' / f'{environment}.yaml')}" if environment else ""
    return sources.code(script, (root / "workflow" / "scripts", root)) + packages


def network_code(config: Configuration, model: str, folders: tuple[Path, ...]) -> str | None:
    """Return a digest of a network of the user's own (package.module:factory) and of what it imports from `folders`.

    The folders are searched in their order. None for other networks; what lies in none of the folders is installed,
    and counts as its packages do: not.
    """
    name, colon, _ = (config.models[trained_model(config, model)].architecture or "").partition(":")
    return sources.code(name, folders) if colon and sources.find(name, folders) else None
