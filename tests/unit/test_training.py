"""Training: stopped at any moment and resumed to the same weights, on schedule, and refusing what cannot be right."""

import errno
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from seunet.data.arrays import Prepared
from seunet.experiment import training
from seunet.experiment.fingerprint import batches_of, fingerprint
from seunet.experiment.loss import Loss
from seunet.experiment.state import TrainingState
from seunet.experiment.training import train
from seunet.layers.coefficients import BoundedCoefficient
from seunet.models import checkpoint
from seunet.models.checkpoint import load_model
from seunet.runtime.errors import UserError
from seunet.runtime.files import sha256
from seunet.settings.training import Training

EVERYTHING = {
    "crop": 16,
    "scale_jitter": 2,
    "augmentation": {"rotation": 10, "flips": ["horizontal", "vertical"], "gain": 0.1, "elastic": True},
}
SEUNET = {"width": 2, "depth": 1, "num_scales": 2, "scale_dropout": 0.5}
PLAIN = Training(epochs=3, batch_size=4, crop=16)


def changed(**settings) -> Training:
    return PLAIN.model_copy(update=settings)


FILES = {"model.safetensors", "model.json", "history.csv"}


class ToyNetwork(nn.Module):
    """A user's own network, found as `test_training:ToyNetwork`."""

    def __init__(self, in_channels: int, num_classes: int, bias: float = 0.0):
        super().__init__()
        self.layer = nn.Conv2d(in_channels, num_classes, 1)
        self.bias = bias

    def forward(self, x):
        return self.layer(x) + self.bias


class NaNNetwork(ToyNetwork):
    """Its third training step gives NaN; with `only_evaluation`, training is well but validation gives NaN."""

    def __init__(self, in_channels: int, num_classes: int, only_evaluation: bool = False):
        super().__init__(in_channels, num_classes)
        self.steps, self.only_evaluation = 0, only_evaluation

    def forward(self, x):
        self.steps += self.training
        bad = not self.training if self.only_evaluation else self.training and self.steps == 3
        return super().forward(x) + (torch.nan if bad else 0)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(dataset: Path, folder: Path, settings: Training = PLAIN, seed: int = 0, architecture="unet", options=None):
    """Train in this process."""
    options = {"width": 2, "depth": 1} if options is None else options
    train(dataset, architecture, options, settings, seed, folder)


def weights(folder: Path) -> str:
    return sha256(folder / "model.safetensors")


def losses(folder: Path) -> pd.DataFrame:
    """Return the columns of the history that do not depend on the clock."""
    return pd.read_csv(folder / "history.csv")[["epoch", "loss", "val_loss", "val_metric", "learning_rate"]]


def in_another_process(target, *arguments) -> int:
    """Call a function in a process of its own; return its exit code."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["seunet.experiment.training"])
    process = context.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_training(dataset: Path, folder: Path, settings: Training, architecture: str, options: dict, place: str):
    """Train, and be killed: in a step amid an epoch, between history and state, or between weights and description."""
    if place == "state":
        original_save, count = training.save_state, iter(range(100))
        training.save_state = lambda *args: die() if next(count) == 1 else original_save(*args)
    elif place == "description":
        checkpoint.json.dumps = die
        training.canonical = lambda settings: "{}"
        checkpoint.settings_hash = training.settings_hash = lambda settings: "0"
        training.save_state = lambda *args: None
    else:
        original_step, count = training.training_step, iter(range(1000))
        training.training_step = lambda *args: die() if next(count) == int(place) else original_step(*args)
    train(dataset, architecture, options, settings, 0, folder)


@pytest.mark.parametrize("schedule", ["plateau", "exponential", "constant"])
def test_killed_amid_an_epoch_and_restarted_gives_the_same_weights(tiny, tmp_path, schedule):
    settings = {"epochs": 4, "batch_size": 2, "schedule": schedule, "weight_decay": 0.1} | EVERYTHING
    settings = Training.model_validate(settings)
    arguments = {"architecture": "seunet", "options": SEUNET}
    run(tiny, tmp_path / "whole", settings, **arguments)
    run(tiny, tmp_path / "again", settings, **arguments)
    # 3 steps an epoch: step 7 is the second one of the third epoch
    code = in_another_process(killed_training, tiny, tmp_path / "killed", settings, "seunet", SEUNET, "7")
    assert code == -signal.SIGKILL
    assert (tmp_path / "killed" / "last.pt").exists() and not (tmp_path / "killed" / "model.safetensors").exists()
    assert len(losses(tmp_path / "killed")) == 2
    run(tiny, tmp_path / "killed", settings, **arguments)
    assert weights(tmp_path / "whole") == weights(tmp_path / "again") == weights(tmp_path / "killed")
    for other in ("again", "killed"):
        pd.testing.assert_frame_equal(losses(tmp_path / "whole"), losses(tmp_path / other), check_exact=True)
    assert {file.name for file in (tmp_path / "killed").iterdir()} == FILES
    other = {**arguments, "seed": 1}
    run(tiny, tmp_path / "other", settings, **other)
    assert weights(tmp_path / "other") != weights(tmp_path / "whole")


@pytest.mark.parametrize("place", ["0", "state", "description"])
def test_killed_at_other_moments(tiny, tmp_path, place):
    options = {"width": 2, "depth": 1}
    run(tiny, tmp_path / "whole")
    code = in_another_process(killed_training, tiny, tmp_path / "killed", PLAIN, "unet", options, place)
    assert code == -signal.SIGKILL
    for file in (tmp_path / "killed").glob("*.partial*"):
        file.unlink()  # a killed process cannot tidy up; such a name is never read
    run(tiny, tmp_path / "killed")
    assert weights(tmp_path / "whole") == weights(tmp_path / "killed")
    pd.testing.assert_frame_equal(losses(tmp_path / "whole"), losses(tmp_path / "killed"), check_exact=True)
    assert {file.name for file in (tmp_path / "killed").iterdir()} == FILES


def slow_training(dataset: Path, folder: Path, settings: Training):
    original = training.training_step
    training.training_step = lambda *args: (time.sleep(0.02), original(*args))[1]
    run(dataset, folder, settings)


def test_killed_from_outside_while_the_history_grows(tiny, tmp_path):
    settings = changed(epochs=6)
    run(tiny, tmp_path / "whole", settings)
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=slow_training, args=(tiny, tmp_path / "killed", settings))
    process.start()
    seen, deadline = [0], time.monotonic() + 120
    while seen[-1] < 3 and time.monotonic() < deadline:  # every sight of the file is a whole table
        if (tmp_path / "killed" / "history.csv").exists():
            rows = losses(tmp_path / "killed")
            assert list(rows["epoch"]) == list(range(1, len(rows) + 1))
            seen.append(len(rows))
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL and sorted(seen) == seen
    run(tiny, tmp_path / "killed", settings)
    assert weights(tmp_path / "whole") == weights(tmp_path / "killed")
    assert list(losses(tmp_path / "killed")["epoch"]) == [1, 2, 3, 4, 5, 6]


@pytest.fixture
def stopped(tiny, tmp_path, monkeypatch) -> Path:
    """Return the folder of a training that was stopped after its first epoch."""
    monkeypatch.setattr(training, "report", stop)
    with pytest.raises(KeyboardInterrupt):
        run(tiny, tmp_path / "stopped")
    monkeypatch.undo()
    return tmp_path / "stopped"


def stop(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"settings": changed(learning_rate=0.01)}, "training.learning_rate was 0.001, is 0.01"),
        ({"settings": changed(epochs=5)}, "training.epochs was 3, is 5"),
        ({"settings": changed(crop=8)}, "training.crop was 16, is 8"),
        ({"settings": changed(compile=True)}, "compile was False, is True"),
        ({"seed": 1}, "seed was 0, is 1"),
        ({"options": {"width": 3, "depth": 1}}, "options.width was 2, is 3"),
        ({"architecture": "test_training:ToyNetwork", "options": {}}, "architecture was unet"),
    ],
    ids=["learning_rate", "epochs", "crop", "compile", "seed", "width", "architecture"],
)
def test_a_state_of_other_settings_is_refused(tiny, stopped, change, name):
    before = sha256(stopped / "last.pt")
    with pytest.raises(UserError, match="other settings") as caught:
        run(tiny, stopped, **change)
    assert name in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert sha256(stopped / "last.pt") == before  # refused, not destroyed


def test_a_state_of_other_images_is_refused(tiny, stopped, tmp_path):
    from conftest import TINY

    from seunet.data.prepared import prepare

    prepare("reef", TINY.model_copy(update={"seed": 1}), {}, tmp_path / "other")
    with pytest.raises(UserError, match="dataset.train/images.npy was"):
        run(tmp_path / "other", stopped)


@pytest.mark.parametrize("damage", ["truncated", "empty", "junk", "zeros"])
def test_a_damaged_state_is_refused(tiny, stopped, damage):
    path = stopped / "last.pt"
    whole = path.read_bytes()
    contents = {"truncated": whole[: len(whole) // 2], "empty": b"", "junk": b"junk\n" * 100, "zeros": bytes(5000)}
    path.write_bytes(contents[damage])
    with pytest.raises(UserError, match="last.pt: not a whole resume state") as caught:
        run(tiny, stopped)
    assert len(str(caught.value).splitlines()) == 1 and "delete it" in str(caught.value)


def test_a_state_that_is_something_else_is_refused(tiny, stopped):
    torch.save({"epoch": 3}, stopped / "last.pt")
    with pytest.raises(UserError, match="last.pt: not a whole resume state"):
        run(tiny, stopped)


def test_an_exploding_loss_stops_at_once(tiny, tmp_path):
    with pytest.raises(UserError, match=r"the loss is (nan|inf) in epoch \d+, step \d+: .*learning_rate"):
        run(tiny, tmp_path, changed(learning_rate=1e30, epochs=20))
    assert not (tmp_path / "model.safetensors").exists()


def test_a_loss_that_is_not_a_number_names_epoch_and_step(tiny, tmp_path):
    with pytest.raises(UserError, match="the loss is nan in epoch 2, step 1:") as caught:  # 2 steps an epoch
        run(tiny, tmp_path, architecture="test_training:NaNNetwork", options={})
    assert len(str(caught.value).splitlines()) == 1
    assert list(losses(tmp_path)["epoch"]) == [1]
    assert not (tmp_path / "model.safetensors").exists()


def test_the_network_of_the_last_finite_epoch_is_kept_named_and_gone_after_a_good_training(tiny, tmp_path):
    with pytest.raises(UserError, match="the network after epoch 1 is in .*/last-finite$"):
        run(tiny, tmp_path / "bad", architecture="test_training:NaNNetwork", options={})
    run(tiny, tmp_path / "good", changed(epochs=1), architecture="test_training:ToyNetwork", options={})
    kept, description = load_model(tmp_path / "bad" / "last-finite")
    after_one, _ = load_model(tmp_path / "good")
    assert all(torch.equal(x, y) for x, y in zip(kept.parameters(), after_one.parameters(), strict=True))
    assert description["finished_epochs"] == 1 and description["training"]["epochs"] == 3
    assert list(losses(tmp_path / "bad" / "last-finite")["epoch"]) == [1]
    (tmp_path / "bad" / "last.pt").unlink()
    run(tiny, tmp_path / "bad", changed(epochs=1), architecture="test_training:ToyNetwork", options={})
    assert {path.name for path in (tmp_path / "bad").iterdir()} == FILES


def test_nothing_is_kept_where_no_epoch_ended_well(tiny, tmp_path):
    with pytest.raises(UserError, match="the loss is nan in epoch 1, step 3:") as caught:
        run(tiny, tmp_path, changed(batch_size=1), architecture="test_training:NaNNetwork", options={})
    assert "last-finite" not in str(caught.value) and not (tmp_path / "last-finite").exists()


def test_a_network_that_predicts_no_numbers_is_not_trained(tiny, tmp_path):
    with pytest.raises(UserError, match="the network NaNNetwork returned values that are not finite"):
        run(tiny, tmp_path, architecture="test_training:NaNNetwork", options={"only_evaluation": True})
    assert not (tmp_path / "model.safetensors").exists()


def test_history_has_one_whole_row_per_epoch(tiny, tmp_path, capsys):
    run(tiny, tmp_path)
    table = pd.read_csv(tmp_path / "history.csv")
    assert list(table.columns) == [
        *("epoch", "loss", "val_loss", "val_metric", "learning_rate", "seconds", "images_per_second"),
        "peak_memory_mb",
    ]
    assert list(table["epoch"]) == [1, 2, 3] and table.notna().all(axis=None) and (table.iloc[:, 1:] > 0).all(axis=None)
    assert capsys.readouterr().err.count("epoch ") == 3


def test_coefficients_stay_within_their_bounds_after_every_step(tiny, tmp_path, monkeypatch):
    steps, original = [], training.training_step

    def checked(run, *arguments):
        loss = original(run, *arguments)
        found = [module for module in run.model.modules() if isinstance(module, BoundedCoefficient)]
        assert found and all(((m.value >= m.low) & (m.value <= m.high)).all() for m in found)
        at_a_bound = [((m.value == m.low) | (m.value == m.high)).any() for m in found]
        steps.append(any(at_a_bound))
        return loss

    monkeypatch.setattr(training, "training_step", checked)
    run(tiny, tmp_path, changed(learning_rate=0.3), architecture="seunet", options=SEUNET)
    assert len(steps) == 6 and any(steps)  # so large a rate meets the bounds: the test says something


# What is stored, and what is refused


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run(tiny, folder, changed(epochs=1))
    return folder


def altered(trained: Path, folder: Path, **changes) -> Path:
    """Copy a trained network, with changes of its description."""
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    description = json.loads((trained / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(description | changes))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_model(folder)
    text = str(caught.value)
    assert len(text.splitlines()) == 1 and len(text) < 400 and str(folder) in text, text
    return text


def test_weights_come_back_as_they_were(trained, tiny):
    model, description = load_model(trained)
    again, _ = load_model(trained)
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert not model.training and torch.equal(model(x), again(x))
    assert description["classes"] == Prepared(tiny).classes and description["options"] == {"width": 2, "depth": 1}
    assert description["training"] == changed(epochs=1).model_dump(mode="json")


def test_the_fingerprint_is_that_of_validation_and_training_images(trained, tiny):
    model, description = load_model(trained)
    data = Prepared(tiny)
    learnt, held_out = (list(batches_of(images, "cpu")) for images, _ in (data.train, data.val))
    assert description["fingerprint"] == fingerprint(model, held_out, learnt).written()
    assert description["fingerprint"] != fingerprint(model, held_out).written()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"options": {"width": 4, "depth": 1}}, "do not fit"),
        ({"options": {"width": 2, "depth": 2}}, "do not fit"),
        ({"num_classes": 7}, "do not fit"),
        ({"in_channels": 1}, "do not fit"),
        ({"architecture": "sresnet", "options": {"width": 2}}, "do not fit"),
        ({"architecture": "unknown"}, "unet, seunet, sresnet"),
        ({"options": {"colour": 2}}, "colour"),
        ({"options": None}, "model.json"),
        ({"options": {"width": -1}}, "width"),
    ],
    ids=repr,
)
def test_weights_that_do_not_fit_the_description(trained, tmp_path, changes, part):
    assert part in refusal(altered(trained, tmp_path / "altered", **changes))


@pytest.mark.parametrize("content", [b"", b"junk" * 100, None], ids=["empty", "junk", "truncated"])
def test_damaged_weights(trained, tmp_path, content):
    folder = altered(trained, tmp_path / "damaged")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-50] if content is None else content)
    assert "not a whole safetensors file" in refusal(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"architecture": "unet"}', "null"])
def test_damaged_description(trained, tmp_path, content):
    folder = altered(trained, tmp_path / "damaged")
    (folder / "model.json").write_text(content)
    assert "model.json" in refusal(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_missing_files(trained, tmp_path, name):
    folder = altered(trained, tmp_path / "missing")
    (folder / name).unlink()
    assert "train the model first" in refusal(folder)


def test_a_crop_larger_than_the_images_is_refused(tiny, tmp_path):
    with pytest.raises(UserError, match="64 is larger than the images of 32 × 32"):
        run(tiny, tmp_path, changed(crop=64))


# A full disk


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "history.csv", "last.pt"])
def test_a_full_disk_leaves_nothing_half_written(tiny, tmp_path, monkeypatch, name):
    """The temporary file is a link to /dev/full, where every write fails as on a full disk."""
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is absent: a full disk cannot be acted here")
    temporary = tmp_path / f".{Path(name).stem}.{os.getpid()}.partial{Path(name).suffix}"
    temporary.symlink_to("/dev/full")
    with pytest.raises(UserError, match=f"{name}: the disk is full") as caught:
        run(tiny, tmp_path)
    assert len(str(caught.value).splitlines()) == 1
    left = {file.name for file in tmp_path.iterdir()}
    written = {"history.csv": set(), "last.pt": {"history.csv"}, "model.safetensors": {"history.csv", "last.pt"}}
    assert left == written.get(name, {"history.csv", "last.pt", "model.safetensors"})
    run(tiny, tmp_path)  # with space again, it goes on
    run(tiny, tmp_path / "whole")
    assert weights(tmp_path) == weights(tmp_path / "whole")


def test_a_disk_that_fills_while_the_state_is_written(tiny, stopped, monkeypatch):
    before = sha256(stopped / "last.pt")
    write = Path.write_bytes

    def half(path, content):
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(UserError, match="last.pt: the disk is full"):
        run(tiny, stopped)
    assert sha256(stopped / "last.pt") == before
    assert {file.name for file in stopped.iterdir()} == {"history.csv", "last.pt"}


# Schedules


def rates(schedule: str, val_losses: list[float], rate: float = 1e-3) -> list[float]:
    """Return the learning rate of every epoch, given the validation loss at the end of each."""
    state = TrainingState(
        nn.Linear(1, 1), Training(epochs=len(val_losses), batch_size=1, learning_rate=rate, schedule=schedule), seed=0
    )
    for loss in val_losses:
        state.optimizer.step()
        state.finish_epoch(1.0, loss, 0.0, 1.0, 1)
    return [row["learning_rate"] for row in state.history]


def test_constant_schedule():
    assert rates("constant", [1.0] * 50) == [1e-3] * 50


def test_exponential_schedule():
    found = rates("exponential", [1.0] * 201)
    assert found[0] == 1e-3 and found[1] < 1e-3
    np.testing.assert_allclose(found, [1e-3 * 10 ** (-epoch / 100) for epoch in range(201)], rtol=1e-6)


def test_plateau_schedule_drops_after_30_epochs_without_improvement():
    # epoch 1 is the best; 2 … 31 are 30 epochs without improvement; so epoch 32 is the first with a tenth
    found = rates("plateau", [1.0] * 130)
    np.testing.assert_allclose(found[:31], 1e-3)
    np.testing.assert_allclose(found[31:61], 1e-4)
    np.testing.assert_allclose(found[61:91], 1e-5)
    np.testing.assert_allclose(found[91:], 1e-6)  # the floor


def test_plateau_schedule_counts_improvements_of_more_than_1e_4_alone():
    steps = np.arange(100)
    np.testing.assert_allclose(rates("plateau", list(5 - 2e-4 * steps)), 1e-3)
    assert rates("plateau", list(5 - 1e-6 * steps))[31] == pytest.approx(1e-4)
    late = [1.0] * 30 + [0.9] + [0.9] * 40  # the improvement in epoch 31 comes just in time
    found = rates("plateau", late)
    np.testing.assert_allclose(found[:61], 1e-3)
    np.testing.assert_allclose(found[61:], 1e-4)


def test_weight_decay_shrinks_with_the_learning_rate():
    """In torch the decay is multiplied by the rate, so ÷10 of the one is ÷10 of the other (PROTOCOL §4)."""
    layer = nn.Linear(1, 1, bias=False)
    state = TrainingState(layer, Training(epochs=1, batch_size=1, learning_rate=1e-3, weight_decay=0.1), seed=0)
    layer.weight.data.fill_(1.0)
    layer.weight.grad = torch.zeros(1, 1)
    state.optimizer.step()
    assert layer.weight.item() == pytest.approx(1 - 1e-4, abs=1e-7)


# Precision, ignored pixels, networks of the user's own


def test_bfloat16_trains(tiny, tmp_path):
    for architecture, options in (("unet", {"width": 2, "depth": 1}), ("seunet", SEUNET)):
        folder = tmp_path / architecture
        settings = Training(epochs=8, batch_size=3, learning_rate=0.01, precision="bfloat16")
        run(tiny, folder, settings, architecture=architecture, options=options)
        found = losses(folder)["loss"].to_numpy()
        assert np.isfinite(found).all() and found[-1] < found[0]
        weights, _ = load_model(folder)
        assert {value.dtype for value in weights.parameters()} == {torch.float32}
        run(
            tiny,
            tmp_path / "float32" / architecture,
            settings.model_copy(update={"precision": "float32"}),
            0,
            architecture,
            options,
        )
        plain = losses(tmp_path / "float32" / architecture)["loss"].to_numpy()
        assert not np.array_equal(plain, found)  # it did run in another precision
        np.testing.assert_allclose(plain[0], found[0], rtol=0.1)


def test_ignored_pixels_do_not_count_in_the_loss():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator, requires_grad=True)
    target = torch.randint(3, (2, 4, 4), generator=generator)
    ignored = torch.rand(2, 4, 4, generator=generator) < 0.4
    loss = Loss()(logits, torch.where(ignored, 255, target))
    rows = logits.permute(0, 2, 3, 1)[~ignored]
    assert torch.allclose(loss, nn.functional.cross_entropy(rows, target[~ignored]))
    loss.backward()
    assert (logits.grad.permute(0, 2, 3, 1)[ignored] == 0).all()
    assert (logits.grad.permute(0, 2, 3, 1)[~ignored] != 0).any(-1).all()


def test_a_batch_of_ignored_pixels_has_loss_0_and_no_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = Loss()(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


def test_ignored_pixels_do_not_count_in_the_validation(tiny, tmp_path):
    data = Prepared(tiny)
    torch.manual_seed(0)
    model = ToyNetwork(3, len(data.classes))
    images, masks = np.array(data.val[0]), np.array(data.val[1])
    masks[:, :10] = 255
    data.val = images, masks
    first = training.validate(model, data, PLAIN, torch.device("cpu"), Loss())
    images[:, :10] = 255 - images[:, :10]  # the network sees one pixel at a time
    assert training.validate(model, data, PLAIN, torch.device("cpu"), Loss()) == first
    images[:, 10:] = 255 - images[:, 10:]
    assert training.validate(model, data, PLAIN, torch.device("cpu"), Loss()) != first


def test_training_sees_no_other_pixels_than_its_own(tiny, tmp_path):
    """The validation and test images have no influence on the weights."""
    import shutil

    shutil.copytree(tiny, tmp_path / "copy")
    for split in ("val", "test"):
        array = np.load(tmp_path / "copy" / split / "images.npy")
        np.save(tmp_path / "copy" / split / "images.npy", 255 - array)
    run(tiny, tmp_path / "a")
    run(tmp_path / "copy", tmp_path / "b")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_a_network_of_the_users_own_trains(tiny, tmp_path):
    settings = changed(learning_rate=0.1)
    run(tiny, tmp_path, settings, architecture="test_training:ToyNetwork", options={"bias": 1.0})
    model, description = load_model(tmp_path)
    assert type(model).__name__ == "ToyNetwork" and model.bias == 1.0
    assert description["architecture"] == "test_training:ToyNetwork"
    found = losses(tmp_path)["loss"]
    assert found.iloc[-1] < found.iloc[0]
