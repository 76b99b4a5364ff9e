"""Trained networks whose scores mean nothing: they predict one class everywhere, so nothing changes with the scale.

No torch here: the tables, which the figures' environment makes, use it too.
"""

from collections.abc import Sequence


def warnings_of(classes: Sequence[str], predicted: Sequence[int], metric: float) -> list[str]:
    """Return a sentence for each fault of a network's predictions at scale 1; none for a network that works.

    Args:
        classes: names of the classes.
        predicted: number of pixels that the network assigned to each of them.
        metric: value of the data set's metric; NaN if no pixel decides it.
    """
    found = [name for name, pixels in zip(classes, predicted, strict=True) if pixels]
    warnings = []
    if len(found) == 1:
        warnings.append(f"predicts {found[0]} at every pixel: its consistency of 1 is no merit")
    elif missing := [name for name in classes if name not in found]:
        warnings.append(f"never predicts {', '.join(missing)}")
    if metric == 0:
        warnings.append("has a metric of 0 at scale 1: its consistency and its equivariance say nothing")
    return warnings
