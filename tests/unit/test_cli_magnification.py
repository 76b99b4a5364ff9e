"""`--at auto` and `seunet magnification`: what they find is shown, written, and said in one line."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_magnification import calibrated, network, scenes
from typer.testing import CliRunner

from seunet import build_model
from seunet.cli import app
from seunet.commands import auto_factor, inputs, predict
from seunet.data.sampling import evenly_spaced
from seunet.experiment import application
from seunet.experiment.fingerprint import fingerprint
from seunet.experiment.magnification import PROBES
from seunet.models.checkpoint import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A network that knows scenes of 64 pixels."""
    torch.manual_seed(0)
    options = {"width": 4, "depth": 2}
    net = calibrated(build_model("unet", 3, 3, **options))
    description = {"architecture": "unet", "in_channels": 3, "num_classes": 3, "options": options}
    description |= {"preparation": {"image_size": [128, 128], "fit": "tiles"}}
    description |= {"fingerprint": fingerprint(net, scenes(1).split(4)).written()}
    folder = tmp_path_factory.mktemp("model")
    save_model(folder, net, description)
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """A folder of scenes of twice the magnification."""
    return written(tmp_path_factory.mktemp("large"), 2)


def written(folder: Path, magnification: float, count: int = 4) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(scenes(magnification, count)):
        Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy()).save(folder / f"scene{i}.png")
    return folder


def call(*arguments: str | Path):
    return CliRunner().invoke(app, [*map(str, arguments)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_all_images_are_shown_at_the_factor_that_they_find_together(model: Path, large: Path, tmp_path: Path) -> None:
    result = call("predict", model, large, "--at", "auto", "--output", tmp_path / "auto")
    assert result.exit_code == 0, result.output
    found = rows(tmp_path / "auto" / "magnification.csv")
    assert [Path(row["file"]).name for row in found] == [f"scene{i}.png" for i in range(4)]
    (factor,) = {row["factor"] for row in found}
    assert float(factor) == pytest.approx(0.5, rel=0.45) and float(found[0]["margin"]) > 0
    assert f"×{float(factor):.2g} of their own pixels" in result.output
    call("predict", model, large, "--at", factor, "--output", tmp_path / "given")
    for i in range(4):
        maps = [np.asarray(Image.open(tmp_path / kind / f"scene{i}.png")) for kind in ("auto", "given")]
        assert np.array_equal(*maps)


def test_each_image_finds_its_own(model: Path, large: Path, tmp_path: Path) -> None:
    mixed = written(tmp_path / "mixed", 1)
    for file in large.iterdir():
        (mixed / f"large-{file.name}").write_bytes(file.read_bytes())
    result = call("predict", model, mixed, "--at", "auto-each", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    factors = {Path(row["file"]).name: float(row["factor"]) for row in rows(tmp_path / "out" / "magnification.csv")}
    grouped = [[f for name, f in factors.items() if name.startswith("large") == is_large] for is_large in (True, False)]
    assert np.median(grouped[0]) < np.median(grouped[1])


def test_a_file_that_cannot_be_read_decides_nothing(model: Path, large: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    for file in large.iterdir():
        (tmp_path / "in" / file.name).write_bytes(file.read_bytes())
    result = call("predict", model, tmp_path / "in", "--at", "auto", "--output", tmp_path / "out")
    assert result.exit_code == 1 and "broken.png" in result.output
    assert len(rows(tmp_path / "out" / "magnification.csv")) == 4


def test_images_of_another_scale_bring_a_hint(model: Path, large: Path, tmp_path: Path) -> None:
    assert "--at auto" in call("predict", model, large, "--output", tmp_path / "a").output
    same = written(tmp_path / "same", 1)
    assert "--at auto" not in call("predict", model, same, "--output", tmp_path / "b").output


def test_table_figure_and_sentence(model: Path, large: Path, tmp_path: Path) -> None:
    result = call("magnification", model, large, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    trials = rows(tmp_path / "out" / "factors.csv")
    best = max(trials, key=lambda trial: float(trial["score"]))
    assert f"--at {float(best['factor']):.4g}" in result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("factors.csv", "magnification.png", "magnification.svg")
    }
    again = call("magnification", model, large, "--output", tmp_path / "out")
    assert again.exit_code == 1 and "--overwrite" in again.output


def test_a_network_of_other_people_is_compared_with_images_that_it_knows(large: Path, tmp_path: Path) -> None:
    traced = torch.jit.trace(network(), torch.rand(1, 3, 64, 64))
    traced.save(tmp_path / "net.pt")
    arguments = ["magnification", tmp_path / "net.pt", large, "--output", tmp_path / "out", "--channels", "rgb"]
    refused = call(*arguments)
    assert refused.exit_code == 1 and "--reference FOLDER" in refused.output
    assert not (tmp_path / "out").exists()
    known = written(tmp_path / "known", 1)
    result = call(*arguments, "--reference", known)
    assert result.exit_code == 0, result.output


def test_scales_draws_score_against_factor(model: Path, large: Path, tmp_path: Path) -> None:
    result = call("scales", model, large / "scene0.png", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "With --at auto they would be shown at" in result.output
    assert (tmp_path / "out" / "magnification.png").is_file()


def test_measure_says_what_one_factor_for_all_gains(model: Path, tmp_path: Path) -> None:
    written(tmp_path / "mine" / "images", 1)
    (tmp_path / "mine" / "masks").mkdir()
    for i in range(4):
        Image.fromarray(np.eye(64, dtype=np.uint8) * (i % 3)).save(tmp_path / "mine" / "masks" / f"scene{i}.png")
    options = ["--classes", "a=0,b=1,c=2", "--image-size", "64", "--scales", "1,2", "--at", "auto"]
    result = call("measure", model, tmp_path / "mine", *options, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "With --at auto, " in result.output
    table = rows(tmp_path / "out" / "scores.csv")
    assert len({row["model"] for row in table}) == 2 and len(table) == 4
    assert call("measure", model, tmp_path / "mine", "--at", "0.5").exit_code == 1


def test_a_word_that_is_no_scale(model: Path, large: Path, tmp_path: Path) -> None:
    result = call("predict", model, large, "--at", "automatic", "--output", tmp_path / "out")
    assert result.exit_code == 1 and "auto-each" in result.output


def test_a_network_with_windows_answers_by_the_window_of_its_training(large: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"width": 4, "depth": 2, "geometry": "exact", "layout": "pyramid", "num_scales": 2, "scale_dropout": 0}
    options |= {"scales_at_test": 4, "windows": "information"}
    net = calibrated(build_model("seunet", 3, 3, **options))
    seen = fingerprint(net, scenes(1).split(4)).written()
    description = {"architecture": "seunet", "in_channels": 3, "num_classes": 3}
    save_model(tmp_path / "net", net, description | {"options": options, "fingerprint": seen})
    save_model(tmp_path / "finest", net, description | {"options": options | {"windows": 0}})
    assert call("predict", tmp_path / "net", large, "--at", "auto", "--output", tmp_path / "auto").exit_code == 0
    factor = rows(tmp_path / "auto" / "magnification.csv")[0]["factor"]
    assert call("predict", tmp_path / "finest", large, "--at", factor, "--output", tmp_path / "given").exit_code == 0
    maps = [np.asarray(Image.open(tmp_path / kind / "scene1.png")) for kind in ("auto", "given")]
    assert (maps[0] == maps[1]).mean() > 0.999


def test_the_table_has_the_factors_of_the_answers_that_are_there(model: Path, large: Path, tmp_path: Path) -> None:
    """Of earlier calls too, unless their answer is replaced; and it is never written over somebody's file."""
    same, out = written(tmp_path / "same", 1, 2), tmp_path / "out"
    table = out / "magnification.csv"

    def files() -> list[str]:
        return [Path(row["file"]).parent.name + "/" + Path(row["file"]).stem for row in rows(table)]

    def ask(*inputs: Path, at: str = "auto", more: tuple[str, ...] = ()) -> None:
        result = call("predict", model, *inputs, "--at", at, "--output", out, *more)
        assert result.exit_code == 0, result.output

    ask(large / "scene0.png", large / "scene2.png")
    ask(same / "scene1.png")
    assert files() == [f"{large.name}/scene0", f"{large.name}/scene2", "same/scene1"]
    ask(same / "scene0.png", more=("--overwrite",))
    assert files() == [f"{large.name}/scene2", "same/scene1", "same/scene0"]
    table.unlink()  # as if the call had been killed
    ask(same / "scene0.png", more=("--skip-existing",))
    assert files() == ["same/scene0"]
    ask(same, at="native", more=("--overwrite",))
    assert not table.exists()
    table.write_text("my,own\n1,2\n")
    refused = call("predict", model, large / "scene3.png", "--at", "auto", "--output", out)
    assert refused.exit_code == 1 and "magnification.csv: is there, and was not written by predict" in refused.output
    ask(large / "scene3.png", at="native")
    assert table.read_text() == "my,own\n1,2\n"


def test_a_call_that_is_interrupted_leaves_the_factors_of_what_it_answered(
    model: Path, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = predict.write

    def stopped(answers, image, *rest, **parts):
        if image.path.stem == "scene2":
            raise KeyboardInterrupt
        write(answers, image, *rest, **parts)

    monkeypatch.setattr(predict, "write", stopped)
    call("predict", model, large, "--at", "auto-each", "--output", tmp_path / "out")
    assert {"scene0", "scene1"} <= {Path(row["file"]).stem for row in rows(tmp_path / "out" / "magnification.csv")}


def test_one_readable_image_does_not_answer_for_the_others(model: Path, tmp_path: Path) -> None:
    """The factor is found from that one alone, whose logits at ×1 are kept; the others have their own."""
    same = written(tmp_path / "same", 1, 26)
    images = sorted(same.iterdir())
    chosen = {images[i] for i in evenly_spaced(len(images), PROBES)}
    good = min(chosen)
    for file in chosen - {good}:
        file.write_bytes(b"broken")
    call("predict", model, same, "--at", "auto", "--output", tmp_path / "auto")
    call("predict", model, same, "--at", "native", "--output", tmp_path / "native")
    (factor,) = {row["factor"] for row in rows(tmp_path / "auto" / "magnification.csv")}
    assert factor == "1"
    answers = list((tmp_path / "native").glob("*.png"))
    assert len(answers) == len(images) - len(chosen) + 1
    for file in answers:
        assert np.array_equal(np.asarray(Image.open(file)), np.asarray(Image.open(tmp_path / "auto" / file.name)))


def test_large_images_are_not_all_held_in_memory(model: Path, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = application.TrainedNetwork(model)
    images = inputs.find_images([large], large / "out")
    assert len(auto_factor.network_inputs(net, images)) == 4
    monkeypatch.setattr(auto_factor, "MAX_PIXELS_READ", 128 * 128 + 1)
    assert len(auto_factor.network_inputs(net, images)) == 2


@pytest.mark.parametrize(
    ("size", "contrast", "code", "said"),
    [
        ((64, 1), 255, 1, "images smaller than 16 pixels"),
        ((64, 64), 1, 1, "nothing is to be seen in these images"),
        ((64, 64), 255, 0, "1 image; a dozen and more tell the scale better"),
    ],
)
def test_references_that_show_no_scale_are_refused(
    model: Path, large: Path, tmp_path: Path, size, contrast, code, said
):
    pixels = np.random.default_rng(0).integers(contrast, size=(*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    result = call("magnification", model, large, "--reference", tmp_path / "small.png", "--output", tmp_path / "out")
    assert result.exit_code == code and said in result.output


def test_reference_without_a_search_is_refused(model: Path, large: Path, tmp_path: Path) -> None:
    for command, *more in (["predict", large], ["measure", large]):
        result = call(command, model, *more, "--reference", large, "--output", tmp_path / "out")
        assert result.exit_code == 1 and "--reference: goes with --at auto" in result.output


def test_scales_leaves_a_figure_of_somebody_else(model: Path, large: Path, tmp_path: Path) -> None:
    (tmp_path / "magnification.png").write_bytes(b"mine")
    result = call("scales", model, large / "scene0.png", "--output", tmp_path)
    assert result.exit_code == 1 and "was not drawn by seunet" in result.output
    assert (tmp_path / "magnification.png").read_bytes() == b"mine"


def test_a_table_of_somebody_else_is_not_replaced(model: Path, large: Path, tmp_path: Path) -> None:
    (tmp_path / "factors.csv").write_text("mine\n")
    result = call("magnification", model, large, "--output", tmp_path, "--overwrite")
    assert result.exit_code == 1 and "is no such table of ours" in result.output
    assert (tmp_path / "factors.csv").read_text() == "mine\n"


def test_the_factor_of_an_answer_in_a_folder_stays_when_one_of_its_name_comes(model: Path, tmp_path: Path) -> None:
    written(tmp_path / "first" / "day1", 2, 1), written(tmp_path / "second", 2, 1)
    for folder in ("first", "second"):
        call("predict", model, tmp_path / folder, "--at", "auto-each", "--output", tmp_path / "answers")
    files = [row["file"] for row in rows(tmp_path / "answers" / "magnification.csv")]
    assert files == [str(tmp_path / "first/day1/scene0.png"), str(tmp_path / "second/scene0.png")]
    call("predict", model, tmp_path / "first", "--at", "auto-each", "--output", tmp_path / "answers", "--overwrite")
    assert len(rows(tmp_path / "answers" / "magnification.csv")) == 2


def test_images_below_the_folder_of_their_answers_have_one_row(model: Path, tmp_path: Path) -> None:
    written(tmp_path / "in", 2, 1)
    for _ in range(2):
        call("predict", model, tmp_path / "in", "--at", "auto-each", "--output", tmp_path, "--overwrite")
    assert len(rows(tmp_path / "magnification.csv")) == 1


def test_magnification_says_what_it_passes_over(model: Path, tmp_path: Path) -> None:
    (written(tmp_path / "in", 2) / "damaged.png").write_bytes(b"no picture")
    result = call("magnification", model, tmp_path / "in", "--output", tmp_path / "out")
    assert result.exit_code == 0 and "passed over: " in result.output and "damaged.png" in result.output


def test_a_factor_that_leaves_no_pixel_is_refused(model: Path, large: Path, tmp_path: Path) -> None:
    result = call("predict", model, large, "--at", "1e-9", "--output", tmp_path)
    assert result.exit_code == 1 and "less than a pixel at factor 1e-09" in result.output
