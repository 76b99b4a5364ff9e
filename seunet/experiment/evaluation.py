"""Evaluation of a trained network on rescaled test sets: counts per scale, image and class, and samples to look at."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from seunet.data.arrays import Prepared
from seunet.data.rescaling import rescale_image, rescale_logits, rescale_mask, rescaled_size
from seunet.data.source import IGNORED
from seunet.experiment.crops import chosen_images, crop_counts
from seunet.experiment.degenerate import warnings_of
from seunet.experiment.inference import Variant, predict
from seunet.experiment.metrics import confusion_counts, consistency_counts
from seunet.experiment.opening import open_network
from seunet.experiment.windows import WindowCounter
from seunet.runtime.files import atomic
from seunet.settings.dataset import Testing
from seunet.settings.metric import COUNTS

BATCH_PIXELS = 2**18  # images are predicted in batches of about so many pixels, which bounds the memory
SAMPLE_IMAGES = 4
SAMPLE_SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
SAMPLE_SIDE = 1024  # larger ones are not kept: nobody sees more in a figure

Size = tuple[int, int]


def evaluate(
    weights: Path,
    dataset: Path,
    testing: Testing,
    run: dict[str, str | int],
    scores: Path,
    per_image: Path,
    samples: Path,
    crops: Path | None = None,
    windows: Path | None = None,
    device: torch.device | str = "cpu",
    variant: Variant = Variant(),
    threads: int = 1,
) -> None:
    """Test the network of `weights`, a folder or a file, at all scales; write scores (CSV), those per image, samples.

    `crops`: how many pixels keep their class when images are cut (CSV, see `crops`). `windows`: counts of every window
    of scales of a SEU-Net that has more of them than in training (CSV, see `windows`); of other networks no row.
    `run` names the run: dataset, model and seed, the first columns of the scores. `variant`: how the network
    is asked, where that is not as it was trained. `threads`: of the CPU.
    """
    torch.set_num_threads(threads)
    data = Prepared(dataset)
    model, _ = open_network(weights, data, variant, device)
    evaluator = Evaluator(model, data, testing, torch.device(device))
    sizes = [evaluator.size(scale) for scale in testing.test_scales]
    counts, kept = {}, {}
    # scale 1 first, because the others are compared with it; and once each, because several may round to one size
    with WindowCounter(evaluator.model, len(data.classes)) as counter:
        for size in dict.fromkeys([evaluator.own_size, *sizes]):
            counts[size], kept[size] = evaluator.test(size, counter)
    say_warnings(data, counts[evaluator.own_size].sum(1))
    if crops:
        write_crops(crops, run, evaluator.crop_counts())
    if windows:
        write_windows(windows, run, testing.test_scales, sizes, data.classes, counter)
    write_scores(scores, run, testing.test_scales, sizes, data.classes, counts)
    write_per_image(per_image, testing.test_scales, sizes, data.classes, counts)
    write_samples(samples, testing.test_scales, sizes, data.classes, kept)


class Evaluator:
    """A network and the test images that it is shown.

    reference: the class of every pixel of every test image at scale 1, (N, H, W) uint8, once that is tested.
    """

    def __init__(self, model: nn.Module, data: Prepared, testing: Testing, device: torch.device):
        self.model, self.data, self.testing, self.device = model, data, testing, device
        self.own_size = data.height, data.width
        self.reference = torch.empty(len(data.test[0]), *self.own_size, dtype=torch.uint8, device=device)
        self.sample_indices = np.unique(np.linspace(0, len(data.test[0]) - 1, SAMPLE_IMAGES).astype(int))

    def size(self, scale: float) -> Size:
        """Return height and width of the test images at a nominal scale."""
        multiple = self.testing.size_multiple
        return rescaled_size(self.data.height, scale, multiple), rescaled_size(self.data.width, scale, multiple)

    def batches(self, size: Size) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield which images, and the images (n, C, h, w) in [0, 1] and masks (n, h, w) at this size.

        They are the data set's own rendering at this size where it has one; else the test images resampled, larger ones
        from the pixels of their files where that is asked.
        """
        if self.testing.test_pixels == "original" and max(size) > max(self.own_size):
            yield from self.from_originals(size)
            return
        images, masks = self.data.rendered(*size) or self.data.test
        step = max(1, BATCH_PIXELS // (size[0] * size[1]))
        for start in range(0, len(images), step):
            part = slice(start, min(start + step, len(images)))
            x = torch.from_numpy(images[part].copy()).to(self.device).permute(0, 3, 1, 2).float() / 255
            y = torch.from_numpy(masks[part].copy()).to(self.device)
            yield part, rescale_image(x, size), rescale_mask(y, size)

    def from_originals(self, size: Size) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield as `batches` does, from the files of the test images' own pixels, each of a size of its own."""
        count, step = len(self.data.test[0]), max(1, BATCH_PIXELS // (size[0] * size[1]))
        for start in range(0, count, step):
            part = range(start, min(start + step, count))
            pixels = [torch.from_numpy(self.data.original(i)).to(self.device).permute(2, 0, 1)[None] for i in part]
            x = [rescale_image(image[:, :-1].float() / 255, size) for image in pixels]
            y = [rescale_mask(image[:, -1], size) for image in pixels]
            yield slice(part.start, part.stop), torch.cat(x), torch.cat(y)

    def logits(self, x: Tensor) -> Tensor:
        """Return logits (n, classes, h, w)."""
        x = x.contiguous(memory_format=torch.channels_last)
        return predict(self.model, x, self.testing.tile, len(self.data.classes)).float()

    def crop_counts(self) -> list[tuple[int, int, int, int]]:
        """Return what `crops.crop_counts` does, of a few test images at scale 1."""
        images = self.data.test[0][chosen_images(len(self.data.test[0]))]
        x = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 255
        return crop_counts(self.model, x, self.testing.tile)

    def test(self, size: Size, counter: WindowCounter) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the counts, (5, N, C) int64 in the order of COUNTS, and the samples at one size: scale 1 first."""
        counts: list[Tensor] = []
        kept: dict[str, list[np.ndarray]] = {"image": [], "mask": [], "prediction": []}
        classes = len(self.data.classes)
        for part, x, y in self.batches(size):
            logits = self.logits(x)
            chosen = [i - part.start for i in self.sample_indices if part.start <= i < part.stop]
            winners = counter.count(size, y, chosen)
            prediction = back = logits.argmax(1)
            if size == self.own_size:
                self.reference[part] = prediction.masked_fill(y == IGNORED, IGNORED)  # it counts in no score
            else:
                back = rescale_logits(logits, self.own_size).argmax(1)
            consistent = consistency_counts(self.reference[part], back, classes)
            counts.append(torch.cat([confusion_counts(y, prediction, classes), consistent]).cpu())
            kept["image"].append((x[chosen] * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
            kept["mask"].append(y[chosen].cpu().numpy())
            kept["prediction"].append(prediction[chosen].byte().cpu().numpy())
            if winners is not None:
                kept.setdefault("winner", []).append(winners.byte().cpu().numpy())
        return torch.cat(counts, dim=1).numpy(), {key: np.concatenate(parts) for key, parts in kept.items()}


def say_warnings(data: Prepared, counts: np.ndarray) -> None:
    """Print what makes the scores of a network worthless, from the counts (5, classes) at scale 1."""
    tp, fp, fn = counts[:3]
    for warning in warnings_of(data.classes, (tp + fp).tolist(), data.metric.of_counts(tp, fp, fn, data.classes)):
        print(f"warning: on the test images this network {warning}", file=sys.stderr, flush=True)


def write_scores(
    path: Path,
    run: dict[str, str | int],
    scales: list[float],
    sizes: list[Size],
    classes: list[str],
    counts: dict[Size, np.ndarray],
) -> None:
    """Write one row per scale and class: counts summed over the test images."""
    rows = []
    for scale, size in zip(scales, sizes, strict=True):
        totals = counts[size].sum(1)
        for i, name in enumerate(classes):
            place = {"scale": scale, "height": size[0], "width": size[1], "class": name}
            rows.append(run | place | dict(zip(COUNTS, totals[:, i].tolist(), strict=True)))
    with atomic(path) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)


def write_crops(path: Path, run: dict[str, str | int], counts: list[tuple[int, int, int, int]]) -> None:
    """Write one row per size to which the images were cut."""
    table = pd.DataFrame(counts, columns=["height", "width", "kept_pixels", "pixels"])
    with atomic(path) as temporary:
        table.assign(**run)[[*run, *table.columns]].to_csv(temporary, index=False)


def write_windows(
    path: Path,
    run: dict[str, str | int],
    scales: list[float],
    sizes: list[Size],
    classes: list[str],
    counter: WindowCounter,
) -> None:
    """Write one row per scale, window and class: counts summed over the test images, and how often it was chosen."""
    columns = [*run, "scale", "height", "width", "window", "class", "tp", "fp", "fn", "chosen", "images"]
    rows = []
    for scale, size in zip(scales, sizes, strict=True):
        for name, totals, chosen, images in counter.results(size):
            place = {"scale": scale, "height": size[0], "width": size[1], "window": name}
            for i, label in enumerate(classes):
                counts = dict(zip(("tp", "fp", "fn"), totals[:, i].tolist(), strict=True))
                rows.append(run | place | {"class": label} | counts | {"chosen": chosen, "images": images})
    with atomic(path) as temporary:
        pd.DataFrame(rows, columns=columns).to_csv(temporary, index=False)


def write_per_image(
    path: Path,
    scales: list[float],
    sizes: list[Size],
    classes: list[str],
    counts: dict[Size, np.ndarray],
) -> None:
    """Write the same counts per image, (scales, images, classes) each, for intervals."""
    stacked = np.stack([counts[size] for size in sizes], axis=1)
    arrays = {name: stacked[i] for i, name in enumerate(COUNTS)}
    height, width = np.array(sizes).T
    with atomic(path) as temporary:
        np.savez_compressed(
            temporary, scale=np.array(scales), height=height, width=width, classes=np.array(classes), **arrays
        )


def write_samples(
    path: Path,
    scales: list[float],
    sizes: list[Size],
    classes: list[str],
    kept: dict[Size, dict[str, np.ndarray]],
) -> None:
    """Write a few images with mask and prediction at the scales nearest to ¼, ½, 1, 2 and 4."""
    small = [i for i, size in enumerate(sizes) if max(size) <= SAMPLE_SIDE] or [int(np.argmin([h for h, _ in sizes]))]
    logs = np.log2([scales[i] for i in small])
    chosen = sorted({small[int(np.abs(logs - np.log2(scale)).argmin())] for scale in SAMPLE_SCALES})
    arrays: dict[str, Any] = {"scales": np.array([scales[i] for i in chosen]), "classes": np.array(classes)}
    for i, place in enumerate(chosen):
        arrays |= {f"{key}_{i}": value for key, value in kept[sizes[place]].items()}
    with atomic(path) as temporary:
        np.savez_compressed(temporary, **arrays)
