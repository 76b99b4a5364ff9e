"""Draw docs/figures/lifting.png: an image of the generated data set and its copies at four scales."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from seunet.data.shapes import generate
from seunet.layers import GaussianLifting

source = generate({"image_size": 96, "count": {"train": 1, "val": 1, "test": 1}})
_, pixels, _ = next(iter(source.read("test")))
image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
with torch.no_grad():
    lifted = GaussianLifting(3, num_scales=4, geometry="exact")(image)

figure, panels = plt.subplots(1, 4, figsize=(7, 2), layout="constrained")
for scale, (panel, copy) in enumerate(zip(panels, lifted, strict=True)):
    panel.imshow(copy[0].permute(1, 2, 0).clamp(0, 1), interpolation="nearest")
    panel.set_title(f"s = {scale}, scale {2**scale}, σ = {0.5 * (4**scale - 1) ** 0.5:.2f} pixels", fontsize=8)
    panel.axis("off")
figure.savefig(Path(__file__).parent / "figures" / "lifting.png", dpi=200)
