"""The files that an evaluation writes: scores, counts per image, samples, cut images, windows of scales."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seunet.experiment.windows import WindowCounter
from seunet.runtime.files import atomic
from seunet.runtime.tables import write_table
from seunet.settings.metric import COUNTS

SAMPLE_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
SAMPLE_SIDE = 1024  # larger samples are not kept: a figure does not show so many pixels

Size = tuple[int, int]  # height, width


@dataclass(frozen=True)
class Results:
    """What one network predicted at all test scales. Each method writes one file.

    run: dataset, model and seed, the first columns of each table. classes: names. scales: the nominal ones. sizes: of
    the test images at each scale; two scales may round to one size. counts: by size, (5, N, C) int64 in the order of
    COUNTS. samples: by size, arrays of a few test images such as `image`, `mask` and `prediction`.
    """

    run: Mapping[str, str | int]
    classes: Sequence[str]
    scales: Sequence[float]
    sizes: Sequence[Size]
    counts: Mapping[Size, np.ndarray]
    samples: Mapping[Size, Mapping[str, np.ndarray]]

    def write_scores(self, path: Path) -> None:
        """Write one row per scale and class: counts summed over the test images."""
        rows = []
        for columns, size in self.columns_of_scales():
            totals = self.counts[size].sum(1)
            for i, name in enumerate(self.classes):
                rows.append(columns | {"class": name} | dict(zip(COUNTS, totals[:, i].tolist(), strict=True)))
        write_table(pd.DataFrame(rows), path)

    def write_windows(self, path: Path, counter: WindowCounter) -> None:
        """Write one row per scale, window and class: summed counts, and for how many images the window was chosen."""
        header = [*self.run, "scale", "height", "width", "window", "class", "tp", "fp", "fn", "chosen", "images"]
        rows = []
        for columns, size in self.columns_of_scales():
            for window, totals, chosen, images in counter.results(size):
                for i, name in enumerate(self.classes):
                    counts = dict(zip(("tp", "fp", "fn"), totals[:, i].tolist(), strict=True))
                    row = columns | {"window": window, "class": name} | counts
                    rows.append(row | {"chosen": chosen, "images": images})
        write_table(pd.DataFrame(rows, columns=header), path)

    def write_crops(self, path: Path, counts: Sequence[tuple[int, int, int, int]]) -> None:
        """Write one row per size to which the images were cut, from the counts of `crops.crop_counts`."""
        table = pd.DataFrame(counts, columns=["height", "width", "kept_pixels", "pixels"])
        write_table(table.assign(**self.run)[[*self.run, *table.columns]], path)

    def write_per_image(self, path: Path) -> None:
        """Write the counts of each image, (scales, images, classes) each, for confidence intervals."""
        stacked = np.stack([self.counts[size] for size in self.sizes], axis=1)
        height, width = np.array(self.sizes).T
        places = {"scale": np.array(self.scales), "height": height, "width": width, "classes": np.array(self.classes)}
        arrays: dict[str, Any] = places | {name: stacked[i] for i, name in enumerate(COUNTS)}
        with atomic(path) as temporary:
            np.savez_compressed(temporary, **arrays)

    def write_samples(self, path: Path) -> None:
        """Write a few images with mask and prediction at the scales nearest to ¼, ½, 1, 2 and 4."""
        small = [i for i, size in enumerate(self.sizes) if max(size) <= SAMPLE_SIDE]
        small = small or [int(np.argmin([height for height, _ in self.sizes]))]
        logs = np.log2([self.scales[i] for i in small])
        chosen = sorted({small[int(np.abs(logs - np.log2(scale)).argmin())] for scale in SAMPLE_SCALES})
        arrays: dict[str, Any] = {
            "scales": np.array([self.scales[i] for i in chosen]),
            "classes": np.array(self.classes),
        }
        for number, i in enumerate(chosen):
            arrays |= {f"{key}_{number}": value for key, value in self.samples[self.sizes[i]].items()}
        with atomic(path) as temporary:
            np.savez_compressed(temporary, **arrays)

    def columns_of_scales(self) -> Iterator[tuple[dict[str, Any], Size]]:
        """Yield for each scale the columns that its rows begin with, and its size."""
        for scale, size in zip(self.scales, self.sizes, strict=True):
            yield {**self.run, "scale": scale, "height": size[0], "width": size[1]}, size
