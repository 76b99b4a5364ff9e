"""What every script does around its one call: redirect the log, check the inputs, report errors in one line."""

import sys
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # seunet need not be installed, whatever the working folder

from seunet.runtime.errors import ERRORS_FOLDER, UserError, is_out_of_memory
from seunet.runtime.files import write_error
from seunet.runtime.integrity import record, verify
from seunet.runtime.result_cache import CachedResult


@contextmanager
def job(snakemake, keep=False):
    """Send standard output and error to the job's log; end with one line on the terminal after a user's error.

    Inputs are compared with the checksums that earlier jobs recorded; the checksums of the outputs are recorded. With
    `keep`, the results are also kept under results/kept. If they are there already, they are taken from there, and
    `with job(snakemake, keep=True) as missing` gives False: there is nothing to do.
    """
    terminal, log = sys.stderr, Path(snakemake.log[0])
    try:
        with open_log(log) as file:
            sys.stdout = sys.stderr = file
            inputs = verify(snakemake.input)
            cached = cached_result(snakemake, inputs) if keep else None
            missing = cached is None or not cached.restore()
            yield missing
            record(snakemake.output)
            if cached and missing:
                cached.store()
            elif cached:
                print(f"taken from {cached.folder}: the same settings, code and inputs were computed before")
    except Exception as error:
        message = user_message(error, log)
        if message is None:
            raise
        with suppress(OSError):  # on a full disk, the log cannot be written
            say(log, f"error: {message}")
        text = f"error in rule {snakemake.rule}: {message}\n"
        print(f"\n{text}", file=terminal, flush=True)
        with suppress(OSError):  # the Snakefile prints it again, after the last line of Snakemake
            leave(text, log)
        sys.exit(1)
    except KeyboardInterrupt:  # Snakemake reports it, too: no traceback
        with suppress(OSError):
            say(log, "interrupted")
        sys.exit(130)
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, terminal


def leave(text, log):
    """Write an error to the folder in which the process that started the job looks for it."""
    ERRORS_FOLDER.mkdir(parents=True, exist_ok=True)
    (ERRORS_FOLDER / "_".join(log.parts[-3:])).write_text(text, encoding="utf-8")


def cached_result(snakemake, inputs):
    """Return where the results of this job are kept; None if the prefix of a module puts them outside of results/."""
    if not all(Path(path).is_relative_to("results") for path in snakemake.output):
        return None
    wildcards, settings = dict(snakemake.wildcards.items()), dict(snakemake.params.items())
    return CachedResult(snakemake.rule, wildcards, settings, inputs, snakemake.output)


def open_log(path):
    """Open the log for writing, a line at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w", buffering=1, encoding="utf-8", errors="backslashreplace")


def say(log, line):
    """Add a line to the log."""
    with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{line}\n")


def user_message(error, log):
    """Return the message of an error that the user can correct; None for an error of the code."""
    if isinstance(error, OSError):
        error = write_error(Path(error.filename or log), error)
    if isinstance(error, UserError):
        return str(error)
    if is_out_of_memory(error):
        return "the memory did not suffice; give the job more (mem_mb), or lower batch_size, crop or tile"
    return None
