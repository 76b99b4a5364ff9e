"""Windows of scales: how a network that was trained with S scales predicts with more of them.

A window has logits on its own lattice, γ^j Z². `to_image_size` brings them to the pixels of the image.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from seunet.layers.lifted import whole_step
from seunet.ops.interpolation import size_of, upsample
from seunet.ops.tracing import is_traced
from seunet.runtime.errors import UserError

Classify = Callable[[list[Tensor]], Tensor]  # maps of S scales → logits (N, classes, H, W)


class Windows(nn.Module):
    """Lifted map of T scales → logits (N, classes, H, W), from the T − S + 1 windows of S neighbouring scales.

    Window j reads the scales γ^j … γ^(j + S − 1) as the network reads its own S in training. Law: window j of an
    image answers, on the lattice γ^j Z², as window 0 of the image rescaled by γ^j. So one of the windows sees the image
    at the scale of training; the rule says which:

    - `max`: no windows: the maximum over all T scales.
    - `mean`: the mean of the windows' probabilities.
    - `entropy`: for each image the window whose pixels have the least mean entropy.
    - `information`: for each image the window of most mutual information between pixel and class,
      I = H(mean over pixels of p) − mean over pixels of H(p): it is sure of each pixel, and says more than one thing.
    - `pixel`: for each pixel the window of least entropy.
    - `region`: for each pixel the window of most information in the whole image and around it together: its neighbours
      on the window's own lattice, so that a coarse window looks further. For objects of several sizes in one image.
    - a number j: window j.

    Args: rule, one of these; length, S; base, γ; pyramid, whether map s lies on the lattice γ^s Z².
    Raises UserError for another rule.

    Example:
        >>> import torch
        >>> maps = [torch.rand(1, 4, 16, 16) for scale in range(3)]
        >>> Windows("information", length=2)(maps, lambda window: torch.stack(window).amax(0)).shape
        torch.Size([1, 4, 16, 16])
    """

    def __init__(self, rule: str | int, length: int, base: float = 2, pyramid: bool = False):
        super().__init__()
        if rule not in RULES and (type(rule) is not int or rule < 0):
            raise UserError(f"windows: {rule!r} is not one of {', '.join(RULES)}, nor the number of a window")
        self.rule, self.length, self.base, self.pyramid = rule, length, base, pyramid

    def forward(self, maps: list[Tensor], classify: Classify) -> Tensor:
        """T batches (N, F, H_s, W_s) → logits (N, classes, H_0, W_0)."""
        group_logits = [classify(maps[group.start : group.stop]) for group in self.window_groups(len(maps))]
        return self.combine_windows(group_logits, size_of(maps[0]))

    def window_groups(self, scales: int) -> list[range]:
        """Return the groups of scales whose logits the rule needs, of so many scales: windows, or with `max` all."""
        if self.rule == "max":
            return [range(scales)]
        starts = [self.rule] if isinstance(self.rule, int) else range(scales - self.length + 1)
        return [range(j, j + self.length) for j in starts]

    def combine_windows(self, group_logits: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Logits of every group, (N, classes, H_j, W_j) on the lattice of its finest scale → those of the image."""
        if self.rule == "max":
            return group_logits[0]
        if isinstance(self.rule, int):
            return self.to_image_size(group_logits[0], self.rule, size)
        if self.rule == "mean":
            resized = self.all_to_image_size(group_logits, size)
            mean = torch.stack([logits.float().softmax(1) for logits in resized]).mean(0)
            return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
        chosen = self.choose_window(group_logits, size)
        if self.rule not in BY_PIXEL and not is_traced():
            return self.select_per_image(group_logits, chosen.flatten().tolist(), size)
        resized = self.all_to_image_size(group_logits, size)
        selected = resized[0]
        for j, logits in enumerate(resized[1:], start=1):
            selected = torch.where(chosen == j, logits, selected)
        return selected

    def select_per_image(self, window_logits: list[Tensor], chosen: Sequence[int], size: tuple[int, int]) -> Tensor:
        """Return (N, classes, H, W): of image i the logits of window chosen[i]. Only these are resized."""
        return torch.cat([self.to_image_size(window_logits[j][i : i + 1], j, size) for i, j in enumerate(chosen)])

    def concatenate_windows(self, maps: list[Tensor], classify: Classify) -> Tensor:
        """Batches (N, F, H_s, W_s) → logits of every window, (W · N, classes, H_0, W_0), window by window."""
        return torch.cat(self.all_to_image_size(self.window_logits(maps, classify), size_of(maps[0])))

    def window_logits(self, maps: list[Tensor], classify: Classify) -> list[Tensor]:
        """Return the logits of every window, (N, classes, H_j, W_j) on the lattice of its finest scale."""
        return [classify(maps[j : j + self.length]) for j in range(len(maps) - self.length + 1)]

    def all_to_image_size(self, window_logits: Sequence[Tensor], size: tuple[int, int]) -> list[Tensor]:
        """Bring the logits of every window to the pixels of the image, (N, classes, H, W) each."""
        return [self.to_image_size(logits, j, size) for j, logits in enumerate(window_logits)]

    def to_image_size(self, x: Tensor, scale: int, size: tuple[int, int]) -> Tensor:
        """Bring maps, or logits of the window whose finest scale is γ^scale, to the pixels of the image."""
        return upsample(x, whole_step(self.base, scale) if self.pyramid else 1, "aligned", size)

    def choose_window(self, window_logits: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Return the number of the chosen window, (N, 1, 1, 1), or (N, 1, H, W) for the rules `pixel` and `region`."""
        if self.rule == "pixel":
            window_logits = self.all_to_image_size(window_logits, size)
        scores = [CHOICES[str(self.rule)](logarithms(logits.float())) for logits in window_logits]
        if self.rule == "region":
            scores = self.all_to_image_size(scores, size)
        return torch.cat(scores, 1).argmax(1, keepdim=True)

    def winning_scales(self, maps: list[Tensor], window_logits: Sequence[Tensor]) -> Tensor:
        """Return for each pixel the scale at which most channels have their maximum, (N, H, W).

        maps: as in `forward`. window_logits: as returned by the method of that name. Only the scales of the chosen
        window are compared; with the rules `max` and `mean` all are.
        """
        size = size_of(maps[0])
        values = torch.stack([self.to_image_size(x, s, size) for s, x in enumerate(maps)])  # (T, N, F, H, W)
        window = torch.full((1, 1, 1, 1), self.rule if isinstance(self.rule, int) else 0, device=values.device)
        length = self.length
        if self.rule in CHOICES:
            window = self.choose_window(window_logits, size)
        elif not isinstance(self.rule, int):
            length = len(maps)
        scale = torch.arange(len(maps), device=values.device)[:, None, None, None, None]
        inside = (scale >= window[None]) & (scale < window[None] + length)
        best = values.where(inside, -torch.inf).argmax(0)  # (N, F, H, W)
        return torch.stack([(best == s).sum(1) for s in range(len(maps))]).argmax(0)

    def name(self, window: int) -> str:
        """Return the first and the last scale of a window, such as "2-4"."""
        scales = (self.base**window, self.base ** (window + self.length - 1))
        return "-".join(f"{scale:.3g}" for scale in dict.fromkeys(scales))

    def extra_repr(self) -> str:
        """Show the rule."""
        return f"rule={self.rule}"


def logarithms(logits: Tensor) -> Tensor:
    """Return log p (N, classes, H, W), class by class in memory, where sums over pixels are fast."""
    return logits.contiguous().log_softmax(1)


def negative_entropy(log_p: Tensor) -> Tensor:
    """Return Σ p log p of each pixel, (N, 1, H, W)."""
    return (log_p.exp() * log_p).sum(1, keepdim=True)


def certainty(log_p: Tensor) -> Tensor:
    """Return minus the mean entropy of the pixels, (N, 1, 1, 1)."""
    return negative_entropy(log_p).mean((2, 3), keepdim=True)


def information(log_p: Tensor) -> Tensor:
    """Return the mutual information of pixel and class in nats, (N, 1, 1, 1)."""
    p = log_p.exp().mean((2, 3), keepdim=True)
    return certainty(log_p) - (p * p.clamp_min(torch.finfo(p.dtype).tiny).log()).sum(1, keepdim=True)


def information_around(log_p: Tensor) -> Tensor:
    """Return the information of the image and that of the neighbours of each pixel, added, (N, 1, H, W), in nats."""
    p, certain = (around(values) for values in (log_p.exp(), negative_entropy(log_p)))
    return certain - (p * p.clamp_min(torch.finfo(p.dtype).tiny).log()).sum(1, keepdim=True) + information(log_p)


def around(x: Tensor) -> Tensor:
    """Return the mean over the neighbours of each pixel that the image has, itself among them, (N, C, H, W)."""
    return avg_pool2d(x, NEIGHBOURS, 1, NEIGHBOURS // 2, count_include_pad=False)


NEIGHBOURS = 9  # along each side; chosen on validation scenes of objects of several sizes
CHOICES: dict[str, Callable[[Tensor], Tensor]]  # of log p: what a rule that chooses a window makes largest
CHOICES = {
    "entropy": certainty,
    "information": information,
    "pixel": negative_entropy,
    "region": information_around,
}
BY_PIXEL = ("pixel", "region")
RULES = ("max", "mean", *CHOICES)
