"""A trainer for nnU-Net (2.8.1), found by its environment variable nnUNet_extTrainer: docs/how-to/nnunet.md."""

from nnunetv2.training.nnUNetTrainer.variants.network_architecture.nnUNetTrainerNoDeepSupervision import (
    nnUNetTrainerNoDeepSupervision,
)
from torch import Tensor, nn


class SEUNetTrainer(nnUNetTrainerNoDeepSupervision):
    """nnU-Net's own training, without answers of lower resolution, and with a loss for every window of scales."""

    def _build_loss(self) -> nn.Module:
        return LossOfEveryAnswer(super()._build_loss())


class LossOfEveryAnswer(nn.Module):
    """The mean loss of the answers that a network gives for each image: A · N answers, N targets."""

    def __init__(self, loss: nn.Module):
        super().__init__()
        self.loss = loss

    def forward(self, answers: Tensor, target: Tensor) -> Tensor:
        """Logits (A · N, classes, H, W), answer by answer, and target (N, 1, H, W) → the loss, a scalar."""
        parts = answers.split(len(target))
        return sum((self.loss(part, target) for part in parts), answers.new_zeros(())) / len(parts)
