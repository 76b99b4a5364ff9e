"""Augmentation of a batch of images and masks alike: geometry in one resampling, then a gain per channel."""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from seunet.data.rescaling import antialias_sigma
from seunet.layers.lifting import blur
from seunet.settings.training import JitterRange, Training

ELASTIC_PIXELS, ELASTIC_SPACING = 4.0, 32  # of the displacement: standard deviation, distance of control points


class Augmentation:
    """What is drawn anew for every image of a batch, by the settings of a training.

    Of these it reads crop (side of the random window in pixels; None keeps the frame), augmentation, and scale_jitter
    (how images are resized before the crop).
    """

    def __init__(self, training: Training):
        self.crop, self.settings, self.jitter = training.crop, training.augmentation, training.jitter

    def __repr__(self) -> str:
        return f"crop={self.crop} {self.settings} {self.jitter}"

    def __call__(self, images: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) uint8, (N, H, W) uint8 → float32 in [0, 1] and int64, of side `crop`, on the same device.

        Images and masks are continued by reflection beyond their borders, so no pixel gets a wrong label. All
        random numbers come from `generator`, on the CPU, whatever the device. A GPU is given its work and never
        waited for.
        """
        images = images.float() / 255
        height, width = images.shape[-2:]
        size = (self.crop, self.crop) if self.crop else (height, width)
        factor = draw_factors(self.jitter, len(images), generator)
        if self.jitter.low < 1:
            images = antialias(images, factor, self.jitter.low)
        grid = self.grid((height, width), size, send(factor, images.device), generator)
        images = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        labels = masks[:, None].float()
        labels = F.grid_sample(labels, grid, mode="nearest", padding_mode="reflection", align_corners=False)
        gain = send(1 + self.settings.gain * symmetric(images.shape[:2], generator), images.device)
        images = images * gain[..., None, None]
        return images.clamp(0, 1), labels[:, 0].long()

    def grid(
        self, source: tuple[int, int], size: tuple[int, int], factor: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Return where each output pixel is read, (N, h, w, 2) in the coordinates of grid_sample.

        The window of `size` lies at random inside the rescaled image, or around its centre where that is
        smaller; it is rotated about its own centre, then mirrored.
        """
        device, count = factor.device, len(factor)
        height, width = source
        pixels_x, pixels_y = window_pixels(size, device)  # (h, w), from the window's centre
        if self.settings.elastic:
            displacement = self.displacement(count, size, generator, device)
            pixels_x, pixels_y = pixels_x + displacement[:, 0], pixels_y + displacement[:, 1]
        angle = send(math.radians(self.settings.rotation) * symmetric((count,), generator), device)
        mirror_x = send(self.mirror("horizontal", count, generator), device)
        mirror_y = send(self.mirror("vertical", count, generator), device)
        cos, sin = (torch.cos(angle) / factor)[:, None, None], (torch.sin(angle) / factor)[:, None, None]
        x, y = pixels_x * mirror_x[:, None, None], pixels_y * mirror_y[:, None, None]
        free_x = (width - size[1] / factor).clamp(min=0) / 2  # how far the window's centre may move
        free_y = (height - size[0] / factor).clamp(min=0) / 2
        shift_x = free_x * send(symmetric((count,), generator), device)
        shift_y = free_y * send(symmetric((count,), generator), device)
        if self.settings.rotation == 0 and not self.jitter.resizes and not self.settings.elastic:
            # whole pixels: a plain crop copies values instead of interpolating them
            shift_x = whole_pixels(shift_x, width - size[1])
            shift_y = whole_pixels(shift_y, height - size[0])
        source_x = cos * x - sin * y + shift_x[:, None, None]
        source_y = sin * x + cos * y + shift_y[:, None, None]
        return torch.stack([source_x * 2 / width, source_y * 2 / height], dim=-1)

    def mirror(self, axis: str, count: int, generator: torch.Generator) -> Tensor:
        """Return −1 or 1 per image, (N,): −1 with probability ½ where this axis is to be mirrored."""
        signs = 1 - 2 * torch.randint(2, (count,), generator=generator).float()
        return signs if axis in self.settings.flips else signs.abs()

    def displacement(
        self, count: int, size: tuple[int, int], generator: torch.Generator, device: torch.device
    ) -> Tensor:
        """Return a smooth random displacement in pixels, (N, 2, h, w): bicubic between random control points."""
        points = [max(2, math.ceil(side / ELASTIC_SPACING) + 1) for side in size]
        control = ELASTIC_PIXELS * torch.randn(count, 2, *points, generator=generator)
        return F.interpolate(send(control, device), size=size, mode="bicubic", align_corners=True)


def draw_factors(jitter: JitterRange, count: int, generator: torch.Generator) -> Tensor:
    """Return the factor by which each image is resized, (N,)."""
    share = torch.rand(count, generator=generator)
    if jitter.law == "log":
        return torch.exp(math.log(jitter.low) + math.log(jitter.high / jitter.low) * share)
    return jitter.low + (jitter.high - jitter.low) * share


def window_pixels(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the x and y of a window's pixel centres, measured from the window's centre, (h, w) each."""
    y, x = (torch.arange(side, device=device) - (side - 1) / 2 for side in size)
    return x.expand(size), y[:, None].expand(size)


def send(numbers: Tensor, device: torch.device) -> Tensor:
    """Return drawn numbers on the device; a plain copy to a GPU would wait until all its earlier work is done."""
    return numbers.to(device, non_blocking=True)


def symmetric(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Return numbers uniform in [−1, 1]."""
    return 2 * torch.rand(shape, generator=generator) - 1


def whole_pixels(shift: Tensor, free: int) -> Tensor:
    """Round the shifts of a window whose centre moves by ± free/2 so that its pixels meet the image's."""
    return torch.round(shift + free / 2) - free / 2


def antialias(images: Tensor, factor: Tensor, smallest: float) -> Tensor:
    """Blur (N, C, H, W) before it shrinks by the factors (N,), as the test images are when they shrink.

    The kernels of all images have the length that the smallest factor needs.
    """
    count, channels, height, width = images.shape
    sigma = antialias_sigma(factor).clamp(min=1e-3)
    radius = math.ceil(3 * float(antialias_sigma(torch.tensor(smallest))))
    position = torch.arange(-radius, radius + 1)
    kernel = torch.softmax(-(position**2) / (2 * sigma[:, None] ** 2), dim=1)  # (N, 2r + 1)
    kernel = send(kernel, images.device).repeat_interleave(channels, dim=0)
    return blur(images.reshape(1, count * channels, height, width), kernel).reshape(images.shape)
