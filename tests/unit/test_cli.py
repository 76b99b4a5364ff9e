"""`seunet predict`: exact classes on the image's own pixels, nothing overwritten, and mistakes in one line."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

from seunet import build_model, load_model
from seunet.cli import app
from seunet.commands.prediction_files import class_map, palette
from seunet.models.checkpoint import save_model
from seunet.report.figures.style import new_figure, save


def network(folder: Path, classes: int = 3, always: int | None = None, channels: int = 1, **about) -> Path:
    """Write an untrained network, or one that answers one class everywhere."""
    torch.manual_seed(0)
    options = {"width": 2, "depth": 2}
    model = build_model("unet", channels, classes, **options)
    if always is not None:
        with torch.no_grad():
            model.classifier.bias[always] = 1000
    description = {"architecture": "unet", "in_channels": channels, "num_classes": classes, "options": options}
    save_model(folder, model, description | {"classes": [f"fish{i}" for i in range(classes)]} | about)
    return folder


def trained_at(height: int, width: int, fit: str = "squash") -> dict:
    """Return what model.json tells of images of one size."""
    return {"preparation": {"image_size": [height, width], "fit": fit}}


def picture(path: Path, size: tuple[int, int] = (37, 50), seed: int = 0, **save) -> Path:
    """Write a random colour image of height and width."""
    pixels = np.random.default_rng(seed).integers(256, size=(*size, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **save)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return network(tmp_path / "model")


def call(*arguments: str | Path, command: str = "predict"):
    return CliRunner().invoke(app, [command, *map(str, arguments)])


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("tile", [0, 8])
def test_class_maps_have_the_size_of_their_images(model: Path, tmp_path: Path, tile: int) -> None:
    picture(tmp_path / "reef.png")
    result = call(model, tmp_path / "reef.png", "--output", tmp_path / "out", "--tile", tile, "--margin", tile // 2)
    assert result.exit_code == 0, result.output
    assert "1 fish" in result.output
    classes = pixels(tmp_path / "out" / "reef.png")
    assert classes.shape == (37, 50)
    assert set(np.unique(classes)) <= {0, 1, 2}


@pytest.mark.parametrize(("classes", "always"), [(20, 17), (256, 255), (300, 299)])
def test_every_class_is_written_as_its_number(tmp_path: Path, classes: int, always: int) -> None:
    folder = network(tmp_path / "model", classes, always)
    assert call(folder, picture(tmp_path / "a.jpg"), "--output", tmp_path / "out").exit_code == 0
    assert np.unique(pixels(tmp_path / "out" / "a.png")).tolist() == [always]


def test_a_class_map_has_256_colours_and_keeps_256_classes(tmp_path: Path) -> None:
    assert len(np.unique(palette(), axis=0)) == 256
    every = np.arange(256).reshape(8, 32)
    class_map(every, 256).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P"
        assert (np.asarray(image) == every).all()
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) == 256


@pytest.mark.parametrize("suffix", ["tif", "gif", "bmp", "png", "jpeg"])
def test_kinds_of_files(model: Path, tmp_path: Path, suffix: str) -> None:
    assert call(model, picture(tmp_path / f"a.b.{suffix}"), "--output", tmp_path / "out").exit_code == 0
    assert pixels(tmp_path / "out" / "a.b.png").shape == (37, 50)


def test_turned_images_are_answered_upright(tmp_path: Path) -> None:
    folder = network(tmp_path / "model", channels=3)
    upright = np.random.default_rng(1).integers(256, size=(24, 40, 3), dtype=np.uint8)
    Image.fromarray(upright).save(tmp_path / "upright.tif")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(np.rot90(upright).copy()).save(tmp_path / "turned.tif", exif=exif)
    result = call(folder, tmp_path / "upright.tif", tmp_path / "turned.tif", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (pixels(tmp_path / "out" / "upright.png") == pixels(tmp_path / "out" / "turned.png")).all()


def test_images_are_shown_at_the_scale_of_training(tmp_path: Path) -> None:
    folder = network(tmp_path / "model", **trained_at(16, 24))
    image = picture(tmp_path / "a.png", (64, 60))
    result = call(folder, image, "--output", tmp_path / "out")
    assert "shown at 16 × 24 pixels, as in training" in result.output
    classes = pixels(tmp_path / "out" / "a.png")
    small = Image.open(image).convert("L").resize((24, 16), Image.Resampling.BILINEAR)
    model, _ = load_model(folder)
    with torch.no_grad():
        logits = model(torch.from_numpy(np.asarray(small).copy())[None, None].float() / 255)
    expected = torch.nn.functional.interpolate(logits, size=(64, 60), mode="bilinear").argmax(1)[0]
    assert (classes == expected.numpy()).all()
    assert (classes != answer_at(folder, image, "native")).any()
    assert (answer_at(folder, image, "1") == answer_at(folder, image, "native")).all()
    assert answer_at(folder, image, "0.5").shape == (64, 60)


def answer_at(folder: Path, image: Path, at: str) -> np.ndarray:
    result = call(folder, image, "--output", image.parent / f"at {at}", "--at", at, "--overwrite")
    assert result.exit_code == 0, result.output
    return pixels(image.parent / f"at {at}" / image.name)


@pytest.mark.parametrize(
    ("fit", "own", "image", "canvas"),
    [
        ("squash", (100, 30), (16, 24), (16, 24)),
        ("pad", (32, 12), (16, 6), (16, 24)),
        ("pad", (8, 10), (8, 10), (16, 24)),  # smaller images are not enlarged
        ("tiles", (100, 10), (100, 10), (100, 24)),
    ],
)
def test_every_fit_shows_images_as_training_did(fit: str, own: tuple, image: tuple, canvas: tuple) -> None:
    from seunet.experiment.application import training_scale

    scale = training_scale(trained_at(16, 24, fit))
    assert scale.resized(own, "a.png") == image
    assert scale.canvas(image) == canvas
    assert scale.times(2).resized(own, "a.png") == tuple(2 * side for side in image)


def test_an_older_network_does_not_know_its_scale_and_says_so(model: Path, tmp_path: Path) -> None:
    result = call(model, picture(tmp_path / "a.png"), "--output", tmp_path / "out")
    assert "own pixels, since model.json does not say" in result.output


def test_folders_are_searched_and_their_structure_is_kept(model: Path, tmp_path: Path) -> None:
    for name in ("day1/a.png", "day2/a.jpg", "day2/.hidden.png"):
        picture(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    for _ in range(2):  # answers below the input are no images of the next call
        assert call(model, tmp_path / "in", "--output", tmp_path / "in" / "out", "--overwrite").exit_code == 0
        found = {file.relative_to(tmp_path / "in/out").as_posix() for file in (tmp_path / "in/out").rglob("*.*")}
        assert found == {"day1/a.png", "day2/a.png"}


def test_overlay_and_probabilities(model: Path, tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    assert call(model, image, "--output", tmp_path / "out", "--overlay", "--probabilities", "npz").exit_code == 0
    classes = pixels(tmp_path / "out" / "a.png")
    with np.load(tmp_path / "out" / "a_probabilities.npz") as file:
        assert file["classes"].tolist() == ["fish0", "fish1", "fish2"]
        probabilities = file["probabilities"]
    assert probabilities.dtype == np.float16
    assert probabilities.shape == (3, 37, 50)
    assert np.allclose(probabilities.sum(0, dtype=np.float32), 1, atol=5e-3)
    assert (probabilities.argmax(0) == classes).mean() > 0.95  # float16 has ties
    shown = pixels(tmp_path / "out" / "a_overlay.png")
    changed = (shown != pixels(image)).any(-1)
    assert (shown[changed] == palette()[classes[changed]]).all()
    assert changed.any() == (len(np.unique(classes)) > 1)
    assert call(model, image, "--output", tmp_path / "png", "--probabilities", "png").exit_code == 0
    planes = np.stack([pixels(tmp_path / "png" / f"a_{i}_fish{i}.png") for i in range(3)])
    assert planes.max() > 255
    assert np.allclose(planes / 65535, probabilities, atol=1e-3)


def links(path: Path, how: str) -> Path:
    other = path.parent / "other" / "a.png"
    other.parent.mkdir()
    {"symbolic": other.symlink_to, "hard": other.hardlink_to}[how](path)
    return other.parent


@pytest.mark.parametrize("how", ["same", "case", "symbolic", "hard"])
def test_an_input_is_never_overwritten(model: Path, tmp_path: Path, how: str) -> None:
    image = picture(tmp_path / ("A.PNG" if how == "case" else "a.png"))
    before = image.read_bytes()
    output = links(image, how) if how in ("symbolic", "hard") else tmp_path
    if how == "case":
        image = image.rename(tmp_path / "A.png").rename(tmp_path / "A.PNG")
    result = call(model, image, "--output", output, "--overwrite")
    assert result.exit_code == 1
    assert "would overwrite the input" in result.output
    assert result.output.count("\n") == 1
    assert image.read_bytes() == before


@pytest.mark.parametrize("names", [("1/a.png", "2/a.png"), ("1/a.png", "2/A.jpg"), ("1/é.png", "2/e\u0301.png")])
def test_equal_names_are_refused_before_anything_is_written(model: Path, tmp_path: Path, names: tuple) -> None:
    images = [picture(tmp_path / name) for name in names]
    result = call(model, *images, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "would both be answered in" in result.output
    assert not (tmp_path / "out").exists()
    overlays = [picture(tmp_path / "x.png"), picture(tmp_path / "x_overlay.png")]
    assert call(model, *overlays, "--output", tmp_path / "out", "--overlay").exit_code == 1
    assert call(model, *overlays, *overlays, "--output", tmp_path / "out").exit_code == 0  # named twice, answered once


def test_overwrite_replaces_answers_alone(model: Path, tmp_path: Path) -> None:
    image, extra = picture(tmp_path / "a.png"), ("--output", tmp_path / "out", "--probabilities", "npz")
    assert call(model, image, *extra).exit_code == 0
    again = call(model, image, *extra)
    assert again.exit_code == 1
    assert "--overwrite" in again.output
    assert call(model, image, *extra, "--overwrite").exit_code == 0
    with Image.open(tmp_path / "out" / "a.png") as answer:
        corrected = answer.copy()
    corrected.save(tmp_path / "out" / "a.png")  # as by an editor
    result = call(model, image, *extra, "--overwrite")
    assert result.exit_code == 1
    assert "not written by predict" in result.output


def test_a_bad_file_does_not_stop_the_others(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture(folder / "a.png")
    picture(folder / "c.png")
    (folder / "b.png").write_bytes(picture(tmp_path / "whole.png").read_bytes()[:200])
    (folder / "d.tif").write_bytes(b"")
    stack = Image.open(folder / "a.png")
    stack.save(folder / "e.tif", save_all=True, append_images=[stack] * 2)
    result = call(model, folder, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]
    errors = result.stderr.splitlines()
    assert [line.split(":")[1].strip()[-5:] for line in errors[:-1]] == ["b.png", "d.tif", "e.tif"]
    assert errors[-1].startswith("3 files of 5")


@pytest.mark.parametrize("image", ["none.png", "text.png", "empty"])
def test_mistakes_are_one_line(model: Path, tmp_path: Path, image: str) -> None:
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty").mkdir()
    result = call(model, tmp_path / image, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert image in result.output
    assert result.output.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["{model}", "{image}", "--output", "{image}"], 1, "--output names a folder"),
        (["{model}/model.json", "{image}"], 1, "is a file; name the folder of a trained network"),
        (["{here}", "{image}"], 1, "model.json: no such file"),
        (["{here}/nothing", "{image}"], 1, "no such folder"),
        (["{model}", "{image}", "--at", "half"], 1, "--at: 'half'"),
        (["{model}", "{image}", "--at", "-1"], 1, "--at: '-1'"),
        (["{model}", "{image}", "--at", "1e9"], 1, "choose a smaller"),
        (["{model}", "{image}", "--probabilities", "jpg"], 2, "--probabilities"),
        (["{model}", "{image}", "--tile", "few"], 2, "see seunet predict --help"),
        (["{model}"], 2, "see seunet predict --help"),
        (["{model}", "{image}", "--classes", "99999999"], 1, "--classes: 99999999 is out of bounds"),
        (["{model}", "{image}", "--colour"], 2, "No such option: --colour"),
    ],
)
def test_misuse_is_one_line(model: Path, tmp_path: Path, arguments: list, status: int, said: str) -> None:
    image = picture(tmp_path / "a.png")
    result = call(*(a.format(model=model, image=image, here=tmp_path) for a in arguments))
    assert result.exit_code == status
    assert said in result.output
    assert result.output.count("\n") == 1
    assert image.exists()


@pytest.mark.parametrize("arguments", [["--nothing"], ["predicd"], ["predict", "--tile"]])
def test_mistakes_of_the_call_are_one_line(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.output.count("\n") == 1


def test_help_is_there_for_every_command_and_completion_is_on() -> None:
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).output
    for name in app.registered_commands:
        text = CliRunner().invoke(app, [name.name, "--help"]).output
        assert "Examples" in text, name.name


def test_a_folder_that_cannot_be_written(model: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    (tmp_path / "out").mkdir(mode=0o500)
    result = call(model, picture(tmp_path / "a.png"), "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "no permission" in result.output


@pytest.mark.parametrize("command", ["predict", "scales"])
def test_what_our_commands_wrote_is_no_image(model: Path, tmp_path: Path, command: str) -> None:
    """Class maps, overlays, probabilities, pictures of scales and figures below the folder of the images."""
    folder = tmp_path / "in"
    image = picture(folder / "a.png")
    assert call(model, image, "--output", folder / "1", "--overlay", "--probabilities", "png").exit_code == 0
    assert call(model, image, "--output", folder / "2", command="scales").exit_code == 0
    save(new_figure(2, 2), [folder / "3" / "iou.png"], "Scores")
    result = call(model, folder, "--output", tmp_path / "out", command=command)
    assert result.exit_code == 0, result.output
    assert [file.name for file in (tmp_path / "out").rglob("*.*")] == [
        {"predict": "a.png", "scales": "a_scales.png"}[command]
    ]
    assert "7 files that seunet wrote are passed over" in result.stderr
    result = call(model, folder / "1", folder / "2" / "a_scales.png", "--output", tmp_path / "none", command=command)
    assert result.exit_code == 1 and "name photographs" in result.output
    assert not (tmp_path / "none").exists()


def deep(path: Path, largest: int, dtype: type = np.uint16) -> Path:
    """Write an image of more than 8 bits, of values up to `largest`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, (np.arange(32 * 32) * (largest / 1023)).reshape(32, 32).astype(dtype))
    return path


@pytest.mark.parametrize("command", ["predict", "scales"])
def test_other_intensities_than_in_training_are_refused_or_said(tmp_path: Path, command: str) -> None:
    about = {"image_size": [32, 32], "fit": "squash"}
    twelve = network(tmp_path / "12", preparation=about | {"value_range": [0, 4095]})
    eight, floats = network(tmp_path / "8"), network(tmp_path / "f", preparation=about | {"value_range": [0, 1]})

    def run(model: Path, image: Path, *options: str):
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        return call(model, image, "--output", out, *options, command=command)

    photo, raw = picture(tmp_path / "photo.png"), deep(tmp_path / "raw.tif", 4000)
    result = run(twelve, photo)
    assert result.exit_code == 1 and "8-bit pixels, 0 to 255, would be nearly black" in result.output
    assert "--value-range 0,255" in result.output and run(twelve, photo, "--value-range", "0,255").exit_code == 0
    result = run(eight, raw)
    assert result.exit_code == 1 and "--value-range LOW,HIGH" in result.output
    assert run(eight, raw, "--value-range", "0,4095").exit_code == 0
    result = run(floats, raw)
    assert result.exit_code == 1 and "whole numbers, would be black or white in value_range [0, 1]" in result.output
    result = run(twelve, raw)
    assert result.exit_code == 0 and "warning" not in result.stderr
    result = run(twelve, deep(tmp_path / "dark.tif", 255))
    assert result.exit_code == 0 and "dark.tif, 0 to 255; are these the intensities" in result.stderr
    result = run(twelve, deep(tmp_path / "bright.tif", 65535))
    assert result.exit_code == 0 and "lie outside value_range [0, 4095]: clipped" in result.stderr
    result = run(eight, raw, "--value-range", "5,nan")
    assert result.exit_code == 1 and "'5,nan' is not LOW,HIGH" in result.output


def test_a_file_is_read_by_the_range_that_is_given(tmp_path: Path) -> None:
    """255 levels of a 12-bit file are those of the same picture with 8 bits."""
    model = network(tmp_path / "model", channels=1)
    levels = np.arange(1024).reshape(32, 32) % 256
    Image.fromarray(levels.astype(np.uint8)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", (levels * 16 + 100).astype(np.uint16))
    assert call(model, tmp_path / "a.png", "--output", tmp_path / "out", "--at", "native").exit_code == 0
    call(model, tmp_path / "b.tif", "--output", tmp_path / "out", "--at", "native", "--value-range", "100,4180")
    np.testing.assert_array_equal(pixels(tmp_path / "out" / "a.png"), pixels(tmp_path / "out" / "b.png"))


def test_precision_changes_few_pixels(tmp_path: Path) -> None:
    folder, photo = network(tmp_path / "net", channels=3, **trained_at(32, 32)), picture(tmp_path / "a.png")
    for precision in ("float32", "bfloat16"):
        result = call(folder, photo, "--output", tmp_path / precision, "--precision", precision)
        assert result.exit_code == 0, result.output
    same = pixels(tmp_path / "float32" / "a.png") == pixels(tmp_path / "bfloat16" / "a.png")
    assert same.mean() > 0.95
