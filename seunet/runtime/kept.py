"""Finished results of every setting, kept beside: a job that asks for what was computed before takes it from there.

The paths of results/ hold what belongs to the configuration of the last run, and Snakemake deletes them before a job
makes them anew. So each finished result is also linked into `results/kept/{rule}-{data set}-{model}-seed{seed}-{key}/`,
where the key is a checksum of all that decides it: settings, seed, code and the content of the inputs. Nothing there is
ever overwritten by other settings. In such a folder are the files by their paths below results/, `settings.json`, and
`checksums.sha256`, which is written last: without it the folder does not count.
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
ANEW = "SEUNET_ANEW"  # set in the environment of a run that was told to compute anew (snakemake -F, -f, -R)


class Kept:
    """The place of one job's results among those that are kept.

    Args:
        rule: name of the rule.
        wildcards: what tells its jobs apart.
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

    def take(self) -> bool:
        """Put the kept results under their names in results/; tell whether there are any, all of them whole.

        None are taken in a run that was told to compute anew.
        """
        if os.environ.get(ANEW) or not self.whole():
            return False
        for path, kept in self.files.items():
            link(kept, path)
            os.utime(path)  # newer than the inputs, as Snakemake expects
        return True

    def whole(self) -> bool:
        """Tell whether all files are there with their checksums."""
        try:
            lines = (self.folder / "checksums.sha256").read_text(encoding="utf-8").splitlines()
            noted = {name: checksum for checksum, name in (line.split("  ", 1) for line in lines)}
            return all(noted[str(kept.relative_to(self.folder))] == sha256(kept) for kept in self.files.values())
        except (OSError, KeyError, ValueError):
            return False

    def add(self) -> None:
        """Keep the results that were just made."""
        (self.folder / "checksums.sha256").unlink(missing_ok=True)
        for path, kept in self.files.items():
            link(path, kept)
        with atomic(self.folder / "settings.json") as temporary:
            temporary.write_text(self.recipe, encoding="utf-8")
        sums = [f"{sha256(kept)}  {kept.relative_to(self.folder)}\n" for kept in self.files.values()]
        with atomic(self.folder / "checksums.sha256") as temporary:
            temporary.write_text("".join(sums), encoding="utf-8")


def link(source: Path, target: Path) -> None:
    """Give a file a second name, which costs no space; where the file system has no such links, copy it."""
    with atomic(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
