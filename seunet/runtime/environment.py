"""What a run needs of its surroundings: files in UTF-8 whatever the locale says, and a name of the user."""

import getpass
import os


def set_environment() -> None:
    """Make the Python processes that follow read and write UTF-8, and give a user without a name one.

    A locale such as de_DE.ISO-8859-1 would have them write logs that cannot hold every character. In a container the
    number of a user may have no name; Snakemake and torch ask for it.
    """
    os.environ["PYTHONUTF8"] = "1"
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"uid{os.getuid()}"
