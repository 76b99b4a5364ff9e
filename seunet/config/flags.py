"""The flags of Snakemake's command line that name a configuration: each once.

Of two `--configfile` flags Snakemake takes the files of the last and drops those of the first in silence.
"""

from collections.abc import Iterable
from itertools import takewhile

from seunet.runtime.errors import UserError
from seunet.settings.messages import one_line


def check_flags(arguments: Iterable[str]) -> None:
    """Raise UserError where `--configfile` or `--config` stands more than once; arguments: of the command line."""
    values: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    last = None  # the flag that takes the next values
    for argument in takewhile(lambda text: text != "--", arguments):
        if not argument.startswith("-"):
            values.get(last or "", []).append(argument)
            continue
        last, joined = flag_of(argument)
        if last:
            counts[last] = counts.get(last, 0) + 1
            values.setdefault(last, []).extend(filter(None, [joined]))
    for flag, count in counts.items():
        if count > 1:
            whole = " ".join([flag, *values[flag]])
            text = f"{flag} stands there {count} times, and Snakemake takes the last alone; give it once: {whole}"
            raise UserError(one_line(f"command line: {text}"))


def flag_of(argument: str) -> tuple[str | None, str]:
    """Return which of the two flags an argument is, however it is shortened, and the value that is joined to it."""
    name, _, value = argument.partition("=")
    if name.startswith("--configf") and "--configfiles".startswith(name):
        return "--configfile", value
    if name == "--config":
        return "--config", value
    if argument.startswith("-C"):
        return "--config", argument[2:].removeprefix("=")
    return None, ""
