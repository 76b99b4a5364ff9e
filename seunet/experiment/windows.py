"""What the windows of a SEU-Net answer while it is tested: counts of each, how often it is chosen, which scale won."""

from collections import defaultdict
from collections.abc import Iterator
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from seunet.experiment.metrics import confusion_counts
from seunet.models.windows import CHOICES, Windows


class WindowCounter:
    """Counts the answers of the windows of a network while it predicts images; nothing for a network without windows.

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
        """Count what each window said of the images just predicted; target (N, H, W).

        Return the winning scale of each pixel of the images `shown` (indices), (n, H, W). Nothing is counted where the
        network has one window, or predicted in parts; then, and where no image is shown, None is returned.
        """
        windows, inputs, self.seen = self.windows, self.seen, None
        if windows is None or inputs is None:
            return None
        maps, answer = inputs
        if maps[0].shape[-2:] != target.shape[-2:] or len(maps) == windows.length:
            return None
        answers = windows.answers(maps, answer)
        wholes = [windows.whole(logits, j, size) for j, logits in enumerate(answers)]
        counts = [confusion_counts(target, logits.argmax(1), self.classes).sum(1) for logits in wholes]
        self.totals[size].append(torch.stack(counts).cpu())
        self.choices[size].append(shares(windows, answers, wholes).cpu())
        if not shown:
            return None
        return windows.winners([x[shown] for x in maps], [logits[shown] for logits in answers])

    def results(self, size: tuple[int, int]) -> Iterator[tuple[str, Tensor, float, int]]:
        """Yield a window's name, such as "2-4", its counts (3, C), for how many images it was chosen, of how many."""
        if self.windows is None or not self.totals[size]:
            return
        totals, shares = torch.stack(self.totals[size]).sum(0), torch.cat(self.choices[size], dim=1)
        for j, counts in enumerate(totals):
            yield self.windows.name(j), counts, float(shares[j].sum()), shares.shape[1]


def shares(windows: Windows, answers: list[Tensor], wholes: list[Tensor]) -> Tensor:
    """Return which share of each image each window answers, (windows, N); NaN where the rule chooses none."""
    rule, images = windows.rule, len(answers[0])
    if isinstance(rule, int):
        return torch.eye(len(answers))[rule][:, None].expand(-1, images)
    if rule not in CHOICES:
        return torch.full((len(answers), images), torch.nan)
    chosen = windows.choose(wholes if rule == "pixel" else answers)
    return torch.stack([(chosen == j).float().mean((1, 2, 3)) for j in range(len(answers))])
