"""Packages that only a part of seunet needs: the extras of pyproject.toml, such as seunet[figures]."""

import importlib.metadata
import re
from contextlib import suppress


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """Return what to install where a package of an extra is missing; None where no extra of ours brings it."""
    package = (error.name or "").partition(".")[0]
    wanted = []
    with suppress(importlib.metadata.PackageNotFoundError):  # run from a clone, as the workflow does
        wanted = importlib.metadata.requires("seunet") or []
    for line in wanted:
        extra = re.search(r"""extra == ['"]([\w-]+)['"]""", line)
        if extra and re.split(r"[^\w.-]", line)[0].lower() == package.lower():
            return f"this needs {package}, which is not installed; pip install 'seunet[{extra[1]}]'"
    return None
