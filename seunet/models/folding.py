"""Networks for prediction alone: batch norm is folded into the convolutions before it, and maps may be bfloat16.

A batch norm in evaluation mode is x ↦ a x + c, a = γ / √(σ² + ε) and c = β − a μ, one number each per channel. After a
convolution with kernel w and bias b, both together are a convolution with kernel a w and bias a b + c.
"""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.layers import ScaleCrossCorrelation
from seunet.layers.lifted import ScaleLayer, lattice
from seunet.layers.normalisation import ScaleBatchNorm
from seunet.layers.pyramid import OnLattice
from seunet.models.seunet import SEUNet
from seunet.models.sresnet import SResNet
from seunet.models.unet import UNet
from seunet.models.ushape import Fusion
from seunet.ops.fused import Ordered, fused_convolution
from seunet.ops.interpolation import add_upsampled
from seunet.ops.lattice import continued

CLASSIFIED_ROWS = 64  # of a map at a time: see `Float32Classifier`


def can_be_folded(model: nn.Module) -> bool:
    """Tell whether a network is one of ours with our parts; a subclass, or a swapped part, computes in its own way."""
    return type(model) in (UNet, SEUNet, SResNet) and all(map(has_own_parts, model.modules()))


def has_own_parts(module: nn.Module) -> bool:
    """Tell whether what `folded` changes in a module is as our networks build it."""
    if isinstance(module, Fusion):
        return type(module.activation) is ScaleBatchNorm and type(module.fuse).__module__.startswith("seunet.")
    if not isinstance(module, nn.Sequential):
        return True
    layers = list(module)
    return all(is_own(before) for before, layer in pairwise(layers) if isinstance(layer, ScaleBatchNorm))


def is_own(convolution: nn.Module) -> bool:
    """Tell whether a layer is a correlation of ours, or a convolution as `FoldedConvolution` computes it."""
    if type(convolution) is not nn.Conv2d:
        return isinstance(convolution, ScaleCrossCorrelation)
    usual = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]  # torch's own is a tuple of any length
        padding=convolution.kernel_size[0] // 2,
        device="meta",
    )
    return repr(convolution) == repr(usual)


def folded(model: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return a copy of a network of ours, in evaluation mode, that answers the same without its batch norms.

    dtype: of the maps between lifting and classifier. Lifting, classifier and logits are float32 in any case. The copy
    has the same class, stages and sizes, and can be predicted in bands; it cannot be trained.

    Example:
        >>> model, x = UNet(1, 2, width=2, depth=1).eval(), torch.rand(1, 1, 8, 8)
        >>> torch.allclose(folded(model)(x), model(x), atol=1e-5)
        True
    """
    model = copy.deepcopy(model).requires_grad_(False)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Sequential):
                setattr(parent, name, fold_sequence(child))
            elif isinstance(child, Fusion):
                fold(child.fuse, child.activation)
                setattr(parent, name, FoldedFusion(child.fuse))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch documents it
    return model if dtype == torch.float32 else lowered(model, dtype)


def fold_sequence(layers: nn.Sequential) -> nn.Sequential:
    """Return the layers in turn, without the batch norms that follow a convolution."""
    found: list[Any] = []
    for layer in layers:
        if not isinstance(layer, ScaleBatchNorm):
            found.append(layer)
            continue
        fold(found[-1], layer)
        kind = FoldedCorrelation if isinstance(found[-1], ScaleCrossCorrelation) else FoldedConvolution
        found[-1] = kind(found[-1], layer.positive)
    return nn.Sequential(*found)


@torch.no_grad()
def fold(convolution: Any, norm: Any) -> None:
    """Fold a batch norm into a convolution of any kind: its first axis is that of the output channels."""
    a = norm.weight.double() * torch.rsqrt(norm.running_var.double() + norm.eps)
    c = norm.bias.double() - a * norm.running_mean.double()
    weight = convolution.weight
    weight.copy_(weight.double() * a.view(-1, *[1] * (weight.dim() - 1)))
    convolution.bias.copy_(convolution.bias.double() * a + c)


class FoldedConvolution(nn.Module):
    """A convolution of stride 1, and ReLU if `positive`: (N, C, H, W) → (N, C', H, W)."""

    def __init__(self, convolution: nn.Conv2d, positive: bool):
        super().__init__()
        self.convolution, self.positive, self.kernel_size = convolution, positive, convolution.kernel_size
        self.ordered = Ordered()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C', H, W)."""
        weight, bias = self.convolution.weight, self.convolution.bias
        return fused_convolution(x, weight, bias, self.positive, self.ordered, padding=self.kernel_size[0] // 2)


class FoldedCorrelation(ScaleLayer):
    """A scale-cross-correlation, and ReLU if `positive`: S batches (N, C, H, W) → S batches (N, C', ⌈H/r⌉, ⌈W/r⌉)."""

    def __init__(self, correlation: ScaleCrossCorrelation, positive: bool):
        super().__init__()
        self.correlation, self.positive, self.ordered = correlation, positive, Ordered()
        self.has_one_kernel = correlation.basis == "taps" and correlation.weight.shape[2] == 1

    def maps(self, x: list[Tensor]) -> list[Tensor]:
        """S batches (N, C, H, W) → S batches (N, C', ⌈H/r⌉, ⌈W/r⌉)."""
        return super().maps(x) if self.has_one_kernel else [self.rectified(y) for y in self.correlation.maps(x)]

    def at(self, x: Tensor, scale: int) -> Tensor:
        """(N, C, H, W) → (N, C', ⌈H/r⌉, ⌈W/r⌉)."""
        of = self.correlation
        if not self.has_one_kernel:
            return self.rectified(of.at(x, scale))
        (kernel,), (step, _) = of.kernels(), lattice(of.base, 0 if isinstance(of, OnLattice) else scale)
        radius = kernel.shape[-1] // 2
        x, padding = (continued(x, step, radius), 0) if of.border == "replicate" else (x, step * radius)
        return fused_convolution(x, kernel, of.bias, self.positive, self.ordered, of.stride, padding, step)

    def rectified(self, y: Tensor) -> Tensor:
        """Apply the ReLU if there is one."""
        return F.relu_(y) if self.positive else y

    def reach(self, scale: int) -> int:
        """Return how many pixels of the input an output reads to either side at a scale."""
        return self.correlation.reach(scale)


class FoldedFusion(nn.Module):
    """Upsampling, skip, 1 × 1 convolution and ReLU, as `Fusion` computes them."""

    def __init__(self, fuse: Any):
        super().__init__()
        self.fuse, self.of_skip, self.of_coarse = fuse, Ordered(), Ordered()

    def forward(self, x: Any, skip: Any) -> Any:
        """Maps at half the resolution, and those of the skip → maps as those of the skip."""
        if isinstance(x, list):
            return [self.forward(*pair) for pair in zip(x, skip, strict=True)]
        of = self.fuse
        y = fused_convolution(skip, of.weight[:, of.split :], of.bias, False, self.of_skip)
        coarse = fused_convolution(x, of.weight[:, : of.split], None, False, self.of_coarse)
        return add_upsampled(y, coarse, of.factor, of.mode, positive=True)


class Cast(ScaleLayer):
    """Maps of any type → the same in another type."""

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x: Any) -> Any:
        """Convert a map, or S maps."""
        return self.maps(x) if isinstance(x, list) else x.to(self.dtype)

    def at(self, x: Tensor, scale: int) -> Tensor:
        """Convert a map."""
        return x.to(self.dtype)


class Float32Classifier(nn.Conv2d):
    """The classifier of a network whose maps have another type: its logits are float32."""

    ordered: Ordered

    def forward(self, x: Tensor) -> Tensor:
        """(N, F, H, W) → logits (N, classes, H, W), a few rows at a time, whose float32 copy stays in the cache."""
        parts = (rows.float() for rows in x.split(CLASSIFIED_ROWS, 2))
        return torch.cat([fused_convolution(x, self.weight, self.bias, False, self.ordered) for x in parts], 2)


@torch.no_grad()
def lowered(model: Any, dtype: torch.dtype) -> nn.Module:
    """Let a network compute in another type between its first convolution and its classifier.

    Both of them, and every bias, stay float32: rounding an image of 8 bits, or a bias, would move whole areas.
    """
    holder, name = (model, "stem") if hasattr(model, "stem") else (model.blocks[0], "body")
    first, *others = getattr(holder, name)
    exact = [first, model.classifier, getattr(model, "lift", None)]
    biases = {id(module.bias) for module in fused_modules(model)}
    kept = {id(value) for module in exact if module for value in module.parameters()} | biases
    for value in model.parameters():
        if id(value) not in kept:
            value.data = (rounded(value, dtype) if value.dim() >= 4 else value.data).to(dtype)
    setattr(holder, name, nn.Sequential(first, Cast(dtype), *others))
    model.classifier.__class__, model.classifier.ordered = Float32Classifier, Ordered()
    return model


def fused_modules(model: nn.Module) -> Iterator[Any]:
    """Yield the convolutions whose bias stays float32: those that `fused_convolution` computes."""
    for module in model.modules():
        if isinstance(module, FoldedConvolution):
            yield module.convolution
        elif isinstance(module, FoldedCorrelation) and module.has_one_kernel:
            yield module.correlation
        elif isinstance(module, FoldedFusion):
            yield module.fuse


def rounded(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """Round kernels (C_out, C_in, …) to the numbers of another type, so that the sum of each keeps its value.

    The error of each tap is added to the next smaller one before that is rounded. Neighbouring pixels are alike, so
    errors that sum to zero cancel: a tenth to a half of the pixels change their class that change it when each tap is
    rounded by itself.
    """
    taps = weight.flatten(2)
    order = taps.abs().argsort(2, descending=True)
    exact = taps.gather(2, order)
    found, error = torch.empty_like(exact), torch.zeros_like(exact[..., 0])
    for i in range(exact.shape[2]):
        value = exact[..., i] + error
        found[..., i] = value.to(dtype).to(value.dtype)
        error = value - found[..., i]
    return torch.empty_like(taps).scatter_(2, order, found).view_as(weight)
