"""The state of a training: what changes from step to step, how it is stored, and how it comes back."""

import resource
import sys
from typing import Any

import torch
from torch import nn

from seunet.data.augmentation import Augmentation
from seunet.experiment.compiled_step import CompiledNetwork
from seunet.experiment.loss import Loss
from seunet.models.checkpoint import canonical, settings_hash
from seunet.settings.training import Training


class TrainingState:
    """Everything that changes while a network is trained, and how it is stored and restored."""

    def __init__(self, model: nn.Module, training: Training, seed: int, loss: Loss | None = None):
        self.model, self.training, self.loss = model, training, loss or Loss()
        self.called: Any = CompiledNetwork(model) if training.compile else model  # by the steps of the training
        self.augmentation = Augmentation(training)
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            foreach=True,  # on a CPU, where it is not torch's default: the same bits in half the time
        )
        self.schedule = SCHEDULES[training.schedule](self.optimizer, training.epochs)
        self.generator = torch.Generator().manual_seed(seed)  # order of the images, and augmentation
        self.epoch = 0
        self.history: list[dict[str, float]] = []

    def finish_epoch(self, loss: float, val_loss: float, val_metric: float, seconds: float, images: int) -> None:
        """Add a row to the history and let the schedule set the learning rate of the next epoch."""
        self.epoch += 1
        self.history.append(
            {
                "epoch": self.epoch,
                "loss": loss,
                "val_loss": val_loss,
                "val_metric": val_metric,
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "seconds": seconds,
                "images_per_second": images / seconds,
                "peak_memory_mb": peak_memory_mb(),
            }
        )
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(val_loss)
        else:
            self.schedule.step()

    def state(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Return all that `resume` needs, and the settings that it belongs to."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": self.epoch,
            "history": self.history,
            "generator": self.generator.get_state(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],  # of this GPU alone
            "settings": canonical(settings),
            "hash": settings_hash(settings),
        }

    def resume(self, state: dict[str, Any] | None) -> None:
        """Continue from a state; with None, from the start."""
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.epoch, self.history = state["epoch"], state["history"]
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch_rng"])
        if state["cuda_rng"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["cuda_rng"][0])
        print(f"resumed after epoch {self.epoch}", file=sys.stderr, flush=True)


SCHEDULES = {
    # torch drops after patience + 1 epochs without improvement
    "plateau": lambda optimizer, epochs: torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.1, patience=29, threshold=1e-4, threshold_mode="abs", min_lr=1e-6
    ),
    "exponential": lambda optimizer, epochs: torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=10 ** (-1 / 100)),
    "cosine": lambda optimizer, epochs: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs),
    "constant": lambda optimizer, epochs: torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0),
}


def peak_memory_mb() -> float:
    """Return the peak memory in MB: of the GPU where there is one in use, else resident."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
