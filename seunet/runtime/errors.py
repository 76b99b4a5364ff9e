"""The one exception that users are meant to read, and how to tell that memory ran out."""

from pathlib import Path

# What the system, torch and the loader of libraries say
NO_MEMORY = ("allocate memory", "out of memory", "bad_alloc", "failed to map segment", "start new thread")

# Where jobs leave their errors, which the process that started them prints last
ERRORS_FOLDER = Path(".snakemake", "seunet", "errors")


class UserError(Exception):
    """Bad input, said in one line: the file, key or value, what was expected, and what to do.

    Entry points (the command line, the workflow scripts, the Snakefile) print it without a traceback.
    """


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an error, or one that it wraps, says that the memory did not suffice."""
    while error is not None:  # libraries wrap the reason in errors of their own
        if isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False
