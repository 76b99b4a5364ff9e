"""Figures for a paper, drawn from tables and samples alone.

`style` and `axes` have what they share, `curves` metric and consistency against scale, `gallery` predictions side by
side, `windows` the windows of scales of lifted networks, `winners` the scale that won at each pixel, `crops` how
answers hold when images are cut, `training` the training curves, `claims` differences with their intervals,
`equivariance` the errors of trained networks. Every function writes its figure under all paths it is given (.png,
.svg). Of commands alone: `scales`, one image at several scales, and `magnification`, the score of every factor.
"""

from seunet.report.figures.claims import draw_claims
from seunet.report.figures.crops import draw_crops
from seunet.report.figures.curves import draw_augmentation, draw_consistency, draw_iou
from seunet.report.figures.equivariance import draw_equivariance
from seunet.report.figures.gallery import draw_predictions
from seunet.report.figures.training import draw_training_curves
from seunet.report.figures.windows import draw_scales
from seunet.report.figures.winners import draw_winners

__all__ = [
    "draw_augmentation",
    "draw_claims",
    "draw_consistency",
    "draw_crops",
    "draw_equivariance",
    "draw_iou",
    "draw_predictions",
    "draw_scales",
    "draw_training_curves",
    "draw_winners",
]
