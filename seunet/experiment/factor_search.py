"""The search for the factor at which images should be shown: which factors are tried, and which of them is taken."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from seunet.runtime.errors import UserError

CLOSE = 0.02  # nats: octaves whose scores lie so close together may have a better factor between them
MARGIN = 0.005  # nats by which a factor must beat ×1: less is no reason to show images otherwise than they are
HALF_OCTAVE = math.sqrt(2)
FINER = (HALF_OCTAVE, 2**0.25)  # steps that are halved, towards the better neighbour of the best factor


@dataclass(frozen=True)
class Trial:
    """A factor, its score, and what that is made of: information and distance, in nats."""

    factor: float
    score: float
    information: float
    distance: float


@dataclass(frozen=True)
class Magnification:
    """The factor at which images should be shown, and every factor that was tried, in increasing order.

    as_it_is: of an image alone that was shown whole, the logits (1, classes, H, W) at its own pixels.
    """

    factor: float
    trials: tuple[Trial, ...]
    as_it_is: Tensor | None = field(default=None, repr=False, compare=False)

    @property
    def known_logits(self) -> Tensor | None:
        """The logits (1, classes, H, W) at the chosen factor, if they are known: those at ×1 of an image alone."""
        return self.as_it_is if self.factor == 1 else None

    @property
    def best(self) -> Trial:
        """The trial of the chosen factor."""
        return next(trial for trial in self.trials if trial.factor == self.factor)

    @property
    def second(self) -> Trial | None:
        """The best trial at least half an octave away from the chosen one."""
        others = [t for t in self.trials if abs(math.log2(t.factor / self.factor)) > 0.49]
        return max(others, key=lambda trial: trial.score, default=None)

    @property
    def margin(self) -> float:
        """By how many nats the chosen factor beats the second best."""
        return self.best.score - self.second.score if self.second else math.inf

    def __str__(self) -> str:
        """Return a sentence for users."""
        if self.factor == 1 and self.second and self.margin < -MARGIN:
            return f"shown at their own pixels: ×{self.second.factor:.2g} scores higher, but enlarging may not pay"
        if self.factor == 1 and self.margin < MARGIN:
            return "shown at their own pixels: no factor stands out"
        shown = "at their own pixels" if self.factor == 1 else f"at ×{self.factor:.2g} of their own pixels"
        return f"shown {shown}" + (f"; second best ×{self.second.factor:.2g}" if self.second else "")


class Trials:
    """The factors that were tried. try_factor: shows images at a factor; None where they cannot be shown so."""

    def __init__(self, try_factor: Callable[[float], Trial | None]):
        self.try_factor = try_factor
        self.found: dict[float, Trial] = {}

    def attempt(self, factor: float) -> Trial | None:
        """Return the trial of a factor, which is made once."""
        factor = on_grid(factor)
        trial = self.found.get(factor) or self.try_factor(factor)
        if trial:
            self.found[factor] = trial
        return trial

    def best(self, among: Iterable[float] | None = None) -> Trial:
        """Return the trial with the best score, of some factors or of all."""
        return max((self.found[factor] for factor in among or self.found), key=lambda trial: trial.score)

    def attempt_beside_best(self, low: float, high: float, close: float = 0.0) -> None:
        """Try the half octaves beside the best factor, and those whose scores are close to its, within these bounds."""
        least = self.best().score - close
        tops = [trial.factor for trial in self.found.values() if trial.score >= least]
        for factor in (top * step for top in tops for step in (HALF_OCTAVE, 1 / HALF_OCTAVE)):
            if low <= factor <= high + 1e-6:
                self.attempt(factor)


def search(
    try_factor: Callable[[float], Trial | None],
    factors: Sequence[float],
    to_enlarge: float = MARGIN,
    doubted: bool = False,
    good: float = -math.inf,
    alone: bool = False,
) -> Magnification:
    """Return the best factor: octaves that reduce, half octaves that enlarge while the score rises, those beside the
    best octaves, and finer steps beside the best.

    Args:
        try_factor: None where a factor cannot be shown.
        factors: in increasing order; 1 is added.
        to_enlarge: nats that a factor above 1 must gain.
        doubted: the first enlargement whose score is no better ends them, even while no factor is good.
        good: while the best score is less, all half octaves that reduce are tried, and enlargements go on.
        alone: an image alone pays for every factor by itself, so there are no finer steps beside its own pixels, and
            half octaves beside the best octave only.
    """
    trials, low, high = Trials(try_factor), factors[0], factors[-1]
    own = trials.attempt(1.0)
    if own is None:
        raise UserError("factors: images cannot be shown at their own pixels")
    reductions = [factor for factor in factors if factor < 1]
    for factor in reductions:
        trials.attempt(factor)
    trials.attempt_beside_best(low, high, 0.0 if alone else CLOSE)
    for factor in reductions:
        if trials.best().score < good:
            trials.attempt(factor * HALF_OCTAVE)
    enlarged = 1.0
    while (enlarged := enlarged * HALF_OCTAVE) <= high + 1e-6:
        trial = trials.attempt(enlarged)
        if trial is None or (trial is not trials.best() and (doubted or trials.best().score >= good)):
            break
    trials.attempt_beside_best(low, high)
    # where the best enlarges and is not believed, images are small already: nothing is reduced in its place
    chosen = trials.best() if gains(trials.best(), own, to_enlarge) else own
    chosen = refined(trials, chosen, to_enlarge, alone)
    return Magnification(chosen.factor, tuple(trials.found[factor] for factor in sorted(trials.found)))


def refined(trials: Trials, chosen: Trial, to_enlarge: float, alone: bool) -> Trial:
    """Return the best of a trial and of finer steps beside it, towards its better neighbour."""
    for step in FINER:
        if chosen.factor == 1 and (alone or step != FINER[0]):
            break
        around = [f for f in map(on_grid, (chosen.factor * step, chosen.factor / step)) if f in trials.found]
        if around:
            finer = trials.attempt(math.sqrt(chosen.factor * trials.best(around).factor))
            if finer and gains(finer, chosen, to_enlarge):
                chosen = finer
    return chosen


def gains(trial: Trial, other: Trial, to_enlarge: float) -> bool:
    """Return whether a trial is to be taken in place of another.

    Between two that enlarge, as small a lead as that of ×1 decides nothing: blurred images look smaller than they are.
    """
    if other.factor == 1:
        least = to_enlarge if trial.factor > 1 else MARGIN
    else:
        least = MARGIN if trial.factor > 1 else 0.0
    return trial.score - other.score > least


def on_grid(factor: float) -> float:
    """Return the eighth of an octave that a factor is but for rounding: the same by whichever way it is reached."""
    nearest = 2 ** (round(8 * math.log2(factor)) / 8)
    return nearest if math.isclose(factor, nearest, rel_tol=1e-6) else factor
