"""The metric of a data set."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from seunet.runtime.errors import UserError
from seunet.settings.words import show, suggestion


@dataclass(frozen=True)
class Metric:
    """How a segmentation is scored: the mean IoU over classes, or the IoU of one class.

    kind: "mean_iou" or "iou"; of: the class, None for a mean.
    """

    kind: str = "mean_iou"
    of: str | None = None

    SCHEMA: ClassVar = {
        "oneOf": [
            {"const": "mean_iou"},
            {
                "type": "object",
                "properties": {"iou": {"type": "string"}},
                "required": ["iou"],
                "additionalProperties": False,
            },
        ]
    }

    @classmethod
    def parse(cls, value: Any) -> "Metric":
        """Return the metric that is written as "mean_iou" or {"iou": class}; raise UserError for anything else."""
        if value == "mean_iou":
            return cls()
        if not isinstance(value, dict):
            raise UserError(f"metric: expected mean_iou or a mapping with iou, got {show(value)}")
        for key in value:
            if key != "iou":
                raise UserError(f"metric.{key}: unknown key{suggestion(key, ['iou'])}")
        if "iou" not in value:
            raise UserError("metric.iou: missing")
        if not isinstance(value["iou"], str):
            raise UserError(f"metric.iou: expected a text, got {show(value['iou'])}")
        return cls("iou", value["iou"])

    def written(self) -> str | dict[str, str]:
        """Return the metric as it is written in a configuration; `parse` reads it."""
        return self.kind if self.of is None else {self.kind: self.of}

    def check(self, classes: Iterable[str]) -> None:
        """Raise UserError when the metric is of a class that is not one of these."""
        if self.of is not None and self.of not in (known := list(classes)):
            raise UserError(f"metric.{self.kind}: {show(self.of)} is not known{suggestion(self.of, known)}")
