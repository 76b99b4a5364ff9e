"""Ways out of eager torch: traced, compiled and exported networks answer as the network itself."""

import logging
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seunet.experiment.fingerprint import fingerprint
from seunet.experiment.inference import predict
from seunet.models import build_model
from seunet.models.diagonals import ByDiagonals, has_diagonals
from seunet.models.export import OPSET, export, quiet, reader, to_onnx
from seunet.models.external_loading import ExternalSpec, load_external
from seunet.models.folding import folded
from seunet.ops.interpolation import upsample
from seunet.ops.maxplus import quadratic_maximum
from seunet.ops.tracing import for_onnx, is_traced
from seunet.runtime.errors import UserError

U_SHAPE, LIFTED = {"width": 2, "depth": 1}, {"num_scales": 2}
WINDOWS = LIFTED | {"geometry": "exact", "layout": "pyramid", "scales_at_test": 3}
NETWORKS = {
    "unet": ("unet", U_SHAPE),
    "released": ("seunet", U_SHAPE | LIFTED),
    "exact": ("seunet", U_SHAPE | LIFTED | {"geometry": "exact"}),
    "pyramid": ("seunet", U_SHAPE | LIFTED | {"geometry": "exact", "layout": "pyramid"}),
    "windows": ("seunet", U_SHAPE | WINDOWS | {"windows": "information"}),
    "regions": ("seunet", U_SHAPE | WINDOWS | {"windows": "region"}),
    "sresnet": ("sresnet", {"width": 1} | LIFTED),
}


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    architecture, options = NETWORKS[name]
    return build_model(architecture, 1, 2, **options).eval()


WAYS = {
    "channels_last": lambda model, x: model.to(memory_format=torch.channels_last),
    "trace": lambda model, x: torch.jit.trace(model, x, check_trace=False),
    "compile": lambda model, x: torch.compile(model, fullgraph=True, backend="eager"),
    "export": lambda model, x: torch.export.export(model, (x,)).module(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_ways_out_of_eager(name: str, way: str) -> None:
    torch.compiler.reset()  # one process may compile a forward for so many networks and no more
    model, x = network(name), torch.rand(2, 1, 16, 24)
    expected = model(x)
    torch.testing.assert_close(WAYS[way](model, x)(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler here")
@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_inductor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model, x = network("exact"), torch.rand(2, 1, 16, 24)
    torch.testing.assert_close(torch.compile(model, fullgraph=True)(x), model(x), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"pyramid"}))  # windows are a pyramid
def test_files(name: str, suffix: str, tmp_path: Path) -> None:
    """A file of any network answers images of any size as `predict` does, of a program of torch those above a step."""
    if suffix == ".onnx":
        pytest.importorskip("onnxruntime")
    path = tmp_path / f"network{suffix}"
    model = network(name)
    free = export(model, path, (1, 1, 32, 48))
    assert free.batch and free.multiple == model.size_multiple, str(free)
    assert list(tmp_path.iterdir()) == [path]
    answer = reader(path)
    for size in [(45, 30), (9, 50), (36, 36), *[(7, 50), (1, 1), (3, 2)] * (suffix == ".onnx")]:
        images = torch.rand(2, 1, *size)
        torch.testing.assert_close(answer(images), predict(model, images), rtol=1e-4, atol=1e-4)


def test_an_onnx_file_takes_any_size_and_says_what_it_is(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "network.onnx"
    model = network("unet")
    said: list[str] = []
    export(model, path, (1, 1, 16, 16), {"classes": ["a", "b"]}, say=said.append)
    assert len(said) == 3  # the first attempt succeeds
    file = onnx.load(path)
    for value in (file.graph.input[0], file.graph.output[0]):
        names = [axis.dim_param for axis in value.type.tensor_type.shape.dim]
        assert names == ["batch", "", "height", "width"]
    assert not {node.op_type for node in file.graph.node} & {"MatMul", "Transpose", "BatchNormalization"}
    loaded, description = load_external(path, ExternalSpec())
    assert description["classes"] == ["a", "b"]
    for size in [(1, 1), (7, 50), (33, 20)]:
        images = torch.rand(3, 1, *size)
        torch.testing.assert_close(predict(loaded, images), predict(model, images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("radius", [3, 4], ids=["maxima of windows", "taps as channels"])
@pytest.mark.filterwarnings("ignore")
def test_onnx_pools_and_upsamples_as_torch_does(radius: int, tmp_path: Path) -> None:
    """At taps two pixels apart, where the pixel beside a border is on another lattice than those inside."""

    class Layers(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return upsample(quadratic_maximum(x, torch.tensor([0.1, 0.5]), 2, 2, radius, 1.0), 4, "aligned")

    x = torch.randn(2, 2, 12, 9, generator=torch.Generator().manual_seed(0))
    with for_onnx(), torch.no_grad():
        program = torch.export.export(Layers(), (x,))
    to_onnx(program, tmp_path / "layers.onnx", "", OPSET)
    torch.testing.assert_close(reader(tmp_path / "layers.onnx")(x), Layers()(x))


@torch.no_grad()
def test_a_pyramid_by_diagonals_is_the_pyramid() -> None:
    """With coefficients of their own for every pooling. Where a layer reads two scales there are no diagonals."""
    options: dict[str, Any] = {"width": 2, "depth": 3, "num_scales": 3, "geometry": "exact", "layout": "pyramid"}
    torch.manual_seed(0)
    model = build_model("seunet", 1, 2, **options).eval()
    for pool in model.pools:
        pool.coefficient.value.uniform_(0.1, 1)
    lean, x = folded(model), torch.rand(2, 1, 45, 30)
    assert has_diagonals(lean)
    torch.testing.assert_close(ByDiagonals(lean)(x), lean(x))
    assert not has_diagonals(folded(build_model("seunet", 1, 2, **options, scale_size=2).eval()))


def test_of_a_fingerprint_a_file_has_what_can_be_compared(tmp_path: Path) -> None:
    """The answers, and not the layers, which nobody can watch in a file."""
    model, path = network("unet"), tmp_path / "network.pt2"
    seen = fingerprint(model, [torch.rand(2, 1, 16, 16)]).written()
    export(model, path, (1, 1, 16, 16), {"fingerprint": seen})
    _, description = load_external(path, ExternalSpec())
    assert seen["layers"] and description["fingerprint"] == {**seen, "layers": {}}


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_a_file_names_no_folder_of_the_machine_that_wrote_it(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"network{suffix}"
    export(build_model("unet", 3, 2, width=2, depth=1).eval(), path, (1, 3, 16, 16))
    contents = [path.read_bytes()]
    if suffix == ".pt2":
        with zipfile.ZipFile(path) as archive:
            contents = [archive.read(name) for name in archive.namelist()]
    folders = (Path(torch.__file__).parents[1], Path(__file__).parents[2], tmp_path)
    assert not [folder for folder in folders for content in contents if str(folder).encode() in content]


def test_mistakes(tmp_path: Path) -> None:
    model = network("unet")
    with pytest.raises(UserError, match="expected a name that ends with .onnx or .pt2"):
        export(model, tmp_path / "network.pth", (1, 1, 8, 8))
    with pytest.raises(UserError, match="in training mode"):
        export(model.train(), tmp_path / "network.pt2", (1, 1, 8, 8))


@pytest.mark.filterwarnings("ignore")
def test_a_network_that_cannot_be_exported_leaves_no_file(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x):
            return x * len(str(float(x.sum())))

    with pytest.raises(UserError, match="cannot be exported"):
        export(Odd().eval(), tmp_path / "odd.pt2", (1, 1, 8, 8))
    assert not list(tmp_path.iterdir())


def test_what_torch_tells_its_developers_is_hidden(caplog: pytest.LogCaptureFixture) -> None:
    name = "torch.onnx._internal.exporter._registration"
    with quiet():
        warnings.warn("internal", stacklevel=1)
        logging.getLogger(name).warning("torchvision is not installed")
    assert not caplog.records
    logging.getLogger(name).warning("heard again")
    assert len(caplog.records) == 1


def test_traced_code_is_recognised() -> None:
    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(lambda x: (seen.append(is_traced()), x + 1)[1], torch.ones(1), check_trace=False)
    torch.func.grad(lambda x: (seen.append(is_traced()), x.sum())[1])(torch.ones(2))
    assert seen == [True, True] and not is_traced()
