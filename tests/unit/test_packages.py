"""Packages of bioimage.io: ours are whole and the same each time; those of other people are read as they say."""

import io
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from test_cli import call, picture
from torch import nn

from seunet.experiment.inference import predict
from seunet.integrations.bioimageio import export_package
from seunet.models import build_model
from seunet.models.external_loading import ExternalSpec, load_external
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Tile

yaml = pytest.importorskip("yaml")
CLASSES = ["background", "optic disc", "2 cups"]
OURS = {"architecture": "unet", "classes": CLASSES, "preparation": {"dataset": "eyes", "image_size": [16, 24]}}


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return build_model("unet", 1, 3, width=2, depth=1).eval()


def written(file: Path) -> Path:
    """Write the package of a network, the images of whose training had values from 100 to 300."""
    pytest.importorskip("onnxruntime")
    told = OURS | {"preparation": OURS["preparation"] | {"value_range": [100, 300]}}
    export_package(small_network(), file, (1, 1, 16, 24), CLASSES, told)
    return file


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("packages") / "net.zip")


def test_a_package_says_what_the_network_takes_and_answers(ours):
    with zipfile.ZipFile(ours) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert not [name for name, content in contents.items() if str(ours.parent).encode() in content]
    rdf = yaml.safe_load(contents["rdf.yaml"])
    (image,), (answer,), weights = rdf["inputs"], rdf["outputs"], rdf["weights"]["onnx"]
    for entry in (image["test_tensor"], answer["test_tensor"], rdf["documentation"], weights):
        assert sha256(contents[entry["source"]]).hexdigest() == entry["sha256"]
    assert [axis["type"] for axis in image["axes"]] == ["batch", "channel", "space", "space"]
    assert image["axes"][2]["size"] == {"min": 16, "step": 2}
    assert image["preprocessing"] == [
        {"id": "scale_linear", "kwargs": {"gain": 1 / 200, "offset": -0.5}},
        {"id": "clip", "kwargs": {"min": 0, "max": 1}},
    ]
    assert answer["axes"][1]["channel_names"] == ["background", "optic_disc", "class_2_cups"]
    assert [step["id"] for step in answer["postprocessing"]] == ["softmax"]
    shown = np.load(io.BytesIO(contents["test_input.npy"]))
    with torch.no_grad():
        right = small_network()(((torch.from_numpy(shown) - 100) / 200).clamp(0, 1)).softmax(1)
    np.testing.assert_allclose(np.load(io.BytesIO(contents["test_output.npy"])), right, atol=1e-5)
    assert "16 × 24" in contents["README.md"].decode()


@pytest.mark.slow
def test_the_same_network_gives_the_same_package(ours, tmp_path):
    assert written(tmp_path / "again.zip").read_bytes() == ours.read_bytes()


def test_our_package_answers_as_the_network_at_every_size(ours, tmp_path):
    network, description = load_external(ours, ExternalSpec())
    assert description["classes"] == CLASSES and description["preparation"]["value_range"] == [100, 300]
    for size in [(1, 1), (7, 50), (32, 20)]:
        images = torch.rand(2, 1, *size)
        torch.testing.assert_close(predict(network, images), predict(small_network(), images), rtol=1e-4, atol=1e-4)
    assert "0 background, 1 optic disc, 2 2 cups" in call(ours, command="info").output
    result = call(ours, tmp_path / "again.zip", command="export")
    assert result.exit_code == 1 and "the program of a package cannot be written anew" in result.output


class Same(nn.Module):
    """Answers with its image."""

    def forward(self, x):
        return x + 0


def package(path: Path, rdf: dict, image: np.ndarray | None = None, answer: np.ndarray | None = None) -> Path:
    """Write a package of Same, with an example where it is given."""
    script, arrays = io.BytesIO(), {"in.npy": image, "out.npy": answer}
    torch.jit.save(torch.jit.trace(Same(), torch.rand(1, 3, 8, 8)), script)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights.pt", script.getvalue())
        archive.writestr("rdf.yaml", yaml.safe_dump(rdf))
        for name, array in arrays.items():
            if array is not None:
                file = io.BytesIO()
                np.save(file, array)
                archive.writestr(name, file.getvalue())
    return path


def described(steps: list, after: tuple = (), size: object = None, **changes) -> dict:
    """Return a description as of 0.5, of images of values from 0 to 255."""
    size = size or {"min": 4, "step": 4}
    axes = [{"type": "batch"}, {"type": "channel", "channel_names": ["a", "b", "c"]}]
    space = [{"type": "space", "id": name, "size": size} for name in "yx"]
    image = {"axes": axes + space, "data": {"type": "uint8"}, "preprocessing": steps}
    answer = {"axes": axes + space, "postprocessing": list(after)}
    image["test_tensor"], answer["test_tensor"] = {"source": "in.npy"}, {"source": "out.npy"}
    rdf = {"format_version": "0.5.3", "type": "model", "inputs": [image], "outputs": [answer]}
    return rdf | {"weights": {"keras_hdf5": {"source": "k.h5"}, "torchscript": {"source": "weights.pt"}}} | changes


def step(name: str, **options) -> dict:
    return {"id": name, "kwargs": options}


IMAGES = torch.randint(0, 256, (2, 3, 7, 10), generator=torch.Generator().manual_seed(0)).float()
IMAGE = IMAGES[0].double().numpy()
STEPS = {  # what a description says, and what is meant
    "nothing": ([], IMAGE),
    "scale": ([step("ensure_dtype", dtype="float32"), step("scale_linear", gain=0.5, offset=-3)], IMAGE / 2 - 3),
    "scale-channels": (
        [step("scale_linear", axis="channel", gain=[1, 2, 3], offset=[0, 0, 1])],
        IMAGE * np.array([1, 2, 3])[:, None, None] + np.array([0, 0, 1])[:, None, None],
    ),
    "fixed": ([step("fixed_zero_mean_unit_variance", mean=100, std=50)], (IMAGE - 100) / 50),
    "own": (
        [step("zero_mean_unit_variance", axes=["channel", "y", "x"], eps="1e-6")],  # as YAML 1.1 reads 1e-6
        (IMAGE - IMAGE.mean()) / IMAGE.std(),
    ),
    "own-channels": (
        [step("zero_mean_unit_variance", axes=["y", "x"])],
        (IMAGE - IMAGE.mean((1, 2), keepdims=True)) / IMAGE.std((1, 2), keepdims=True),
    ),
    "percentiles": (
        [step("scale_range", axes=["y", "x"], min_percentile=1, max_percentile=99.8), step("clip", min=0.0, max=1.0)],
        (
            (IMAGE - np.percentile(IMAGE, 1, (1, 2), keepdims=True))
            / (np.percentile(IMAGE, 99.8, (1, 2)) - np.percentile(IMAGE, 1, (1, 2)))[:, None, None]
        ).clip(0, 1),
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_preprocessing_is_done_as_a_package_says(name, tmp_path):
    """Of an image alone, before it is continued to the sides that the network takes."""
    steps, right = STEPS[name]
    network, description = load_external(
        package(tmp_path / "net.zip", described(steps, [step("softmax")])), ExternalSpec()
    )
    assert (description["in_channels"], description["classes"]) == (3, ["a", "b", "c"])
    logits = predict(network, IMAGES / 255)
    assert logits.shape == IMAGES.shape
    np.testing.assert_allclose(logits[0], right, rtol=1e-4, atol=1e-4)


def test_packages_of_0_4_and_channels_that_come_last(tmp_path):
    steps = [{"name": "zero_mean_unit_variance", "kwargs": {"mode": "fixed", "mean": [1, 2, 3], "std": [4, 5, 6]}}]
    tensor = {"axes": "byxc", "shape": {"min": [1, 8, 8, 3], "step": [0, 8, 8, 0]}, "data_type": "uint8"}
    rdf = described([], inputs=[tensor | {"preprocessing": steps}], outputs=[{"axes": "byxc", "shape": [1, 8, 8, 3]}])
    network, _ = load_external(package(tmp_path / "net.zip", rdf | {"format_version": "0.4.9"}), ExternalSpec())
    right = (IMAGES - torch.tensor([1, 2, 3])[:, None, None]) / torch.tensor([4, 5, 6])[:, None, None]
    torch.testing.assert_close(predict(network, IMAGES / 255), right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("top", "white"), [(1, 1), (200, 255)])
def test_the_example_says_whether_white_is_1_or_255(top, white, tmp_path):
    rdf = described([step("scale_linear", gain=3)])
    rdf["inputs"][0]["data"] = {"type": "float32"}
    image = np.linspace(0, top, 3 * 64).reshape(1, 3, 8, 8).astype("float32")
    network, _ = load_external(package(tmp_path / "net.zip", rdf, image, 3 * image), ExternalSpec())
    torch.testing.assert_close(predict(network, IMAGES / 255), 3 * white * IMAGES / 255)


LINE = np.linspace(0, 200, 3 * 64).reshape(1, 3, 8, 8).astype("float32")
WRONG = {
    "0.3.6; models of 0.4 and 0.5": described([], format_version="0.3.6"),
    "describes a dataset, and no model": described([]) | {"type": "dataset"},
    "holds keras_hdf5 alone": described([], weights={"keras_hdf5": {"source": "k.h5"}}),
    "names other.onnx, which is not in it": described([], weights={"onnx": {"source": "other.onnx"}}),
    "another sha256": described([], weights={"torchscript": {"source": "weights.pt", "sha256": "0"}}),
    "preprocessing binarize (threshold: 3) is not known": described([step("binarize", threshold=3)]),
    "preprocessing zero_mean_unit_variance (mode: per_dataset)": described(
        [step("zero_mean_unit_variance", mode="per_dataset")]
    ),
    "postprocessing scale_linear": described([], [step("scale_linear", gain=-1)]),
    "2 inputs; one is expected": described([]) | {"inputs": [1, 2]},
    "not a package as bioimage.io describes them": {"format_version": "0.5.3"},
    "not a package as bioimage.io describes them (KeyError('std'))": described(
        [step("fixed_zero_mean_unit_variance", mean=1)]
    ),
    "its own example is answered otherwise": described([step("scale_linear", gain=2)]),
}


@pytest.mark.parametrize("said", WRONG)
def test_what_is_not_understood_is_one_line(said, tmp_path):
    path = package(tmp_path / "net.zip", WRONG[said], LINE, LINE)
    with pytest.raises(UserError) as error:
        load_external(path, ExternalSpec())
    assert said in str(error.value) and str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_a_range_that_says_nothing_is_said(tmp_path):
    rdf = described([])
    rdf["inputs"][0]["data"] = {"type": "float32", "range": [None, float("inf")]}
    with pytest.raises(UserError, match="does not say which values its images have"):
        load_external(package(tmp_path / "net.zip", rdf), ExternalSpec())


def test_values_of_sixteen_bits_are_refused_where_they_matter(tmp_path):
    rdf = described([step("scale_linear", gain=0.001)])
    rdf["inputs"][0]["data"] = {"type": "uint16"}
    path = package(tmp_path / "net.zip", rdf, 20 * LINE, 0.02 * LINE)
    with pytest.raises(UserError, match="wants images with values up to 4000"):
        load_external(path, ExternalSpec())


def test_sides_that_a_network_does_not_take_and_tiles_that_it_would_prepare_otherwise(tmp_path):
    fixed, _ = load_external(package(tmp_path / "net.zip", described([], size=8)), ExternalSpec())
    assert predict(fixed, torch.rand(1, 3, 5, 8)).shape == (1, 3, 5, 8)
    with pytest.raises(UserError, match="takes images of 8 pixels alone, not 10; .*--tile 8"):
        predict(fixed, IMAGES)
    torch.testing.assert_close(predict(fixed, IMAGES / 255, Tile(size=8, margin=0)), IMAGES)
    own = package(tmp_path / "own.zip", described([step("zero_mean_unit_variance")]))
    with pytest.raises(UserError, match="own.zip prepares each image by its own values"):
        predict(load_external(own, ExternalSpec())[0], IMAGES, Tile(size=8, margin=0))


def test_commands_take_a_package(tmp_path):
    path = package(tmp_path / "net.zip", described([step("scale_linear", gain=1 / 255)]))
    image = picture(tmp_path / "a.png")
    result = call(path, image, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "0 a" in result.output and (tmp_path / "out" / "a.png").exists()
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("model.txt", "")
    result = call(tmp_path / "other.zip", image, "--output", tmp_path / "out")
    assert result.exit_code == 1 and "no package of bioimage.io (rdf.yaml is not in it)" in result.output
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:200])
    assert "not a whole zip file" in call(tmp_path / "cut.zip", command="info").output
