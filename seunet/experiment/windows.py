"""Counts of the windows of a SEU-Net in its test: what each predicts, how often it is chosen, which scale wins."""

from collections import defaultdict
from collections.abc import Iterator
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from seunet.experiment.metrics import confusion_counts
from seunet.models.windows import CHOICES, Windows
from seunet.ops.interpolation import size_of


class WindowCounter:
    """Counts what each window of a network predicts, image by image; nothing for a network without windows.

    It is a context manager; call `count` after each prediction.
    """

    def __init__(self, model: nn.Module, classes: int):
        self.windows = next((module for module in model.modules() if isinstance(module, Windows)), None)
        self.classes = classes
        self.handle: RemovableHandle | None = None
        self.seen: tuple | None = None  # the inputs of the windows at the last prediction
        self.totals: dict[tuple, list[Tensor]] = defaultdict(list)  # size: counts (windows, 3, C) of each batch
        self.choices: dict[tuple, list[Tensor]] = defaultdict(list)  # size: the share of each window, (windows, N)

    def __enter__(self) -> "WindowCounter":
        if self.windows is not None:
            self.handle = self.windows.register_forward_hook(self.see)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.handle is not None:
            self.handle.remove()

    def see(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        """Keep what the windows were given."""
        self.seen = inputs

    @torch.no_grad()
    def count(self, size: tuple[int, int], target: Tensor, shown: list[int]) -> Tensor | None:
        """Count what each window predicts for the images of the last prediction; target (N, H, W).

        Return the winning scale of each pixel of the images `shown` (indices), (n, H, W). Nothing is counted where the
        network has one window, or predicted in parts; then, and where no image is shown, None is returned.
        """
        windows, inputs, self.seen = self.windows, self.seen, None
        if windows is None or inputs is None:
            return None
        maps, classify = inputs
        if maps[0].shape[-2:] != target.shape[-2:] or len(maps) == windows.length:
            return None
        window_logits = windows.window_logits(maps, classify)
        resized = windows.all_to_image_size(window_logits, size)
        counts = [confusion_counts(target, logits.argmax(1), self.classes).sum(1) for logits in resized]
        self.totals[size].append(torch.stack(counts).cpu())
        self.choices[size].append(shares(windows, window_logits, resized).cpu())
        if not shown:
            return None
        return windows.winning_scales([x[shown] for x in maps], [logits[shown] for logits in window_logits])

    def results(self, size: tuple[int, int]) -> Iterator[tuple[str, Tensor, float, int]]:
        """Yield a window's name, such as "2-4", its counts (3, C), for how many images it was chosen, of how many."""
        if self.windows is None or not self.totals[size]:
            return
        totals, shares = torch.stack(self.totals[size]).sum(0), torch.cat(self.choices[size], dim=1)
        for j, counts in enumerate(totals):
            yield self.windows.name(j), counts, float(shares[j].sum()), shares.shape[1]


def shares(windows: Windows, window_logits: list[Tensor], resized: list[Tensor]) -> Tensor:
    """Return for which share of each image each window is chosen, (windows, N); NaN where the rule chooses none.

    window_logits: of every window on its own lattice. resized: the same at the size of the image.
    """
    rule, count, images = windows.rule, len(window_logits), len(window_logits[0])
    if isinstance(rule, int):
        return torch.eye(count)[rule][:, None].expand(-1, images)
    if rule not in CHOICES:
        return torch.full((count, images), torch.nan)
    chosen = windows.choose_window(window_logits, size_of(resized[0]))
    return torch.stack([(chosen == j).float().mean((1, 2, 3)) for j in range(count)])
