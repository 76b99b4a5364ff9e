"""Evaluation of a trained network on rescaled test sets: counts per scale, image and class, and samples for figures."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from seunet.data.arrays import Prepared
from seunet.data.rescaling import rescale_image, rescale_logits, rescale_mask, rescaled_sides
from seunet.data.sampling import evenly_spaced
from seunet.data.source import IGNORED
from seunet.experiment.crops import CROPPED_IMAGES, crop_counts
from seunet.experiment.degenerate import warnings_of
from seunet.experiment.determinism import check_deterministic, check_on_noise
from seunet.experiment.inference import AutoFactorNetwork, Variant, predict, underlying_network, with_tiling
from seunet.experiment.magnification import PROBES
from seunet.experiment.metrics import confusion_counts, consistency_counts
from seunet.experiment.opening import open_variant
from seunet.experiment.results import Results, Size
from seunet.experiment.windows import WindowCounter
from seunet.runtime.memory import keep_freed_memory
from seunet.settings.dataset import Testing

BATCH_PIXELS = 2**18  # images are predicted in batches of about so many pixels, which bounds the memory
SAMPLE_IMAGES = 4


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
    """Test the network of `weights`, a folder or a file, at all scales; write scores, counts per image and samples.

    `crops`: how many pixels keep their class when images are cut (CSV, see `crops`). `windows`: counts of every window
    of scales of a SEU-Net that has more of them than in training (CSV, see `windows`); of other networks no row.
    `run` names the run: dataset, model and seed, the first columns of the scores. `variant`: how the network predicts,
    if not as in its training. `threads`: of the CPU.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    data = Prepared(dataset)
    model, _ = open_variant(weights, data, variant, device, testing.precision, testing.size_multiple)
    evaluator = Evaluator(model, data, testing, torch.device(device))
    check_on_noise(underlying_network(model), data.channels, with_tiling(None))
    check_deterministic(underlying_network(model), evaluator.first_image(), with_tiling(testing.tile))
    sizes = [evaluator.size(scale) for scale in testing.test_scales]
    counts, examples = {}, {}
    # scale 1 first, because the others are compared with it; and once each, because several may round to one size
    with WindowCounter(evaluator.model, len(data.classes)) as counter:
        for size in dict.fromkeys([evaluator.own_size, *sizes]):
            counts[size], examples[size] = evaluator.test(size, counter)
    print_warnings(data, counts[evaluator.own_size].sum(1))
    results = Results(run, data.classes, testing.test_scales, sizes, counts, examples)
    if crops:
        results.write_crops(crops, evaluator.crop_counts())
    if windows:
        results.write_windows(windows, counter)
    results.write_scores(scores)
    results.write_per_image(per_image)
    results.write_samples(samples)


class Evaluator:
    """A network and the test images of a data set.

    reference: the class of every pixel of every test image at scale 1, (N, H, W) uint8; filled when scale 1 is tested.
    """

    def __init__(self, model: nn.Module, data: Prepared, testing: Testing, device: torch.device):
        self.model, self.data, self.testing, self.device = model, data, testing, device
        self.own_size = data.height, data.width
        self.reference = torch.empty(len(data.test[0]), *self.own_size, dtype=torch.uint8, device=device)
        self.sample_indices = evenly_spaced(len(data.test[0]), SAMPLE_IMAGES)

    def size(self, scale: float) -> Size:
        """Return height and width of the test images at a nominal scale."""
        return rescaled_sides(self.own_size, scale, self.testing.size_multiple)

    def batches(self, size: Size) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield which images, and the images (n, C, h, w) in [0, 1] and masks (n, h, w) at this size.

        With `test_pixels: original`, larger sizes than the prepared one are resampled from the original files. Other
        sizes are the data set's own rendering if it has one, else the prepared test images, resampled.
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

    def first_image(self) -> Tensor:
        """Return the first test image at scale 1, (1, C, h, w) in [0, 1]."""
        _, x, _ = next(self.batches(self.own_size))
        return x[:1].contiguous(memory_format=torch.channels_last)

    def from_originals(self, size: Size) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Yield as `batches` does, resampled from the original pixels of each test image."""
        count, step = len(self.data.test[0]), max(1, BATCH_PIXELS // (size[0] * size[1]))
        for start in range(0, count, step):
            part = range(start, min(start + step, count))
            pixels = [torch.from_numpy(self.data.original(i)).to(self.device).permute(2, 0, 1)[None] for i in part]
            x = [rescale_image(image[:, :-1].float() / 255, size) for image in pixels]
            y = [rescale_mask(image[:, -1], size) for image in pixels]
            yield slice(part.start, part.stop), torch.cat(x), torch.cat(y)

    def find_common_factor(self, size: Size) -> None:
        """Let a network that shows all images at one factor find it, from images of this size."""
        if not isinstance(self.model, AutoFactorNetwork):
            return
        indices, chosen = np.array(evenly_spaced(len(self.data.test[0]), PROBES)), []
        for part, x, _ in self.batches(size):
            inside = (indices >= part.start) & (indices < part.stop)
            chosen.append(x[indices[inside] - part.start])
        self.model.find_common_factor(torch.cat(chosen))

    def logits(self, x: Tensor) -> Tensor:
        """Return logits (n, classes, h, w)."""
        x = x.contiguous(memory_format=torch.channels_last)
        return predict(self.model, x, self.testing.tile, len(self.data.classes)).float()

    def crop_counts(self) -> list[tuple[int, int, int, int]]:
        """Return what `crops.crop_counts` does, of a few test images at scale 1."""
        images = self.data.test[0][evenly_spaced(len(self.data.test[0]), CROPPED_IMAGES)]
        x = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 255
        self.find_common_factor(self.own_size)
        return crop_counts(self.model, x, self.testing.tile)

    def test(self, size: Size, counter: WindowCounter) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the counts, (5, N, C) int64 in the order of COUNTS, and the samples at one size: scale 1 first."""
        counts: list[Tensor] = []
        samples: dict[str, list[np.ndarray]] = {"image": [], "mask": [], "prediction": []}
        classes = len(self.data.classes)
        self.find_common_factor(size)
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
            samples["image"].append((x[chosen] * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
            samples["mask"].append(y[chosen].cpu().numpy())
            samples["prediction"].append(prediction[chosen].byte().cpu().numpy())
            if winners is not None:
                samples.setdefault("winner", []).append(winners.byte().cpu().numpy())
        return torch.cat(counts, dim=1).numpy(), {key: np.concatenate(parts) for key, parts in samples.items()}


def print_warnings(data: Prepared, counts: np.ndarray) -> None:
    """Print why the scores of a network mean nothing, if so; counts (5, classes) at scale 1, summed over the images."""
    tp, fp, fn = counts[:3]
    metric = data.metric.of_counts(tp, fp, fn, data.classes)
    for warning in warnings_of(data.classes, (tp + fp).tolist(), (tp + fn).tolist(), metric):
        print(f"warning: on the test images this network {warning}", file=sys.stderr, flush=True)
