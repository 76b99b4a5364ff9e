"""Training: one loop over epochs that can be stopped at any moment and resumed to bitwise the same weights."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from seunet.data.arrays import Prepared
from seunet.experiment.compiled_step import resolve_compile
from seunet.experiment.degenerate import Fault, warnings_of
from seunet.experiment.determinism import check_deterministic
from seunet.experiment.fingerprint import fingerprint_of
from seunet.experiment.last_finite import check_loss, discard, last_finite_kept, write_history
from seunet.experiment.loss import Loss, balanced_weights
from seunet.experiment.metrics import confusion_counts
from seunet.experiment.state import TrainingState
from seunet.layers import clip_coefficients
from seunet.models import build_model
from seunet.models.calling import call_network, check_finite, check_gradient, check_trainable, size_multiple
from seunet.models.checkpoint import exchange_state, load_state, save_model, save_state
from seunet.ops import native
from seunet.runtime.device import device_name
from seunet.runtime.errors import UserError
from seunet.runtime.files import sha256
from seunet.runtime.memory import keep_freed_memory
from seunet.runtime.version import VERSION
from seunet.settings.training import Training


def train(
    dataset: Path,
    architecture: str,
    options: dict[str, Any],
    training: Training,
    seed: int,
    folder: Path,
    device: torch.device | str = "cpu",
    about: dict[str, Any] | None = None,
    keep_others: bool = False,
) -> None:
    """Train a network on a prepared data set; write model.safetensors, model.json and history.csv to `folder`.

    After every epoch the whole state goes to last.pt, from which an interrupted call resumes; the file goes when
    the weights are written. `about` is added to model.json. A last.pt of other settings is an error, but with
    `keep_others` waits beside until these settings come back.
    """
    device = torch.device(device)
    resolved = resolve_compile(training, device)
    torch.set_num_threads(training.threads)
    keep_freed_memory()
    torch.manual_seed(seed)
    data = Prepared(dataset)
    description = {
        "architecture": architecture,
        "in_channels": data.channels,
        "num_classes": len(data.classes),
        "options": options,
        "seed": seed,
        "training": training.model_dump(mode="json"),
        "dataset": dataset_fingerprint(dataset),
        "compile": resolved.compile,
        "compiled_layers": device.type == "cpu" and native.is_available(),  # which round otherwise than torch does
    }
    model = build_model(architecture, data.channels, len(data.classes), **options)
    model = model.to(device)
    check_crop(data, training.crop)
    check_trainable(model)
    check_first_batch(model, data, training, device)
    weights = training.class_weights
    weights = balanced_weights(data.train[1], len(data.classes)) if weights == "balanced" else weights
    run = TrainingState(model, resolved, seed, Loss(training.loss, weights))
    if keep_others:
        exchange_state(folder, description)
    run.resume(load_state(folder / "last.pt", description))
    versions = {"seunet": VERSION, "torch": torch.__version__, "device": device_name(device)}
    shown = description | {"classes": data.classes, "preparation": data.preparation} | (about or {}) | versions
    with last_finite_kept(folder, model, description, shown):
        while run.epoch < training.epochs:
            warnings = finish_epoch(run, data, device)
            write_history(folder / "history.csv", run.history)
            save_state(folder / "last.pt", run.state(description))
            report(run.history[-1], training.epochs, warnings)
    write_history(folder / "history.csv", run.history)
    save_model(folder, model, shown | {"fingerprint": fingerprint_of(model.eval(), data, device).written()})
    (folder / "last.pt").unlink(missing_ok=True)
    discard(folder)


def finish_epoch(run: TrainingState, data: Prepared, device: torch.device) -> list[Fault]:
    """Train for an epoch, validate, and add a row to the history; return warnings of the validation."""
    started = time.monotonic()
    loss = train_epoch(run, data, device)
    seconds = time.monotonic() - started
    val_loss, val_metric, warnings = validate(run.model, data, run.training, device, run.loss)
    check_loss(val_loss, "validation loss", f"epoch {run.epoch + 1}")
    run.finish_epoch(loss, val_loss, val_metric, seconds, len(data.train[0]))
    return warnings


def train_epoch(run: TrainingState, data: Prepared, device: torch.device) -> float:
    """Pass once over the training images in random order; return the mean loss of the steps.

    A loss is read when the step after it has been given to the device: so a GPU always has work, and the next batch
    is made in the meantime.
    """
    images, masks = data.train
    order = torch.randperm(len(images), generator=run.generator).numpy()
    batches = split_batches(order, run.training.batch_size)
    run.model.train()
    losses: list[float] = []
    unread: list[Tensor] = []

    def read_loss() -> None:
        losses.append(unread.pop(0).item())
        check_loss(losses[-1], "loss", f"epoch {run.epoch + 1}, step {len(losses)}")

    for indices in tqdm(batches, desc=f"epoch {run.epoch + 1}", leave=False, disable=not sys.stderr.isatty()):
        x, y = run.augmentation(*load_batch(images, masks, indices, device), run.generator)
        unread.append(training_step(run, x, y, len(data.classes)))
        if len(unread) > 1:
            read_loss()
    read_loss()
    return float(np.mean(losses))


def split_batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Cut the order of the images into batches; a last one of a single image joins the one before.

    Batch norm of many networks fails on one image, or makes a constant of it.
    """
    ends = list(range(size, len(order), size))
    if size > 1 and len(order) % size == 1 and ends:
        ends.pop()
    return np.split(order, ends)


@torch.no_grad()
def check_first_batch(model: nn.Module, data: Prepared, training: Training, device: torch.device) -> None:
    """Ask a network for the first validation batch, before any epoch; raise UserError if it answers no finite logits.

    No random number of the training is used up, and no running mean moves.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []), autocast(training, device):
        x, _ = next(validation_batches(data, training.batch_size, device))
        model.eval()
        check_finite(call_network(model, x, len(data.classes)), model)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            check_deterministic(model, x[:1])
        except UserError as error:
            print(f"warning: {error}. Its test will be refused.", file=sys.stderr, flush=True)
    multiple, sides = size_multiple(model), training.crop or x.shape[-2:]
    if any(side % multiple for side in np.atleast_1d(sides)):
        print(f"training images are padded to sides that are multiples of {multiple}", file=sys.stderr, flush=True)


def training_step(run: TrainingState, x: Tensor, y: Tensor, classes: int) -> Tensor:
    """Take one step of the optimiser on a batch; return its loss, a scalar on the device.

    A network may answer several times for each image, see `call_network`: then all answers count alike.
    """
    with autocast(run.training, x.device):
        logits = call_network(run.called, x, classes)
    check_gradient(logits, run.model)
    loss = run.loss(logits.float(), y.repeat(len(logits) // len(y), 1, 1))
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    run.optimizer.step()
    clip_coefficients(run.model)
    return loss.detach()


@torch.no_grad()
def validate(
    model: nn.Module, data: Prepared, training: Training, device: torch.device, loss: Loss
) -> tuple[float, float, list[Fault]]:
    """Return the loss and the data set's metric over all validation images, whole, at scale 1, and warnings."""
    model.eval()
    sums: list[list[Tensor]] = []  # they stay on the device until the end
    counts = torch.zeros(3, len(data.classes), dtype=torch.int64, device=device)
    for x, y in validation_batches(data, training.batch_size, device):
        with autocast(training, device):
            logits = call_network(model, x, len(data.classes)).float()
        sums.append([part.double() for part in loss.sums(logits, y)])
        counts += confusion_counts(y, logits.argmax(1), len(data.classes)).sum(1)
    tp, fp, fn = counts.cpu().numpy()
    metric = data.metric.of_counts(tp, fp, fn, data.classes)
    entropy, weight, overlap, size = (sum(parts[1:], parts[0]) for parts in zip(*sums, strict=True))
    return (
        float(loss.value(entropy, weight, overlap, size)),
        metric,
        warnings_of(data.classes, (tp + fp).tolist(), (tp + fn).tolist(), metric),
    )


def validation_batches(data: Prepared, size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the validation images, float32 in [0, 1], and masks, int64, batch by batch."""
    images, masks = data.val
    for start in range(0, len(images), size):
        x, y = load_batch(images, masks, np.arange(start, min(start + size, len(images))), device)
        yield x.float() / 255, y.long()


def load_batch(
    images: np.ndarray, masks: np.ndarray, indices: np.ndarray, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Copy images (N, H, W, C) and masks (N, H, W) from disk to the device: (n, C, H, W) and (n, H, W), uint8."""
    x, y = torch.from_numpy(images[indices]), torch.from_numpy(masks[indices])
    if device.type == "cuda":  # from pinned memory the copies run beside what the GPU still has to do
        x, y = x.pin_memory(), y.pin_memory()
    return x.to(device, non_blocking=True).permute(0, 3, 1, 2), y.to(device, non_blocking=True)


def autocast(training: Training, device: torch.device) -> torch.autocast:
    """Return the context in which the network runs: bfloat16 where the settings ask for it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=training.precision == "bfloat16")


def check_crop(data: Prepared, crop: int | None) -> None:
    """Raise UserError when the crop is larger than the images."""
    if crop is not None and crop > min(data.height, data.width):
        raise UserError(
            f"training.crop: {crop} is larger than the images of {data.height} × {data.width} pixels; "
            f"give at most {min(data.height, data.width)}"
        )


def dataset_fingerprint(dataset: Path) -> dict[str, str]:
    """Return the checksums of what a training reads."""
    files = [dataset / split / name for split in ("train", "val") for name in ("images.npy", "masks.npy")]
    return {str(file.relative_to(dataset)): sha256(file) for file in files}


def report(row: dict[str, float], epochs: int, warnings: list[Fault]) -> None:
    """Print the epoch that ended, as one line, and after the last one what is wrong with the network."""
    print(
        f"epoch {row['epoch']}/{epochs}  loss {row['loss']:.4f}  val_loss {row['val_loss']:.4f}  "
        f"val_metric {row['val_metric']:.4f}  lr {row['learning_rate']:.1e}  {row['seconds']:.1f} s  "
        f"{row['images_per_second']:.1f} images/s",
        file=sys.stderr,
        flush=True,
    )
    for warning in warnings if row["epoch"] == epochs else ():
        print(f"warning: on the validation images this network {warning}", file=sys.stderr, flush=True)
