"""How long Snakemake plans before it starts anything."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Row, medians


def rows() -> list[Row]:
    """Time a dry run of the whole paper.

    Where Slurm is installed and its controller does not answer, Snakemake's Slurm plugin waits nine seconds for
    scontrol when it is imported, whatever the executor: here a scontrol that fails at once stands before it.
    """
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all", "--configfile", "config/config.yaml"]
    with tempfile.TemporaryDirectory() as folder:
        scontrol = Path(folder, "scontrol")
        scontrol.write_text("#!/bin/sh\nexit 1\n")
        scontrol.chmod(0o755)
        environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
        time = medians({"plan": lambda: subprocess.run(command, check=True, capture_output=True, env=environment)})
    return [Row("`snakemake -n` on config/config.yaml, wall time", time["plan"], 5, "s")]
