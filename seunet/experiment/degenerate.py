"""Trained networks whose scores mean nothing, or that never answer one of the classes.

No torch here: the tables, which the figures' environment makes, use it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What is wrong with a network's predictions at scale 1: `text` follows "this network".

    fatal: its scores say nothing. Else it works, but for what the text says.
    """

    text: str
    fatal: bool = True

    def __str__(self) -> str:
        """Return the text."""
        return self.text


def warnings_of(classes: Sequence[str], predicted: Sequence[int], truth: Sequence[int], metric: float) -> list[Fault]:
    """Return the faults of a network's predictions at scale 1; none for a network that works.

    A class that neither a mask nor an answer holds is no fault.

    Args:
        classes: names of the classes.
        predicted: number of pixels that the network assigned to each of them.
        truth: number of pixels that the masks assign to each of them.
        metric: value of the data set's metric; NaN if no pixel decides it.
    """
    missed = [place for place, pixels in enumerate(truth) if pixels and not predicted[place]]
    found = [name for name, pixels in zip(classes, predicted, strict=True) if pixels]
    faults = []
    if missed and len(found) == 1:
        faults.append(Fault(f"predicts {found[0]} at every pixel: its consistency of 1 is no merit"))
    elif missed:
        share = sum(truth[place] for place in missed) / sum(truth)
        names = ", ".join(classes[place] for place in missed)
        faults.append(Fault(f"never predicts {names} ({share:.2%} of the pixels of the masks)", fatal=False))
    if metric == 0:
        faults.append(Fault("has a metric of 0 at scale 1: its consistency and its equivariance say nothing"))
    return faults
