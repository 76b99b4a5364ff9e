"""How long Snakemake plans before it starts anything."""

import subprocess
import sys

from benchmarks.measure import Row, least, without_slurm


def rows() -> list[Row]:
    """Time a dry run of the whole paper."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all", "--configfile", "config/config.yaml"]
    with without_slurm() as environment:
        time = least({"plan": lambda: subprocess.run(command, check=True, capture_output=True, env=environment)}, 3)
    return [Row("`snakemake -n` on config/config.yaml, wall time", time["plan"], 5, "s")]
