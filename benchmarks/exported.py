"""Exported networks: nodes of their ONNX files, and what onnxruntime takes for them on one thread."""

import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch

from benchmarks.measure import REPETITIONS, Row, least
from benchmarks.operators import CASES
from benchmarks.steps import CLASSES
from seunet import build_model
from seunet.models.export import export

SHAPE = (1, 3, 256, 256)
NETWORKS = ("SEU-Net, windows", "SEU-Net, pyramid")


def rows() -> list[Row]:
    """Export three networks for images of any size; without the packages of the extra `export` there are no rows."""
    if not find_spec("onnxruntime"):
        return []
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        files = {name: written(name, Path(folder, f"{i}.onnx")) for i, name in enumerate(("U-Net", *NETWORKS))}
        runs = {name: session(path) for name, path in files.items()}
        seconds = least(runs, REPETITIONS, time.process_time)
        nodes = {name: len(onnx.load(path).graph.node) for name, path in files.items()}
    return [
        *(Row(f"{name}: nodes of the ONNX file", nodes[name], 350, "nodes") for name in NETWORKS),
        *(Row(f"{name}: onnxruntime, one thread / U-Net", seconds[name] / seconds["U-Net"], 1.45) for name in NETWORKS),
    ]


def written(name: str, path: Path) -> Path:
    """Write a network to an ONNX file."""
    architecture, options = CASES[name]
    torch.manual_seed(0)
    export(build_model(architecture, SHAPE[1], CLASSES, **options).eval(), path, SHAPE)
    return path


def session(path: Path) -> Callable[[], object]:
    """Return a function that runs a file on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    loaded = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    image = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)).numpy()
    return lambda: loaded.run(None, {"image": image})


if __name__ == "__main__":
    print(*(row.as_text() for row in rows()), sep="\n")
