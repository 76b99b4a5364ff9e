"""What the windows of a SEU-Net answer while it is tested: counts of each, how often it is chosen, which scale won."""

from collections import defaultdict
from collections.abc import Iterator
from types import TracebackType

import torch
from torch import Tensor, nn

from seunet.experiment.metrics import confusion_counts
from seunet.models.windows import CHOICES, Windows


class WindowCounter:
    """Watches the windows of a network, where it has more than one, as it predicts images.

    Used as a context; `count` is called after each prediction.
    """

    def __init__(self, model: nn.Module, classes: int):
        found = [module for module in model.modules() if isinstance(module, Windows)]
        self.watches, self.classes = bool(found), classes
        self.windows = found[0] if found else Windows("max", 1)
        self.seen: tuple | None = None
        self.totals: dict[tuple, list[Tensor]] = defaultdict(list)  # size: counts (windows, 3, C) of each batch
        self.choices: dict[tuple, list[Tensor]] = defaultdict(list)  # size: the share of each window, (windows, N)

    def __enter__(self) -> "WindowCounter":
        if self.watches:
            self.handle = self.windows.register_forward_hook(self.see)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.watches:
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
        inputs, self.seen = self.seen, None
        if inputs is None or inputs[0][0].shape[-2:] != target.shape[-2:] or len(inputs[0]) == self.windows.length:
            return None
        maps, answer = inputs
        answers = self.windows.answers(maps, answer)
        wholes = [self.windows.whole(logits, j, size) for j, logits in enumerate(answers)]
        counts = [confusion_counts(target, logits.argmax(1), self.classes).sum(1) for logits in wholes]
        self.totals[size].append(torch.stack(counts).cpu())
        self.choices[size].append(self.shares(answers, wholes).cpu())
        if not shown:
            return None
        return self.windows.winners([x[shown] for x in maps], [logits[shown] for logits in answers])

    def shares(self, answers: list[Tensor], wholes: list[Tensor]) -> Tensor:
        """Return which share of each image each window answers, (windows, N); NaN where the rule chooses none."""
        rule, images = self.windows.rule, len(answers[0])
        if isinstance(rule, int):
            return torch.eye(len(answers))[rule][:, None].expand(-1, images)
        if rule not in CHOICES:
            return torch.full((len(answers), images), torch.nan)
        chosen = self.windows.choose(wholes if rule == "pixel" else answers)
        return torch.stack([(chosen == j).float().mean((1, 2, 3)) for j in range(len(answers))])

    def results(self, size: tuple[int, int]) -> Iterator[tuple[str, Tensor, float, int]]:
        """Yield a window's name, such as "2-4", its counts (3, C), for how many images it was chosen, of how many."""
        if not self.totals[size]:
            return
        totals, shares = torch.stack(self.totals[size]).sum(0), torch.cat(self.choices[size], dim=1)
        for j, counts in enumerate(totals):
            yield self.windows.name(j), counts, float(shares[j].sum()), shares.shape[1]
