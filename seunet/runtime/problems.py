"""Several UserErrors that become one, so that a user sees all of them at once."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from seunet.runtime.errors import UserError

SHOWN = 10  # problems that are listed; the others are counted

T = TypeVar("T")
R = TypeVar("R")


class Problems:
    """UserErrors that are collected. `where`: the folder that they are of."""

    def __init__(self, where: object):
        self.where = where
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        """Keep a problem."""
        self.lines.append(line)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep the UserError of what is done in this context."""
        try:
            yield
        except UserError as error:
            self.lines += str(error).splitlines()

    def refuse(self) -> None:
        """Raise the only problem as it is, several as a list of at most ten lines and a count."""
        if len(self.lines) == 1:
            raise UserError(self.lines[0])
        if self.lines:
            more = len(self.lines) - SHOWN
            rest = [f"and {more} more"] if more > 0 else []
            raise UserError("\n  ".join([f"{self.where}: {len(self.lines)} problems:", *self.lines[:SHOWN], *rest]))


def all_or_problems(function: Callable[[T], R], arguments: Iterable[T], where: object) -> list[R]:
    """Return function(argument) of all arguments; UserError with all that any of them raised."""
    problems = Problems(where)
    results = []
    for argument in arguments:
        with problems.collecting():
            results.append(function(argument))
    problems.refuse()
    return results
