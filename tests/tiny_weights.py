"""Print the sha256 of the weights of tiny trainings: the same under every Python, on one kind of processor.

`.venv/bin/python tests/tiny_weights.py`; .ci/run compares what two versions of Python print.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import torch

from seunet.data.prepared import prepare
from seunet.experiment.training import train
from seunet.runtime.files import sha256
from seunet.settings.dataset import Counts, Preparation
from seunet.settings.training import Augmentation, Training

SCENES = Preparation(source="shapes", count=Counts(train=12, val=2, test=2), image_size=32)
EVERYTHING = Augmentation(rotation=10, flips=["horizontal", "vertical"], gain=0.1, elastic=True)
TRAINING = Training(epochs=2, batch_size=4, crop=16, scale_jitter=2, augmentation=EVERYTHING)
NETWORKS = {
    "unet": {"width": 8, "depth": 2},
    "seunet": {"width": 8, "depth": 2, "num_scales": 3},
    "sresnet": {"width": 8},
}


def main() -> None:
    """Train each network, and print one line of it."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare("reef", SCENES, {}, folder / "reef")
        print(sha256(folder / "reef" / "train" / "images.npy"), "images")
        for architecture, options in NETWORKS.items():
            with contextlib.redirect_stdout(sys.stderr):
                train(folder / "reef", architecture, options, TRAINING, 0, folder / architecture)
            print(sha256(folder / architecture / "model.safetensors"), architecture)


if __name__ == "__main__":
    main()
