"""`seunet measure`: table, figures and one sentence about any trained network, without training."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from seunet.cli import app
from seunet.commands.option_parsing import normalisation, options_of, parsed_classes
from seunet.commands.own_data import mask_values
from seunet.data.inspection import guess_classes
from seunet.experiment.degenerate import Fault
from seunet.models import build_model
from seunet.models.checkpoint import save_model
from seunet.report import leaderboard
from seunet.report.sentences import describe_gain, describe_scores
from seunet.report.tables import SCORES_COLUMNS
from seunet.runtime.errors import UserError
from seunet.runtime.tables import read_table


class Green(nn.Conv2d):
    """Says the second class where green is bright; `swap` where blue is, as a network of BGR images sees red."""

    def __init__(self, in_channels: int, classes: int, channel: int = 1):
        super().__init__(in_channels, 1, 1)
        with torch.no_grad():
            self.weight.zero_()
            self.weight[0, channel] = 20
            self.bias.fill_(-10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return images whose upper left quarter is of one colour, and their masks, 0 and 255."""
    root = tmp_path_factory.mktemp("mine")
    inside = np.zeros((32, 32), bool)
    inside[:16, :16] = True
    for part in ("images", "masks"):
        (root / part).mkdir()
    for i in range(3):
        pixels = np.where(inside[..., None], [60, 230 - i, 60], 60).astype(np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"a{i}.png")
        Image.fromarray((inside * 255).astype(np.uint8)).save(root / "masks" / f"a{i}.png")
    return root


def measure(*arguments: str | Path):
    scales = [] if "--scales" in arguments else ["--scales", "0.5,2"]
    return CliRunner().invoke(app, ["measure", *map(str, arguments), *scales])


def test_a_foreign_network(folder, tmp_path):
    torch.jit.trace(Green(3, 2), torch.rand(1, 3, 8, 8)).save(tmp_path / "green.pt")
    out = tmp_path / "out"
    result = measure(tmp_path / "green.pt", folder, "--output-kind", "sigmoid", "--output", out)
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(out / "scores.csv")
    assert list(scores.columns) == SCORES_COLUMNS
    assert scores["scale"].tolist() == [0.5, 1, 2] and scores["iou"].min() > 0.9
    assert (out / "verdict.txt").read_text().startswith("Mean IoU is 1.000 at ×1, keeps at least 90% of that from ×0.5")
    assert {path.name for path in out.iterdir()} == {
        *("scores.csv", "class_iou.csv", "per_image.csv", "verdict.txt"),
        *(f"{name}.{kind}" for name in ("iou", "consistency") for kind in ("png", "svg")),
    }
    assert "0 is class0, 255 is class255" in result.output
    assert result.output.split("docs/leaderboard.md:\n")[1].startswith("| network | ×½ | ×1 |")


def test_weights_with_an_architecture_classes_and_a_metric(folder, tmp_path):
    save_file(Green(3, 2, 1).state_dict(), tmp_path / "w.safetensors")
    call = [folder, "--weights", tmp_path / "w.safetensors", "--architecture", "test_measure:Green"]
    call += ["--option", "channel=0", "--output-kind", "sigmoid", "--output", tmp_path / "out"]
    result = measure(*call, "--classes", "rest=0,leaf=255", "--metric", "leaf", "--channels", "bgr")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "verdict.txt").read_text().startswith("IoU of leaf is 1.000 at ×1")


def test_a_network_that_was_trained_here_and_says_one_class(folder, tmp_path):
    network = build_model("unet", 3, 2, width=2, depth=2)
    with torch.no_grad():
        network.classifier.bias[0] = 1000
    about = {"architecture": "unet", "in_channels": 3, "num_classes": 2, "options": {"width": 2, "depth": 2}}
    save_model(tmp_path / "unet" / "seed0", network, about | {"classes": ["rest", "leaf"]})
    result = measure(tmp_path / "unet" / "seed0", folder, "--metric", "leaf", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "0 is rest, 255 is leaf" in result.output
    said = (tmp_path / "out" / "verdict.txt").read_text()
    assert said.startswith("Its scores say nothing: on these images this network predicts rest at every pixel")
    assert set(pd.read_csv(tmp_path / "out" / "scores.csv")["label"]) == {"unet"}


def test_patterns_subfolders_instances_fields_of_view_and_padding(tmp_path):
    """Outside the field of view masks are wrong; images are of two sizes, in folders of their own."""
    for i, (site, size) in enumerate({"north": (24, 32), "south": (32, 24)}.items()):
        inside, view = np.zeros(size, bool), np.full(size, 255, np.uint8)
        inside[:16, :16] = True
        view[20:] = 0
        pixels = np.where(inside[..., None], [60, 230, 60], 60).astype(np.uint8)
        truth = np.where(inside, 1 + i, 0).astype(np.uint16)
        truth[20:] = 7
        (tmp_path / "data" / site).mkdir(parents=True)
        for name, content in {"a": pixels, "a_truth": truth, "a_view": view}.items():
            Image.fromarray(content).save(tmp_path / "data" / site / f"{name}.png")
    torch.jit.trace(Green(3, 2), torch.rand(1, 3, 8, 8)).save(tmp_path / "green.pt")
    call = [tmp_path / "green.pt", tmp_path / "data", "--output-kind", "sigmoid", "--output", tmp_path / "out"]
    call += ["--images", "{folder}/{name}.png", "--masks", "{folder}/{name}_truth.png"]
    call += ["--valid", "{folder}/{name}_view.png", "--classes", "background=0,nonzero=cell", "--metric", "cell"]
    result = measure(*call, "--fit", "pad", "--image-size", "32")
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(tmp_path / "out" / "scores.csv").set_index("scale")
    assert scores.loc[1, "iou"] == 1 and scores.loc[1, "height"] == 32
    result = measure(*call)
    assert result.exit_code == 1 and "--image-size" in result.output


def test_mistakes_are_one_line(folder, tmp_path):
    torch.jit.trace(nn.Conv2d(3, 3, 1), torch.rand(1, 3, 8, 8)).save(tmp_path / "three.pt")
    network = tmp_path / "three.pt"
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "scores.csv").write_text("of something else")
    for arguments, part in [
        ([network, folder], "3 channel(s) for 2 classes"),
        ([network], "1 paths given: name the weights, then a folder"),
        ([network, tmp_path / "none"], "none: no such folder"),
        ([tmp_path / "none.pt", folder], "none.pt: no such file"),
        ([network, tmp_path], "images: no such folder"),
        ([network, folder, "--normalise", "0.5"], "--normalise: '0.5' is not of the form mean/std"),
        ([network, folder, "--normalise", "123,116,103/1"], "divide what is meant for 0 to 255 by 255"),
        ([network, folder, "--classes", "leaf"], "--classes: 'leaf' is not of the form background=0,leaf=255"),
        ([network, folder, "--output", tmp_path / "table"], "holds tables of something else"),
        ([network, folder, "--output", network], "three.pt: is a file"),
        ([network, folder, "--scales", "0,1"], "--scales: 0.0 is out of bounds; expected at least 0.01"),
        ([network, folder, "--scales", "200,1"], "--scales: 200.0 is out of bounds; expected at most 100"),
        ([network, folder, "--scales", "nan"], "--scales: expected a number"),
        ([network, folder, "--image-size", "0"], "--image-size: 0 is out of bounds; expected at least 1"),
        ([network, folder, "--image-size", "5,5,5"], "--image-size: [5, 5, 5] is too long; expected at most 2"),
        ([network, folder, "--image-size", "99999"], "--image-size: 99999 x 99999 are more than 100,000,000 pixels"),
        ([network, folder, "--value-range", "nan,1"], "--value-range: expected a number"),
        ([network, folder, "--value-range", "3"], "--value-range: [3.0] is too short"),
        ([network, folder, "--masks", '{"a": 1}'], "--masks: '{\"a\": 1}' must have a pattern in quotes"),
        ([network, folder, "--metric", "leef"], '--metric: "leef" is not known; allowed: class0, class255'),
        ([network, folder, "--classes", "a=0,a=255"], "names a class twice"),
        ([network, folder, "--classes", "a=0,b=x"], "--classes: b x must be a pixel value"),
        ([network, folder, "--images", "{nam}.*"], "--images: '{nam}.*' must have one {name}"),
    ]:
        result = measure(*arguments, *([] if "--output" in arguments else ["--output", tmp_path / "out"]))
        assert result.exit_code == 1 and part in result.output, (arguments, result.output)
        assert sum(line.startswith("error:") for line in result.output.splitlines()) == 1
        assert not (tmp_path / "out").exists()


def test_options_hold_more_than_one_value():
    assert parsed_classes("rest=0, leaf=255") == {"rest": 0, "leaf": 255}
    assert parsed_classes("rest=0,nonzero=cell,dust=7..9") == {"rest": 0, "nonzero": "cell", "dust": "7..9"}
    assert parsed_classes("nonzero=cell") == {"background": 0, "nonzero": "cell"}
    assert parsed_classes("cell=nonzero") == {"background": 0, "cell": "nonzero"}
    assert parsed_classes("cell=255") == {"background": 0, "cell": 255}
    assert parsed_classes("cell=0") == {"cell": 0}
    assert parsed_classes('{"leaf": [0, 255, 0]}') == {"leaf": [0, 255, 0]}
    assert options_of(["width=7", "name=resnet", "channels=[1,2]"]) == {
        "width": 7,
        "name": "resnet",
        "channels": [1, 2],
    }
    assert normalisation("0.5,0.4/1") == {"mean": [0.5, 0.4], "std": [1]}


def test_classes_are_guessed_from_the_values_of_the_masks(folder):
    masks = sorted((folder / "masks").iterdir())
    assert guess_classes(masks, None) == ({"class0": 0, "class255": 255}, [])
    assert guess_classes(masks, ["rest", "leaf"]) == ({"rest": 0, "leaf": 255}, [])
    with pytest.raises(UserError, match="values 0, 255, but the network knows the classes a, b, c; .*--classes"):
        guess_classes(masks, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            [0.2, 0.8, 0.79, 0.75, 0.1],
            "keeps at least 90% of that from ×1 to ×2, and falls to 0.100 at ×4",
        ),
        ([0.8] * 5, "0.800 at ×1, keeps at least 90% of that from ×0.5 to ×4; at least 60% of the pixels"),
        ([0.1, 0.8, 0.2, 0.8, 0.8], "keeps 90% of that at no other scale, and falls to 0.100 at ×0.5"),
        ([np.nan, 0.8, 0.8, 0.8, 0.8], "from ×1 to ×4; at least"),
        ([0.8, np.nan, 0.8, 0.8, 0.8], "no pixel decides the metric"),
    ],
)
def test_the_verdict_by_hand(values, said):
    scales = [0.5, 1, 1.41, 2, 4]
    heights = [32, 64, 90, 128, 256]
    run = {"dataset": "d", "model": "m", "label": "M", "seed": 0}
    rows = [run | {"scale": s, "height": h, "width": h} for s, h in zip(scales, heights, strict=True)]
    table = pd.DataFrame(rows).assign(iou=values, consistency=[0.6, 1, 0.9, 0.9, 0.9])
    assert said in describe_scores(table, "Mean IoU")


def test_the_row_of_the_leaderboard_by_hand():
    run = {"dataset": "d", "model": "m", "label": "M", "seed": 0, "consistency": 1.0}
    values = {0.25: 0.3, 0.5: 0.74, 0.71: 0.73, 1: 0.8, 1.45: 0.78, 2: 0.75, 2.8: 0.6, 4: 0.1}
    sides = {scale: round(scale * 64) for scale in values}
    rows = [run | {"scale": s, "height": sides[s], "width": sides[s], "iou": iou} for s, iou in values.items()]
    found = leaderboard.row(pd.DataFrame(rows))
    assert (found["×½"], found["×1"], found["×2"], found["×4"]) == (0.74, 0.8, 0.75, 0.1)
    assert found["beyond"] == pytest.approx((0.3 + 0.6 + 0.1) / 3)
    assert (found["from"], found["to"]) == (0.5, 2)
    narrow = leaderboard.row(pd.DataFrame(rows[2:4]))  # nothing was tested at ×½, ×2, ×4, nor beyond an octave
    assert leaderboard.line("net", narrow) == "| net |  | .800 |  |  |  | ×0.7 to ×1 |"
    alone = leaderboard.row(pd.DataFrame(rows[3:4]))  # no other scale was tested
    assert leaderboard.line("net", alone) == "| net |  | .800 |  |  |  |  |"
    absent = leaderboard.row(pd.DataFrame(rows).assign(iou=float("nan")))  # a class that no mask holds
    assert leaderboard.line("net", absent) == "| net |  |  |  |  |  |  |"
    nothing = leaderboard.row(pd.DataFrame(rows[2:4]).assign(iou=0.0))  # of which 90 % is no merit
    assert leaderboard.line("net", nothing) == "| net |  | .000 |  |  |  |  |"


def scores_of(values: dict[float, float]) -> pd.DataFrame:
    """Return the table of one run: {scale: metric}."""
    run = {"dataset": "d", "model": "m", "label": "M", "seed": 0, "consistency": 1.0}
    return pd.DataFrame([run | {"scale": s, "height": 64 * s, "width": 64 * s, "iou": v} for s, v in values.items()])


def test_a_missed_class_is_a_but_and_a_test_at_one_scale_says_nothing_of_others():
    missed = Fault("never predicts crab (2.00% of the pixels of the masks)", fatal=False)
    said = describe_scores(scores_of({1: 0.6, 2: 0.6}), "Mean IoU", [missed])
    assert said.startswith("Mean IoU is 0.600 at ×1, keeps at least 90% of that from ×1 to ×2; at least 100% of")
    assert said.endswith("keep their class; but it never predicts crab (2.00% of the pixels of the masks).")
    assert describe_scores(scores_of({1: 0.6}), "Mean IoU") == "Mean IoU is 0.600 at ×1."
    assert describe_scores(scores_of({1: 0.0}), "Mean IoU", [missed, Fault("is bad")]) == (
        "Its scores say nothing: on these images this network is bad."
    )


def test_a_class_that_the_masks_lack_is_no_fault(folder, tmp_path):
    torch.jit.trace(Green(3, 2), torch.rand(1, 3, 8, 8)).save(tmp_path / "green.pt")
    for name, absent, masks, pixels in [("full", "rest", 1, [60, 230, 60]), ("empty", "leaf", 0, [60] * 3)]:
        for part, content in {"images": np.full((32, 32, 3), pixels), "masks": np.full((32, 32), masks)}.items():
            (tmp_path / name / part).mkdir(parents=True)
            Image.fromarray(content.astype(np.uint8)).save(tmp_path / name / part / "a.png")
        call = [tmp_path / "green.pt", tmp_path / name, "--classes", "rest=0,leaf=1", "--output-kind", "sigmoid"]
        result = measure(*call, "--output", tmp_path / f"{name}-out")
        assert result.exit_code == 0, result.output
        said = (tmp_path / f"{name}-out" / "verdict.txt").read_text()
        assert said.startswith("Mean IoU is 1.000 at ×1") and "but" not in said
        assert f"\nNo mask holds {absent}.\n" in said
        assert "warning" not in result.output


@pytest.mark.parametrize(
    ("values", "names", "expected"),
    [
        ([0, 1, 255], None, ({"class0": 0, "class1": 1}, [255])),
        ([0, 1, 255], "abc", ({"a": 0, "b": 1, "c": 2}, [255])),
        ([0, 2, 255], "abc", ({"a": 0, "b": 1, "c": 2}, [255])),
        ([1, 2], "abc", ({"a": 0, "b": 1, "c": 2}, [])),
        ([0, 15, 65535], None, ({f"class{i}": i for i in range(16)}, [65535])),
        ([0, 255], "ab", ({"a": 0, "b": 255}, [])),
        ([1, 2, 3], "abc", None),
        ([1, 2], "ab", None),
        ([0, 7], "ab", None),
        ([0, 128, 255], "abc", None),
        ([0, 128, 255], None, None),
        ([255], "ab", None),
        ([7, 8, 11, 255], "abcd", None),
    ],
)
def test_values_are_numbers_of_classes_or_are_given(tmp_path, values, names, expected):
    """That there are as many values as classes decides nothing."""
    Image.fromarray(np.array([values], np.uint16 if max(values) > 255 else np.uint8)).save(tmp_path / "a.png")
    if expected is None:
        with pytest.raises(UserError, match="say which value is which"):
            guess_classes([tmp_path / "a.png"], names and list(names))
    else:
        assert guess_classes([tmp_path / "a.png"], names and list(names)) == expected


def test_values_that_the_user_or_the_training_named_need_no_guess(tmp_path, capsys):
    Image.fromarray(np.array([[0, 128, 255]], np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "b.png")
    ternary, binary = [tmp_path / "a.png"], [tmp_path / "b.png"]
    assert guess_classes(ternary, ["a", "b"], [128]) == ({"a": 0, "b": 255}, [128])
    trained = {"classes": {"a": 0, "b": 128}, "ignore": [255]}
    network = {"classes": ["a", "b"], "preparation": {"mask_values": trained}}
    assert mask_values(ternary, [], network) == trained
    assert "as in the network's training" in capsys.readouterr().err
    with pytest.raises(UserError, match="one class and 255, which did not count in the network's training"):
        mask_values(binary, [], network)
    assert mask_values(binary, [], {"classes": ["a", "b"]}) == {"classes": {"a": 0, "b": 255}, "ignore": []}


def test_masks_in_rgb_are_read_by_the_channel_of_the_training(tmp_path, capsys):
    red = np.zeros((1, 4, 3), np.uint8)
    red[0, :, 0] = [0, 1, 2, 1]
    Image.fromarray(red).save(tmp_path / "rgb.png")
    Image.fromarray(red[..., 0]).save(tmp_path / "grey.png")
    trained = {"classes": {"a": 0, "b": 2, "c": 1}, "ignore": [], "mask_channel": "red"}
    network = {"classes": list("abc"), "preparation": {"mask_values": trained}}
    assert mask_values([tmp_path / "rgb.png"], [], network) == trained
    in_one_channel = {"classes": trained["classes"], "ignore": []}
    assert mask_values([tmp_path / "grey.png"], [], network) == in_one_channel
    assert capsys.readouterr().err == "masks: values as in the network's training\n" * 2


@pytest.fixture
def green(tmp_path) -> Path:
    torch.jit.trace(Green(3, 2), torch.rand(1, 3, 8, 8)).save(tmp_path / "green.pt")
    return tmp_path / "green.pt"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_network_and_folder_has_results_of_its_own(folder, green, tmp_path, monkeypatch):
    """Results are replaced only if the user says so, and never those of something else."""
    monkeypatch.chdir(tmp_path)
    call = ["--output-kind", "sigmoid", "--scales", "1"]
    (tmp_path / "other.pt").write_bytes(green.read_bytes())
    for network in (green, "other.pt"):
        assert measure(network, folder, *call).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "measured").iterdir()) == [
        f"{name}-{folder.name}" for name in ("green", "other")
    ]
    out = tmp_path / "measured" / f"green-{folder.name}"
    before = contents(out)
    result = measure("other.pt", folder, *call, "--output", out)
    assert result.exit_code == 1 and f"holds the results of green on {folder.name}; --overwrite" in result.output
    assert contents(out) == before
    (out / "notes.txt").write_text("mine")
    assert measure("other.pt", folder, *call, "--output", out, "--overwrite").exit_code == 0
    assert set(pd.read_csv(out / "scores.csv")["model"]) == {"other"}
    assert (out / "notes.txt").read_text() == "mine"
    (out / "verdict.txt").unlink()  # as results/tables
    result = measure(green, folder, *call, "--output", out, "--overwrite")
    assert result.exit_code == 1 and "holds tables of something else" in result.output


def test_a_call_that_fails_leaves_nothing(folder, green, tmp_path, monkeypatch):
    """Whatever fails, and however late: no file, and no folder that was not there."""
    out, kept = tmp_path / "a" / "b", tmp_path / "kept"
    call = [green, folder, "--output-kind", "sigmoid", "--scales", "1", "--output"]
    assert measure(*call, kept).exit_code == 0
    before = contents(kept)

    def fail(*_):
        raise OSError(28, "No space left on device", "verdict.txt")

    monkeypatch.setattr("seunet.report.sentences.describe_scores", fail)
    assert measure(*call, out).exit_code == 1 and not (tmp_path / "a").exists()
    assert measure(*call, kept, "--overwrite").exit_code == 1 and contents(kept) == before
    monkeypatch.undo()
    assert measure(*call, out).exit_code == 0


@pytest.mark.parametrize(("network", "images"), [("NA", "nan"), ("null", "010"), ("two", ".")])
def test_names_may_be_any_text(folder, green, tmp_path, monkeypatch, network, images):
    (tmp_path / f"{network}.pt").write_bytes(green.read_bytes())
    shutil.copytree(folder, tmp_path / images, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    result = measure(f"{network}.pt", images, "--output-kind", "sigmoid", "--output", "out", "--scales", "1")
    assert result.exit_code == 0, result.output
    row = read_table("out/scores.csv").iloc[0]
    assert (row["model"], row["dataset"]) == (network, tmp_path.name if images == "." else images)


def test_the_worst_images_are_named(green, tmp_path):
    for i, share in enumerate((16, 32, 8)):
        pixels, mask = np.full((32, 32, 3), 60, np.uint8), np.zeros((32, 32), np.uint8)
        pixels[:16], mask[:share] = [60, 230, 60], 1
        for part, content in {"images": pixels, "masks": mask}.items():
            (tmp_path / "mine" / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(content).save(tmp_path / "mine" / part / f"a{i}.png")
    call = [green, tmp_path / "mine", "--output-kind", "sigmoid", "--output", tmp_path / "out", "--metric", "class1"]
    result = measure(*call, "--scales", "1")
    assert result.exit_code == 0, result.output
    said = (tmp_path / "out" / "verdict.txt").read_text()
    sentences, row = said.split("\n\n")
    assert sentences in result.output and row.startswith("As a row of ")
    assert sentences.endswith("The worst images at ×1: a1 0.500, a2 0.500, a0 1.000")
    table = read_table(tmp_path / "out" / "per_image.csv").set_index(["file", "class"])
    assert table.loc[("a2", "class1"), "iou"] == 0.5 and len(table) == 6


@pytest.mark.parametrize("pattern", [[], ["--images", "images/{name}.png"]])
def test_earlier_answers_among_the_images_are_passed_over(folder, green, tmp_path, pattern):
    mine = shutil.copytree(folder, tmp_path / "mine")
    image = mine / "images" / "a0.png"
    call = ["predict", green, image, "--output", mine / "images" / "1", "--output-kind", "sigmoid", "--overlay"]
    result = CliRunner().invoke(app, list(map(str, [*call, "--probabilities", "npz"])))
    assert result.exit_code == 0, result.output
    result = measure(green, mine, "--output-kind", "sigmoid", "--output", tmp_path / "out", "--scales", "1", *pattern)
    assert result.exit_code == 0, result.output
    assert "3 files that seunet wrote are passed over" in result.output
    assert set(read_table(tmp_path / "out" / "per_image.csv")["file"]) == {"a0", "a1", "a2"}


def test_photographs_are_not_measured_in_a_range_of_more_bits(folder, green, tmp_path):
    call = [green, folder, "--output-kind", "sigmoid", "--output", tmp_path / "out", "--value-range", "0,4095"]
    result = measure(*call)
    assert result.exit_code == 1 and "would be nearly black in value_range [0, 4095]" in result.output
    assert not (tmp_path / "out").exists()


def test_a_file_says_how_many_classes_it_has(tmp_path):
    """255 is none of them, whether the masks hold all the others or not."""
    torch.jit.trace(nn.Conv2d(3, 3, 1), torch.rand(1, 3, 8, 8)).save(tmp_path / "three.pt")
    for name, values in {
        "all": [0, 1, 2, 255],
        "some": [0, 1, 255],
        "gap": [0, 2, 255],
        "levels": [0, 128, 255],
    }.items():
        for part in ("images", "masks"):
            (tmp_path / name / part).mkdir(parents=True)
        mask = np.resize(np.array(values, np.uint8), (16, 16))
        Image.fromarray(mask).save(tmp_path / name / "masks" / "a.png")
        Image.fromarray(np.stack([mask] * 3, 2)).save(tmp_path / name / "images" / "a.png")
        out = tmp_path / f"{name}-out"
        result = measure(tmp_path / "three.pt", tmp_path / name, "--scales", "1", "--output", out)
        if name == "levels":
            assert result.exit_code == 1 and "values 0, 128, 255, but the network has 3 classes; say" in result.output
            continue
        assert result.exit_code == 0, result.output
        assert "0 is class0, 1 is class1, 2 is class2; 255 does not count" in result.output
        assert read_table(out / "class_iou.csv")["class"].tolist() == ["class0", "class1", "class2"]


def test_classes_by_name_are_in_the_order_of_the_network(tmp_path):
    """However --classes lists them, and with one mask file per class."""
    network = build_model("unet", 3, 3, width=2, depth=2)
    with torch.no_grad():
        network.classifier.bias[2] = 1000
    about = {"architecture": "unet", "in_channels": 3, "num_classes": 3, "options": {"width": 2, "depth": 2}}
    save_model(tmp_path / "net", network, about | {"classes": ["background", "leaf", "stem"]})
    stem = np.full((16, 16), 7, np.uint8)
    for part, name, content in [("images", "a", np.stack([stem] * 3, 2)), ("masks", "a", stem)]:
        (tmp_path / "mine" / part).mkdir(parents=True)
        Image.fromarray(content).save(tmp_path / "mine" / part / f"{name}.png")
    shutil.copytree(tmp_path / "mine", tmp_path / "files")
    (tmp_path / "files" / "masks" / "a.png").rename(tmp_path / "files" / "masks" / "a_stem.png")
    Image.fromarray(0 * stem).save(tmp_path / "files" / "masks" / "a_leaf.png")
    for folder, *options in [
        ("mine", "--classes", "stem=7,background=0,leaf=1"),
        ("files", "--masks", '{"stem": "masks/{name}_stem.*", "leaf": "masks/{name}_leaf.*"}'),
    ]:
        result = measure(
            tmp_path / "net", tmp_path / folder, "--scales", "1", "--output", tmp_path / f"o{folder}", *options
        )
        assert result.exit_code == 0, result.output
        table = read_table(tmp_path / f"o{folder}" / "class_iou.csv").set_index("class")["iou"]
        assert table["stem"] == 1 and list(table.index) == ["background", "leaf", "stem"]


@pytest.mark.parametrize("option", [["--classes", f"a=0,b={10**20}"], ["--ignore", str(10**20)]])
def test_a_value_that_no_mask_can_hold_is_one_line(folder, green, tmp_path, option):
    call = [green, folder, "--output-kind", "sigmoid", "--output", tmp_path / "out", "--classes", "a=0,b=255"]
    result = measure(*call, *option)
    assert result.exit_code == 1 and "must be a pixel value" in result.output


def test_the_sentence_about_own_factors_names_the_largest_gain_and_the_largest_loss():
    def rows(values):
        sizes = [32, 64, 128]
        table = pd.DataFrame({"scale": [0.5, 1, 2], "height": sizes, "width": sizes, "iou": values})
        return table.assign(dataset="a", model="b", label="b", seed=0, consistency=1.0)

    def said(after, before=(0.8, 0.9, 0.3)):
        return describe_gain(rows(before), rows(after), "mean IoU")

    gain, loss = "mean IoU at ×2 is 0.850 instead of 0.300", "at worst, mean IoU at ×0.5 is 0.700 instead of 0.800"
    assert said([0.7, 0.9, 0.85]) == f"{gain}; {loss}; over all scales the mean gain is +0.150."
    assert said([0.8, 0.9, 0.85]) == f"{gain}; over all scales the mean gain is +0.183."
    assert said([0.7, 0.9, 0.3]) == f"{loss}; over all scales the mean gain is -0.033."
    nothing = "mean IoU is the same at every scale."
    assert said([0.8, 0.9, 0.301]) == nothing
    unknown = float("nan")  # no pixel decides the metric there
    assert said([unknown, 0.9, 0.85], (unknown, 0.9, 0.3)) == f"{gain}; over all scales the mean gain is +0.275."
    assert said([unknown] * 3, [unknown] * 3) == nothing
