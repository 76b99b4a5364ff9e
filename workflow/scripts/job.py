"""What every script does around its one call: redirect the log, and say a user's mistake in one line."""

import sys
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # seunet need not be installed, whatever the working folder

from seunet.errors import UserError


@contextmanager
def job(snakemake):
    """Send standard output and error to the job's log; end with one line on the terminal after a UserError."""
    terminal, log = sys.stderr, Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", buffering=1) as file:
        sys.stdout = sys.stderr = file
        try:
            yield
        except UserError as error:
            print(f"error: {error}", file=file)
            print(f"\nerror in rule {snakemake.rule}: {error}\n", file=terminal, flush=True)
            sys.exit(1)
        finally:
            sys.stdout, sys.stderr = sys.__stdout__, terminal
