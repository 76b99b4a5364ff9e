"""Finished results of all earlier settings: a job takes its results from here if they were computed before.

The other folders of results/ belong to the configuration of the last run, and Snakemake deletes the outputs of a job
before the job runs again. So each finished result is also linked into a folder of its own,
`results/kept/{rule}-{data set}-{model}-seed{seed}-{key}/`. The key is a checksum of everything that decides the result:
settings, seed, code and the content of the inputs. So other settings never overwrite the folder.

The folder holds the files by their paths below results/, `settings.json`, and `checksums.sha256`. The checksums are
written last: a folder without them is incomplete and is not used.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seunet.runtime.files import atomic, sha256

RESULTS = Path("results")
FOLDER = RESULTS / "kept"
RECOMPUTE = "SEUNET_ANEW"  # environment variable; set if everything is computed again (snakemake -F, -f, -R)


class CachedResult:
    """The folder of one job's kept results.

    Args:
        rule: name of the rule.
        wildcards: of the job; they distinguish the jobs of a rule.
        settings: its parameters.
        inputs: {path: sha256} of the files that it reads.
        outputs: the files that it makes, below results/.
    """

    def __init__(
        self,
        rule: str,
        wildcards: Mapping[str, str],
        settings: Mapping[str, Any],
        inputs: Mapping[str, str],
        outputs: Iterable[str],
    ):
        recipe = {"rule": rule, "wildcards": dict(wildcards), "settings": dict(settings), "inputs": dict(inputs)}
        self.recipe = json.dumps(recipe, sort_keys=True, indent=1, default=str) + "\n"
        key = hashlib.sha256(self.recipe.encode()).hexdigest()[:12]
        about = [f"seed{value}" if name == "seed" else value for name, value in wildcards.items()]
        self.folder = FOLDER / "-".join([rule, *about, key])
        self.files = {Path(path): self.folder / Path(path).relative_to(RESULTS) for path in outputs}

    def restore(self) -> bool:
        """Link the kept results to their names in results/, and return True; return False if they are not complete.

        Nothing is taken if the environment variable RECOMPUTE is set.
        """
        if os.environ.get(RECOMPUTE) or not self.is_complete():
            return False
        for path, kept in self.files.items():
            link(kept, path)
            os.utime(path)  # newer than the inputs, as Snakemake expects
        return True

    def is_complete(self) -> bool:
        """Tell whether all files are there and have their checksums."""
        try:
            lines = (self.folder / "checksums.sha256").read_text(encoding="utf-8").splitlines()
            recorded = {name: checksum for checksum, name in (line.split("  ", 1) for line in lines)}
            return all(recorded[str(kept.relative_to(self.folder))] == sha256(kept) for kept in self.files.values())
        except (OSError, KeyError, ValueError):
            return False

    def store(self) -> None:
        """Keep the results that the job has just made."""
        (self.folder / "checksums.sha256").unlink(missing_ok=True)
        for path, kept in self.files.items():
            link(path, kept)
        with atomic(self.folder / "settings.json") as temporary:
            temporary.write_text(self.recipe, encoding="utf-8")
        sums = [f"{sha256(kept)}  {kept.relative_to(self.folder)}\n" for kept in self.files.values()]
        with atomic(self.folder / "checksums.sha256") as temporary:
            temporary.write_text("".join(sums), encoding="utf-8")


def link(source: Path, target: Path) -> None:
    """Make a hard link to a file, which needs no space; copy the file if the file system has no hard links."""
    with atomic(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
