"""What `predict` writes: answers of the same origin are passed over, and TIFFs keep where their pixels lie."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from test_cli import call, network, picture, pixels

from seunet.commands.network_options import NetworkOptions
from seunet.commands.origin import Origin
from seunet.data.formats import open_image
from seunet.data.labels import values
from seunet.data.marks import is_answer, mark_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return network(tmp_path / "model")


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_answers_of_the_same_network_options_and_image_are_passed_over(model: Path, tmp_path: Path, kind: str) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    picture(folder / "a.png")
    extra = ["--output", out, "--overlay", "--probabilities", "npz", "--format", kind, "--skip-existing"]
    assert call(model, folder, *extra).exit_code == 0
    before = times(out)
    picture(folder / "b.png", seed=1)
    (out / f"b.{kind}").unlink(missing_ok=True)
    result = call(model, folder, *extra)
    assert result.exit_code == 0, result.output
    assert "1 image had been answered already" in result.output and "1 class map in" in result.output
    assert times(out).items() >= before.items() and len(times(out)) == 6
    (out / f"b.{kind}").unlink()  # as after a call that was killed
    assert call(model, folder, *extra).exit_code == 0 and (out / f"b.{kind}").exists()
    result = call(model, folder, *extra)
    assert "2 images had been answered already" in result.output and "class map" not in result.output


@pytest.mark.parametrize("change", ["network", "options", "image", "edited"])
def test_other_answers_are_no_reason_to_pass_over(model: Path, tmp_path: Path, change: str) -> None:
    image, out = picture(tmp_path / "a.png"), tmp_path / "out"
    assert call(model, image, "--output", out).exit_code == 0
    other = network(tmp_path / "other", always=1) if change == "network" else model
    if change == "image":
        picture(image, seed=1)
    if change == "edited":
        with Image.open(out / "a.png") as answer:
            answer.copy().save(out / "a.png")
    options = ["--at", "0.5"] if change == "options" else []
    result = call(other, image, "--output", out, "--skip-existing", *options)
    assert result.exit_code == 1, result.output
    assert ("not written by predict" if change == "edited" else "is there from another network, image") in result.output
    if change != "edited":
        assert call(other, image, "--output", out, "--skip-existing", "--overwrite", *options).exit_code == 0


GEO = [
    (33550, 12, 3, (0.5, 0.25, 0.0), True),
    (33922, 12, 6, (0.0, 0.0, 0.0, 500000.0, 5400000.0, 0.0), True),
    (34735, 3, 8, (1, 1, 0, 1, 1024, 0, 1, 1), True),
    (34737, 2, 0, "WGS 84|", True),
]


def answer(model: Path, tmp_path: Path, size: tuple[int, int] = (20, 30), **tags) -> Path:
    """Write a TIFF with tags, and return its answer as a TIFF."""
    levels = np.random.default_rng(0).integers(256, size=(*size, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", levels, photometric="rgb", **{"metadata": None, **tags})
    result = call(model, tmp_path / "a.tif", "--output", tmp_path / "out", "--format", "tif")
    assert result.exit_code == 0, result.output
    return tmp_path / "out" / "a.tif"


def test_a_tiff_holds_the_classes_of_the_png(model: Path, tmp_path: Path) -> None:
    file = answer(model, tmp_path)
    assert call(model, tmp_path / "a.tif", "--output", tmp_path / "out").exit_code == 0
    np.testing.assert_array_equal(values(open_image(file.read_bytes(), "a")), pixels(tmp_path / "out" / "a.png"))
    assert is_answer(file) and mark_of(file) == mark_of(tmp_path / "out" / "a.png")
    many = network(tmp_path / "many", 300, always=299)
    assert call(many, tmp_path / "a.tif", "--output", tmp_path / "many-out", "--format", "tif").exit_code == 0
    assert np.unique(tifffile.imread(tmp_path / "many-out" / "a.tif")).tolist() == [299]


def test_georeference_and_resolution_are_kept(model: Path, tmp_path: Path) -> None:
    file = answer(model, tmp_path, extratags=GEO, resolution=(300, 150), resolutionunit="CENTIMETER")
    with tifffile.TiffFile(file) as found, tifffile.TiffFile(tmp_path / "a.tif") as given:
        tags, page = given.pages.first.tags, found.pages.first
        for code in (33550, 33922, 34735, 34737, 282, 283, 296):
            assert page.tags[code].value == tags[code].value and page.tags[code].dtype == tags[code].dtype
        assert page.geotiff_tags == given.pages.first.geotiff_tags != {}
        assert page.shape == (20, 30)


def test_a_pixel_has_the_size_that_imagej_says(model: Path, tmp_path: Path) -> None:
    about = {"description": "ImageJ=1.54f\nunit=micron\nmin=0\nmax=255\n", "resolution": (4, 5), "resolutionunit": 1}
    with tifffile.TiffFile(answer(model, tmp_path, **about)) as found:
        assert found.is_imagej and found.imagej_metadata["unit"] == "micron"
        assert found.pages.first.tags[282].value == (4, 1) and found.pages.first.tags[283].value == (5, 1)
        assert "max" not in found.imagej_metadata


def test_a_pixel_has_the_size_that_ome_says(model: Path, tmp_path: Path) -> None:
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "nm"}
    with tifffile.TiffFile(answer(model, tmp_path, ome=True, metadata={"axes": "YXS"} | sizes)) as found:
        assert found.is_ome and found.series[0].axes == "YX"
        pixels_of = tifffile.xml2dict(found.ome_metadata)["OME"]["Image"]["Pixels"]
        assert {key: pixels_of[key] for key in sizes} == sizes
    assert is_answer(tmp_path / "out" / "a.tif")


def test_what_an_answer_cannot_keep_is_said(model: Path, tmp_path: Path) -> None:
    """An image that is turned upright; tags that hold anything."""
    levels = np.zeros((20, 30, 3), np.uint8)
    turned = [*GEO, (274, 3, 1, 6, True)]
    tifffile.imwrite(tmp_path / "t.tif", levels, photometric="rgb", metadata=None, extratags=turned, resolution=(3, 5))
    result = call(model, tmp_path / "t.tif", "--output", tmp_path / "out", "--format", "tif")
    assert result.exit_code == 0 and "does not keep its georeference, since it was turned upright" in result.stderr
    with tifffile.TiffFile(tmp_path / "out" / "t.tif") as found:
        page = found.pages.first
        assert page.shape == (30, 20) and not page.geotiff_tags
        assert page.tags[282].value == (5, 1) and page.tags[283].value == (3, 1)
    picture(tmp_path / "p.png")
    assert call(model, tmp_path / "p.png", "--output", tmp_path / "out", "--format", "tif").exit_code == 0


def test_the_weights_beside_a_file_are_part_of_the_network(model: Path, tmp_path: Path) -> None:
    """A large ONNX file keeps its weights in net.onnx.data; a folder is the same network as its model.safetensors."""
    (tmp_path / "net.onnx").write_bytes(b"graph")
    (tmp_path / "net.onnx.data").write_bytes(b"weights")
    before = Origin.of(tmp_path / "net.onnx", NetworkOptions(), [])
    assert Origin.of(tmp_path / "net.onnx", NetworkOptions(), []) == before
    (tmp_path / "net.onnx.data").write_bytes(b"others")
    assert Origin.of(tmp_path / "net.onnx", NetworkOptions(), []).network != before.network
    assert Origin.of(model, NetworkOptions(), []) == Origin.of(model / "model.safetensors", NetworkOptions(), [])
    assert Origin.of(model, NetworkOptions(size_multiple=8), []).call != Origin.of(model, NetworkOptions(), []).call
