"""The one exception that users are meant to read."""


class UserError(Exception):
    """Bad input, said in one line: the file, key or value, what was expected, and what to do.

    Entry points (the command line, the workflow scripts, the Snakefile) print it without a traceback.
    """
