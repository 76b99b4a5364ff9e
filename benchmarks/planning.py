"""How long Snakemake plans before it starts anything."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Row, medians

# Where Slurm is installed and its controller does not answer, Snakemake's Slurm plugin waits nine seconds for
# scontrol when it is imported, whatever the executor: not found, it is not asked.
ENVIRONMENT = os.environ | {"PATH": str(Path(sys.executable).parent)}


def rows() -> list[Row]:
    """Time a dry run of the whole paper."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all", "--configfile", "config/config.yaml"]
    time = medians({"plan": lambda: subprocess.run(command, check=True, capture_output=True, env=ENVIRONMENT)})
    return [Row("`snakemake -n` on config/config.yaml, wall time", time["plan"], 5, "s")]
