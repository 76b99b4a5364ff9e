"""Draw docs/figures/lifting.png: an image, its copies at four scales, and what R_s keeps: python docs/lifting.py"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from seunet.data.shapes import generate
from seunet.layers import GaussianLifting
from seunet.settings.dataset import Preparation

SIDE, SCALES, SIGMA = 96, 4, 0.5

source = generate(Preparation(source="shapes", image_size=SIDE, count={"train": 1, "val": 1, "test": 1}))
_, pixels, _ = next(iter(source.read("test")))
image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
with torch.no_grad():
    lifted = GaussianLifting(3, num_scales=SCALES, geometry="exact", sigma=SIGMA)(image)

figure, panels = plt.subplots(2, SCALES, figsize=(7, 3.9), layout="constrained")
for scale, copy in enumerate(lifted):
    blur = SIGMA * (4**scale - 1) ** 0.5
    kept = copy[..., :: 2**scale, :: 2**scale]
    for panel, part in zip(panels[:, scale], (copy, kept), strict=True):
        panel.imshow(part[0].permute(1, 2, 0).clamp(0, 1), interpolation="nearest")
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    panels[0, scale].set_title(f"s = {scale}, scale {2**scale}\nσ = {blur:.2f} pixels", fontsize=8)
    panels[1, scale].set_xlabel(f"{kept.shape[-1]} × {kept.shape[-2]} pixels", fontsize=8)
panels[0, 0].set_ylabel("Λ(f)(s, ·)", fontsize=8)
panels[1, 0].set_ylabel("every 2$^s$-th pixel", fontsize=8)
figure.savefig(Path(__file__).parent / "figures" / "lifting.png", dpi=200)
