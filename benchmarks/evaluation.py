"""Evaluation at all scales of Pet against nothing but the forward passes of the same batches."""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from benchmarks.measure import Row, least
from seunet import build_model
from seunet.data.arrays import Prepared
from seunet.data.source import IGNORED
from seunet.experiment import crops
from seunet.experiment.evaluation import Evaluator, evaluate
from seunet.experiment.metrics import confusion_counts
from seunet.experiment.windows import WindowCounter
from seunet.models.checkpoint import load_model, save_model
from seunet.models.prediction import for_prediction
from seunet.settings.dataset import Testing

CONFIG = Path("config/config.yaml")
CLASSES, SIDE = 3, 224
LABELS = {"unet": "U-Net", "seunet": "SEU-Net"}
IMAGES = {"unet": 4, "seunet": 1}  # test images: as few as keep the benchmark short; of four, samples are written
ROUNDS = 2  # of half a minute and more


def rows() -> list[Row]:
    """Time the evaluation, from weights on disk to files of scores, and the forward passes that it needs."""
    check_counts()
    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["datasets"]["pet"]
    testing = Testing(test_scales=settings["test_scales"], size_multiple=settings["size_multiple"])
    return [
        Row(
            f"Evaluation at all scales of Pet, {LABELS[name]} / forward passes",
            compare(name, settings, testing, images),
            1.1,
        )
        for name, images in IMAGES.items()
    ]


def compare(architecture: str, settings: dict, testing: Testing, images: int) -> float:
    """Return the time of an evaluation over that of its forward passes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_dataset(folder, images)
        description = {"architecture": architecture, "in_channels": 3, "num_classes": CLASSES}
        options = settings["network"]
        save_model(folder, build_model(architecture, 3, CLASSES, **options), description | {"options": options})
        names = {
            "scores": "s.csv",
            "per_image": "p.npz",
            "samples": "samples.npz",
            "crops": "c.csv",
            "windows": "w.csv",
        }
        files = {key: folder / name for key, name in names.items()}

        def whole() -> None:
            run = {"dataset": "pet", "model": architecture, "seed": 0}
            evaluate(folder, folder, testing, run, **files, threads=torch.get_num_threads())

        predictor = for_prediction(load_model(folder)[0])  # as `evaluate` predicts, batch norm folded
        evaluator = Evaluator(predictor, Prepared(folder), testing, torch.device("cpu"))
        check(evaluator)
        sizes = dict.fromkeys(map(evaluator.size, testing.test_scales))
        inputs = [x for size in sizes for _, x, _ in evaluator.batches(size)]
        cuts = crops.crop_sizes(*evaluator.own_size, evaluator.model)
        inputs += [inputs[0][: crops.CROPPED_IMAGES, :, :height, :width] for height, width in cuts]
        inputs = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
        time = least({"whole": whole, "forward": lambda: forward(evaluator.model, inputs)}, ROUNDS)
    return time["whole"] / time["forward"]


@torch.no_grad()
def forward(model: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    """Return the logits of every batch."""
    return [model(x) for x in inputs]


def check(evaluator: Evaluator) -> None:
    """Stop unless the classes that consistency refers to, kept while scale 1 is tested, are those of a plain pass."""
    with WindowCounter(evaluator.model, CLASSES) as counter:
        evaluator.test(evaluator.own_size, counter)
    batches = [x for _, x, _ in evaluator.batches(evaluator.own_size)]
    plain = torch.cat(forward(evaluator.model, batches)).argmax(1)
    assert torch.equal(evaluator.reference, plain.byte()), "the reference is not what the network says at scale 1"


def check_counts() -> None:
    """Stop unless the counts of pixels, made in one pass, are those of one pass per class and count."""
    target, found = torch.randint(CLASSES, (2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    target[:, :9] = IGNORED
    classes = torch.arange(CLASSES)[:, None, None, None]
    wanted, given = target == classes, (found == classes) & (target != IGNORED)
    plain = torch.stack([both.sum((2, 3)).T for both in (wanted & given, given & ~wanted, wanted & ~given)])
    assert torch.equal(confusion_counts(target, found, CLASSES), plain), "the counts are not those of the plain code"


def write_dataset(folder: Path, images: int) -> None:
    """Write a prepared data set of random pixels, of the layout of Pet."""
    random = np.random.default_rng(0)
    counts = {"train": 1, "val": 1, "test": images}
    for split, count in counts.items():
        (folder / split).mkdir()
        shape = (count, SIDE, SIDE)
        np.save(folder / split / "images.npy", random.integers(256, size=(*shape, 3), dtype=np.uint8))
        np.save(folder / split / "masks.npy", random.integers(CLASSES, size=shape, dtype=np.uint8))
    description = {
        **{"dataset": "pet", "classes": ["pet", "background", "border"], "metric": "mean_iou"},
        **{"channels": 3, "height": SIDE, "width": SIDE},
        "names": {split: [str(i) for i in range(count)] for split, count in counts.items()},
    }
    (folder / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
