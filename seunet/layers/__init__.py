"""Layers on lifted maps (S, N, C, H, W): `x[s]` is an ordinary batch of feature maps at scale γ^s."""

from seunet.layers.coefficients import clip_coefficients
from seunet.layers.crosscorrelation import ScaleCrossCorrelation
from seunet.layers.equivariance import equivariance_error
from seunet.layers.lifting import GaussianLifting
from seunet.layers.pooling import FlatDilation, QuadraticDilation, Subsampling
from seunet.layers.projection import ScaleDropout, ScaleProjection
from seunet.layers.upsampling import ScaleUpsample

__all__ = [
    "FlatDilation",
    "GaussianLifting",
    "QuadraticDilation",
    "ScaleCrossCorrelation",
    "ScaleDropout",
    "ScaleProjection",
    "ScaleUpsample",
    "Subsampling",
    "clip_coefficients",
    "equivariance_error",
]
