"""A U-Net that takes its time without taking the CPU, so that a test can end its training half-way."""

import os
import time

from seunet.models import UNet


class SlowUNet(UNet):
    """The U-Net, whose training steps wait for SLOW_SECONDS: the weights do not depend on it."""

    def forward(self, x):
        """Map (N, C, H, W) to logits (N, classes, H, W)."""
        if self.training:
            time.sleep(float(os.environ.get("SLOW_SECONDS", "0")))
        return super().forward(x)
