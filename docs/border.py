"""Draw docs/figures/border.png: what a pixel of a coarse map knows of a cut far away. python docs/border.py"""

from pathlib import Path

import matplotlib
import torch

from seunet import SEUNet
from seunet.data.rendering import render
from seunet.data.shapes import draw_scene
from seunet.report.figures import style

SIDE, CUT = 128, 16
BORDERS = {"zeros": "zeros beyond the border", "replicate": "border pixels beyond the border"}

pixels, _ = render(draw_scene(0, "val_00003", 64), SIDE, SIDE)
image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def coarsest(model: SEUNet, x: torch.Tensor) -> torch.Tensor:
    """Return the map of scale 8 of the head, (F, H, W)."""
    seen = []
    handle = model.head.register_forward_hook(lambda module, inputs, output: seen.append(output[-1][0]))
    with torch.no_grad():
        model(x)
    handle.remove()
    return seen[0]


with matplotlib.rc_context(style.RC | {"axes.grid": False}):
    figure = style.new_figure(style.PAGE, 2.2)
    panels = figure.subplots(1, 3)
    panels[0].imshow(image[0].permute(1, 2, 0))
    panels[0].axhspan(SIDE - CUT, SIDE, color="white", alpha=0.75, linewidth=0)
    panels[0].set_title(f"{SIDE} × {SIDE} pixels; {CUT} rows are cut", loc="left")
    for panel, (border, title) in zip(panels[1:], BORDERS.items(), strict=True):
        torch.manual_seed(0)
        model = SEUNet(3, 3, width=8, depth=3, geometry="exact", layout="pyramid", border=border).eval()
        whole, cut = coarsest(model, image), coarsest(model, image[..., : SIDE - CUT, :])
        change = (whole[:, : cut.shape[1]] - cut).norm(dim=0) / whole.norm(dim=0).mean()
        shown = panel.imshow(change, vmin=0, vmax=1, cmap="magma", extent=(0, SIDE, SIDE - CUT, 0))
        panel.set_ylim(SIDE, 0)
        panel.set_title(title, loc="left")
    bar = figure.colorbar(shown, ax=list(panels), pad=0.02)
    bar.set_label("change of scale 8, relative")
    for panel in panels:
        panel.set(xticks=[], yticks=[], ylim=(SIDE, 0))
        panel.spines[:].set_visible(False)
    style.save(figure, [Path(__file__).parent / "figures" / "border.png"], "Borders")
