"""Networks of other people: one line for every answer that is no logits, before an epoch is spent; sides are padded."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seunet.experiment.crops import crop_counts
from seunet.experiment.degenerate import warnings_of
from seunet.experiment.equivariance import stage_errors
from seunet.experiment.inference import MultiScale, predict
from seunet.experiment.metrics import confusion_counts
from seunet.experiment.training import split_batches, train
from seunet.models import build_model, find_architecture
from seunet.models.calling import call_network, check_trainable
from seunet.models.checkpoint import load_model
from seunet.runtime.errors import UserError
from seunet.runtime.files import sha256
from seunet.settings.dataset import Tile
from seunet.settings.training import Training

PLAIN = Training(epochs=1, batch_size=4, crop=16)


def changed(**settings) -> Training:
    return PLAIN.model_copy(update=settings)


class Stand(nn.Module):
    """A network of one convolution, which answers as `answer` says."""

    def __init__(self, in_channels: int, num_classes: int, answer: str = "logits"):
        super().__init__()
        channels = {"one channel": 1, "more channels": num_classes + 1}.get(answer, num_classes)
        self.layer, self.answer = nn.Conv2d(in_channels, channels, 1), answer

    def forward(self, x):
        y = self.layer(x)
        return {
            "dict": lambda: {"out": y, "aux": y},
            "tuple": lambda: (y, y[:, :1]),
            "half": lambda: y[:, :, ::2, ::2],
            "NaN": lambda: y + torch.nan,
            "flat": lambda: y.flatten(1),
            "classes": lambda: y.argmax(1, keepdim=True).expand_as(y),
            "None": lambda: None,
            "tuple in training": lambda: (y, y) if self.training else y,
        }.get(self.answer, lambda: y)()


ANSWERS = {
    "dict": r"returned a dict with the keys out, aux; a tensor of floats \(2, 3, H, W\) is asked",
    "tuple": r"returned a tuple of 2 \(\(2, 3, H, W\), \(2, 1, H, W\)\); a tensor",
    "one channel": r"\(2, 1, H, W\), which has 1 channel\(s\) for 3 classes; .*output: sigmoid",
    "more channels": r"\(2, 4, H, W\), which has 4 channel\(s\) for 3 classes; ",
    "half": r"\(2, 3, h, w\), of other height and width than the images; a tensor of floats \(2, 3, H, W\)",
    "NaN": r"not finite \(NaN or infinite: 100.00% of them\)",
    "flat": r"\(2, \d+\); a tensor of floats",
    "classes": r"returned a tensor of int64 .*; a tensor of floats",
    "None": r"returned nothing \(None\); a tensor of floats",
}


def pattern(answer: str, side: int) -> str:
    return ANSWERS[answer].replace("H, W", f"{side}, {side}").replace("h, w", f"{side // 2}, {side // 2}")


def run(dataset: Path, folder: Path, network: str, options: dict | None = None, **settings) -> None:
    train(dataset, f"test_calling:{network}", options or {}, changed(**settings), 0, folder)


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_that_is_no_logits_costs_no_epoch(tiny, tmp_path, answer):
    with pytest.raises(UserError, match="the network Stand returned") as caught:
        run(tiny, tmp_path, "Stand", {"answer": answer})
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("tiling", [None, Tile(size=8, margin=0)])
def test_the_message_says_what_came_and_what_is_asked(answer, tiling):
    side = 8 if tiling and answer != "NaN" else 16
    with pytest.raises(UserError, match=pattern(answer, side)):
        predict(Stand(3, 3, answer), torch.rand(2, 3, 16, 16), tiling, classes=3)


@pytest.mark.parametrize("answer", ["dict", "more channels", "NaN"])
def test_ensembles_and_equivariance_check_it_too(answer):
    with pytest.raises(UserError, match=pattern(answer, 8)):
        predict(MultiScale(Stand(3, 3, answer), [0.5]), torch.rand(2, 3, 16, 16), classes=3)
    if answer == "dict":
        images = torch.rand(2, 3, 16, 16)
        with pytest.raises(UserError, match="a dict with the keys out, aux"):
            stage_errors(Stand(3, 3, answer), [(images, images)], None)


class Odd(Stand):
    """A network that cannot be trained, or whose weights cannot be saved as they are."""

    def __init__(self, in_channels: int, num_classes: int, how: str):
        super().__init__(in_channels, num_classes)
        self.how = how
        if how == "exits":
            sys.exit("usage: nets.py [-h]")
        if how == "no weights":
            self.layer = nn.Flatten(start_dim=4)
        if how == "frozen":
            self.requires_grad_(False)
        if how == "shared":
            self.again = self.layer

    def forward(self, x):
        y = self.layer(x)
        return y.detach() if self.how == "detached" else y[:, :3] if self.how == "no weights" else y


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("exits", "cannot be built: SystemExit: usage"),
        ("no weights", "Odd has no weights to train"),
        ("frozen", "Odd has no weights to train"),
        ("detached", "answer of the network Odd has no gradient"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(tiny, tmp_path, how, said):
    with pytest.raises(UserError, match=said) as caught:
        run(tiny, tmp_path, "Odd", {"how": how})
    assert len(str(caught.value).splitlines()) == 1 and not list(tmp_path.iterdir())


def test_weights_that_cannot_be_saved_are_said_before_any_epoch():
    class Stateful(nn.Linear):
        def get_extra_state(self):
            return {"seen": 3}

    with pytest.raises(UserError, match="keeps _extra_state of type dict among its weights"):
        check_trainable(Stateful(1, 1))


def test_weights_that_two_layers_share_are_saved_and_read(tiny, tmp_path):
    run(tiny, tmp_path, "Odd", {"how": "shared"})
    model, _ = load_model(tmp_path)
    assert model.again is model.layer and torch.equal(model.again.weight, model.layer.weight)


def test_a_module_that_exits_is_no_end_without_a_word(tmp_path, monkeypatch):
    (tmp_path / "a_script.py").write_text("import sys\nsys.exit(2)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"'a_script:Net' cannot be imported: SystemExit"):
        find_architecture("a_script:Net")


def test_an_answer_that_is_wrong_in_training_alone(tiny, tmp_path):
    with pytest.raises(UserError, match="returned a tuple of 2"):
        run(tiny, tmp_path, "Stand", {"answer": "tuple in training"})
    assert not list(tmp_path.iterdir())


def test_the_check_before_training_changes_no_random_number_and_no_running_mean(tiny, tmp_path):
    class Noisy(nn.Sequential):
        def __init__(self, in_channels, num_classes):
            super().__init__(nn.Conv2d(in_channels, num_classes, 1), nn.BatchNorm2d(num_classes))

        def forward(self, x):
            return super().forward(x) + torch.rand(1)  # a random number in evaluation too

    sys.modules[__name__].Noisy = Noisy
    run(tiny, tmp_path / "checked", "Noisy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seunet.experiment.training.check_first_batch", lambda *_: None)
        run(tiny, tmp_path / "unchecked", "Noisy")
    assert len({sha256(tmp_path / name / "model.safetensors") for name in ("checked", "unchecked")}) == 1


# Sides that a network does not take


class Down(nn.Module):
    """A network with a skip over `steps` poolings, which fails on other sides than multiples of 2^steps."""

    def __init__(self, in_channels: int, num_classes: int, steps: int = 2, declare: bool = False):
        super().__init__()
        self.layer, self.steps = nn.Conv2d(in_channels, num_classes, 1), steps
        if declare:
            self.size_multiple = 2**steps

    def forward(self, x):
        y = self.layer(x)
        down = nn.functional.avg_pool2d(y, 2**self.steps)
        return y + nn.functional.interpolate(down, scale_factor=2.0**self.steps)


def test_declared_multiples_are_padded_by_border_pixels_and_cut():
    model, images = Down(3, 2, declare=True), torch.rand(2, 3, 30, 33)
    answer = call_network(model, images, 2)
    padded = torch.cat([images, *[images[:, :, -1:]] * 2], dim=2)
    padded = torch.cat([padded, *[padded[..., -1:]] * 3], dim=3)
    assert torch.equal(answer, model(padded)[..., :30, :33])


def test_undeclared_multiples_are_found_and_said():
    with pytest.raises(
        UserError, match="cannot take images of 30 × 33 pixels, but takes 32 × 36: .*size_multiple to 4"
    ):
        call_network(Down(3, 2), torch.rand(2, 3, 30, 33), 2)


def test_a_network_that_rounds_its_sizes_is_told_the_multiple():
    model = nn.Sequential(nn.MaxPool2d(4), nn.Upsample(scale_factor=4))
    with pytest.raises(UserError, match="cannot take images of 30 × 30 pixels, but takes 32 × 32: .*to 4"):
        call_network(model, torch.rand(1, 2, 30, 30), 2)


def test_other_failures_name_the_place_in_one_line():
    with pytest.raises(
        UserError, match=r"fails on images \(1, 1, 8, 8\): RuntimeError: .*3 channels.*\(.*py:\d+\)$"
    ) as caught:
        call_network(nn.Conv2d(3, 2, 1), torch.rand(1, 1, 8, 8), 2)
    assert len(str(caught.value).splitlines()) == 1


def test_no_memory_is_not_taken_for_a_fault_of_the_network():
    class Greedy(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        call_network(Greedy(), torch.rand(1, 1, 8, 8), 2)


def test_training_pads_too_and_says_so(tiny, tmp_path, capsys):
    run(tiny, tmp_path, "Down", {"declare": True, "steps": 3}, crop=12)
    assert "padded to sides that are multiples of 8" in capsys.readouterr().err
    assert (tmp_path / "model.safetensors").exists()


def test_crop_consistency_learns_the_multiple():
    images = torch.rand(1, 3, 96, 96)
    sizes = [row[0] for row in crop_counts(Down(3, 2, steps=4), images)]
    assert sizes == [80, 64, 48]


# A last batch of one image


@pytest.mark.parametrize(
    ("images", "size", "sizes"),
    [(9, 4, [4, 5]), (8, 4, [4, 4]), (10, 4, [4, 4, 2]), (3, 1, [1, 1, 1]), (1, 4, [1]), (3, 2, [3]), (5, 8, [5])],
)
def test_a_last_batch_of_one_image_joins_the_one_before(images, size, sizes):
    batches = split_batches(np.arange(images), size)
    assert [len(batch) for batch in batches] == sizes
    assert np.concatenate(batches).tolist() == list(range(images))


class Pooled(nn.Module):
    """Batch norm on maps of 1 × 1, as in pyramid pooling: it fails on a batch of one image."""

    def __init__(self, in_channels: int, num_classes: int):
        super().__init__()
        self.layer, self.norm = nn.Conv2d(in_channels, num_classes, 1), nn.BatchNorm2d(num_classes)

    def forward(self, x):
        y = self.layer(x)
        return y + self.norm(y.mean((2, 3), keepdim=True))


def test_batch_norm_survives_the_last_batch(tiny, tmp_path):
    run(tiny, tmp_path, "Pooled", batch_size=5)  # of 6 images
    with pytest.raises(UserError, match="batch norm of the network Pooled .* raise training.batch_size"):
        run(tiny, tmp_path / "one", "Pooled", batch_size=1)


# Counts, and networks whose scores say nothing


def test_classes_outside_are_refused():
    target, prediction = torch.zeros(2, 4, 4, dtype=torch.long), torch.zeros(2, 4, 4, dtype=torch.long)
    target[0, :2] = 255
    confusion_counts(target, prediction, 2)
    for wrong in (2, -1):
        with pytest.raises(UserError, match=f"prediction: class {wrong} where there are 2"):
            confusion_counts(target, prediction + wrong, 2)
    with pytest.raises(UserError, match="target: class 7 where there are 2"):
        confusion_counts(torch.where(target == 0, 7, target), prediction, 2)


def test_one_class_and_no_merit_are_said():
    assert warnings_of(["sea", "fish"], [10, 2], [9, 3], 0.5) == []
    assert warnings_of(["sea", "fish"], [10, 2], [9, 3], float("nan")) == []
    one, zero = warnings_of(["sea", "fish"], [10, 0], [9, 1], 0.0)
    assert str(one).startswith("predicts sea at every pixel") and str(zero).startswith("has a metric of 0")
    assert one.fatal and zero.fatal


def test_only_a_class_that_the_masks_hold_can_be_missed():
    assert warnings_of(["sea", "fish", "crab"], [10, 2, 0], [10, 2, 0], 1.0) == []  # no mask holds a crab
    assert warnings_of(["sea", "fish"], [12, 0], [12, 0], 1.0) == []  # images without any object
    (missed,) = warnings_of(["sea", "fish", "crab"], [80, 20, 0], [78, 20, 2], 0.6)
    assert str(missed) == "never predicts crab (2.00% of the pixels of the masks)" and not missed.fatal


def test_the_log_of_a_training_says_it(tiny, tmp_path, capsys):
    class Constant(Stand):
        def forward(self, x):
            return self.layer(x) * 0 + torch.eye(self.layer.out_channels)[1][:, None, None]

    sys.modules[__name__].Constant = Constant
    run(tiny, tmp_path, "Constant", epochs=2)
    said = capsys.readouterr().err
    assert said.count("warning: on the validation images this network predicts ") == 1
    assert len(pd.read_csv(tmp_path / "history.csv")) == 2


def test_the_size_multiple_of_a_network_of_other_people_is_an_option(tmp_path, monkeypatch):
    (tmp_path / "even_network.py").write_text(
        "import torch\n\nclass Net(torch.nn.Conv2d):\n    def __init__(self, in_channels, num_classes, **others):\n"
        "        super().__init__(in_channels, num_classes, 1, **others)\n"
        "    def forward(self, x):\n        assert x.shape[-1] % 8 == 0\n        return super().forward(x)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    images = torch.rand(1, 3, 5, 12)
    with pytest.raises(UserError, match="set its size_multiple to 8"):
        call_network(build_model("even_network:Net", 3, 2), images)
    assert call_network(build_model("even_network:Net", 3, 2, size_multiple=8), images).shape == (1, 2, 5, 12)
    for bad in (0, 2.5, "many", True):
        with pytest.raises(UserError, match=f"size_multiple: expected a whole number from 1 on, got {bad!r}"):
            build_model("even_network:Net", 3, 2, size_multiple=bad)
