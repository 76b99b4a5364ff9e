"""Splits: which images of a data set train, validate and test."""

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from seunet.settings.base import Maybe, OneLine, Settings, Unique

Share = Annotated[float, Field(gt=0, lt=1)]


def part_kind(value: Any) -> str:
    """Return the tag of what an entry of `split` is: text, list or value."""
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "value"


Part = Annotated[
    Annotated[Share, Tag("value")] | Annotated[OneLine, Tag("text")] | Annotated[Unique[OneLine], Tag("list")],
    Discriminator(part_kind),
]


class Split(Settings):
    """Which images train, validate and test: by shares, folders, lists or folds."""

    train: Maybe[Part] = None
    """A share; a folder (`train/`); names with a wildcard (`train_*`); a file of names (`train.txt`, below `path`); or
    a list of names."""
    val: Maybe[Part] = None
    """The same; beside `folds`, the share of the images outside the fold (0.1)."""
    test: Maybe[Part] = None
    """The same."""
    groups: Maybe[OneLine] = None
    """Regular expression; images whose names have the same match (its first pair of parentheses) stay together."""
    folds: Maybe[Annotated[int, Field(ge=2, le=1000)]] = None
    """Of a cross-validation, instead of `train` and `test`."""
    fold: Maybe[Annotated[int, Field(ge=0)]] = None
    """The fold that tests. Without it, the data set stands for one of each fold: `mine-fold0`, `mine-fold1`, …."""
