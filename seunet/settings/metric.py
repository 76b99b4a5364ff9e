"""The metric of a data set: how it is written, checked, computed from counts of pixels, and called in figures.

No torch and no pydantic here: tables, claims and figures use it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from seunet.runtime.errors import UserError
from seunet.settings.messages import format_value, suggestion

# What an evaluation counts, per class: pixels. Ratios come last, so that the counts of many images can be added.
COUNTS = ("tp", "fp", "fn", "consistent_pixels", "pixels")


@dataclass(frozen=True)
class Metric:
    """The mean IoU or Dice over the classes, or the IoU or Dice of one class.

    Args:
        ratio: "iou", tp / (tp + fp + fn), or "dice", 2 tp / (2 tp + fp + fn).
        of: a class, or None for the mean over all classes.
    """

    ratio: str = "iou"
    of: str | None = None

    RATIOS: ClassVar = {"iou": "IoU", "dice": "Dice"}
    EXPECTED: ClassVar = "mean_iou, mean_dice or a mapping with iou or dice"
    SCHEMA: ClassVar = {
        "oneOf": [
            {"enum": [f"mean_{ratio}" for ratio in RATIOS]},
            {
                "type": "object",
                "properties": {ratio: {"type": "string"} for ratio in RATIOS},
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
            },
        ]
    }

    @classmethod
    def parse(cls, value: Any) -> "Metric":
        """Return the metric that is written as mean_iou, mean_dice, {iou: class} or {dice: class}.

        A metric stays what it is. Raises UserError for anything else.
        """
        if isinstance(value, cls):
            return value
        for ratio in cls.RATIOS:
            if value == f"mean_{ratio}":
                return cls(ratio)
        if not isinstance(value, dict) or len(value) > 1 and set(value) <= cls.RATIOS.keys():
            raise UserError(f"metric: expected {cls.EXPECTED}, got {format_value(value)}")
        for key in value:
            if key not in cls.RATIOS:
                raise UserError(f"metric.{key}: unknown key{suggestion(key, cls.RATIOS)}")
        for ratio, name in value.items():
            if not isinstance(name, str):
                raise UserError(f"metric.{ratio}: expected a text, got {format_value(name)}")
            return cls(ratio, name)
        raise UserError(f"metric: expected {cls.EXPECTED}, got {format_value(value)}")

    def written(self) -> str | dict[str, str]:
        """Return the metric as a configuration has it; `parse` reads it."""
        return f"mean_{self.ratio}" if self.of is None else {self.ratio: self.of}

    @property
    def name(self) -> str:
        """The name of the metric for an axis."""
        ratio = self.RATIOS[self.ratio]
        return f"Mean {ratio}" if self.of is None else f"{ratio} of {self.of}"

    def check(self, classes: Iterable[str]) -> None:
        """Raise UserError when the metric is of a class that is not one of these."""
        self.chosen(list(classes))

    def chosen(self, classes: Sequence[str]) -> list[int]:
        """Return the indices of the classes that count, of all; raise UserError where the class is not among them."""
        if self.of is None:
            return list(range(len(classes)))
        if self.of not in classes:
            raise UserError(f"metric.{self.ratio}: {format_value(self.of)} is not known{suggestion(self.of, classes)}")
        return [classes.index(self.of)]

    def of_class(self, tp: np.ndarray, union: np.ndarray) -> np.ndarray:
        """Return the ratio elementwise; union = tp + fp + fn. NaN where a class is neither there nor predicted."""
        with np.errstate(invalid="ignore"):
            return tp / union if self.ratio == "iou" else 2 * tp / (tp + union)

    def __call__(self, tp: np.ndarray, union: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """Return the metric of counts (…, C), → (…): the mean over the classes that count and are there or predicted.

        NaN where none is.
        """
        places = self.chosen(list(classes))
        found = self.of_class(np.asarray(tp)[..., places], np.asarray(union)[..., places])
        with np.errstate(invalid="ignore"):  # 0 / 0
            return np.nansum(found, axis=-1) / np.isfinite(found).sum(axis=-1)

    def of_counts(self, tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, classes: Sequence[str]) -> float:
        """Return the metric of the counts of one test, (C,) each."""
        return float(self(tp, tp + fp + fn, classes))
