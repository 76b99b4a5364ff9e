"""Coefficients that are trained, and kept within bounds after every step."""

import torch
from torch import nn

from seunet.layers.coefficients import BoundedCoefficient, clip_coefficients


def test_every_coefficient_of_a_network_comes_back_within_its_bounds():
    model = nn.Sequential(BoundedCoefficient(3, 0.5, 2), nn.ModuleList([BoundedCoefficient(1, 3, 4)]))
    with torch.no_grad():
        model[0].value.copy_(torch.tensor([0.1, 1.5, 7]))
    clip_coefficients(model)
    assert model[0]().tolist() == [0.5, 1.5, 2] and model[1][0]().tolist() == [3]  # which was 1, outside of its bounds
