"""Loading and augmenting a batch against the training step that it feeds, both with the settings of config.yaml."""

import tempfile
from pathlib import Path

import numpy as np
import torch
import yaml

from benchmarks.measure import Row, medians
from seunet import build_model
from seunet.data.augmentation import Augmentation
from seunet.experiment.state import TrainingState
from seunet.experiment.training import load_batch, training_step
from seunet.settings.training import Training

CONFIG = Path("config/config.yaml")
IMAGES = {"pet": (400, 224, 224, 3), "hela": (74, 512, 512, 1)}  # random pixels, in files of the same layout
CLASSES = 3


def rows() -> list[Row]:
    """Time batches of Pet, plain and jittered by 2, and of HeLa (elastic), over the step of Pet's U-Net.

    HeLa's own step takes about forty times as long as Pet's, so its share is the ratio printed here over forty.
    """
    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["datasets"]
    pet, hela = settings["pet"]["training"], settings["hela"]["training"]
    with tempfile.TemporaryDirectory() as folder:
        batches = {
            "Pet": Batches(Path(folder, "pet"), IMAGES["pet"], pet, 1.0),
            "Pet, jitter 2": Batches(Path(folder, "pet"), IMAGES["pet"], pet, 2.0),
            "HeLa, elastic": Batches(Path(folder, "hela"), IMAGES["hela"], hela, 1.0),
        }
        x, y = batches["Pet"]()
        model = build_model("unet", 3, CLASSES, **settings["pet"]["network"]).train()
        run = TrainingState(model, batches["Pet"].training, 0)
        time = medians({"step": lambda: training_step(run, x, y, CLASSES), **batches})
    return [
        Row(f"Loading and augmenting a batch, {name} / U-Net step", time[name] / time["step"], 0.05) for name in batches
    ]


class Batches:
    """Batches of a data set of random pixels, drawn anew with each call."""

    def __init__(self, folder: Path, shape: tuple[int, ...], training: dict, scale_jitter: float):
        folder.mkdir(exist_ok=True)
        random = np.random.default_rng(0)
        np.save(folder / "images.npy", random.integers(256, size=shape, dtype=np.uint8))
        np.save(folder / "masks.npy", random.integers(CLASSES, size=shape[:3], dtype=np.uint8))
        self.images, self.masks = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "masks"))
        self.training = Training.model_validate(training | {"scale_jitter": scale_jitter})
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images (n, C, crop, crop) float32 and masks (n, crop, crop) int64."""
        order = torch.randperm(len(self.images), generator=self.generator).numpy()
        batch = load_batch(self.images, self.masks, order[: self.training.batch_size], torch.device("cpu"))
        return Augmentation(self.training)(*batch, self.generator)
