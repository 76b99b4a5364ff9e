"""Prediction of one large image, in bands of rows against at once: memory of a whole process, and time.

Each way runs in a fresh process, `python -m benchmarks.prediction WAY SIDE`. Times are compared on a smaller image: at
once the large one takes 19 GiB.
"""

import json
import resource
import subprocess
import sys
import time

import torch

from benchmarks.measure import Row
from seunet import build_model
from seunet.models.prediction import for_prediction
from seunet.models.streaming import stream

LARGE, SMALL = 2048, 1024


def rows() -> list[Row]:
    """Compare the logits of both ways on a tiny image, then measure, once each: they take minutes."""
    check()
    large, bands, whole = measured("bands", LARGE), measured("bands", SMALL), measured("whole", SMALL)
    what = "Prediction in bands, width 64, 4 scales"
    return [
        Row(f"{what}, {LARGE} × {LARGE}: resident memory", large["gib"], 3, "GiB"),
        Row(f"{what}, {SMALL} × {SMALL}: time / at once", bands["seconds"] / whole["seconds"], 1),
    ]


def network() -> torch.nn.Module:
    """Return HeLa's SEU-Net, exact and dense, as `predict` takes it."""
    torch.manual_seed(0)
    return for_prediction(build_model("seunet", 1, 2, width=64, depth=4, geometry="exact").eval())


@torch.no_grad()
def check() -> None:
    """Stop unless bands give the logits of the whole."""
    model, image = network(), torch.rand(1, 1, 192, 64)
    torch.testing.assert_close(stream(model, image, 32), model(image), rtol=1e-4, atol=1e-5)


def measured(way: str, side: int) -> dict[str, float]:
    """Return what a fresh process says of one way."""
    command = [sys.executable, "-m", "benchmarks.prediction", way, str(side)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@torch.no_grad()
def report(way: str, side: int) -> None:
    """Print the seconds that a prediction takes, and the largest resident memory of this process."""
    model, image = network(), torch.rand(1, 1, side, side)
    model(image[..., :64, :64])
    start = time.perf_counter()
    stream(model, image) if way == "bands" else model(image)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


if __name__ == "__main__":
    report(sys.argv[1], int(sys.argv[2]))
