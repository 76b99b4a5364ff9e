"""Networks whose answer for an image depends on chance, or on the other images of its batch: their scores say nothing.

They were exported or traced in training mode, or have dropout, or batch norm on the batch's own statistics, in their
forward.
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from seunet.models.calling import call_network, size_multiple, title
from seunet.models.input_form import SIDES_TO_TRY
from seunet.runtime.errors import UserError

SHARE = 0.05  # of the range of a network's values, by which two answers may differ; rounding is far below
COPIES = 16  # of an image, that are asked about at once
Ask = Callable[[nn.Module, Tensor], Tensor]  # a network and images (N, C, H, W) → logits (N, classes, H, W)


def check_deterministic(model: nn.Module, image: Tensor, ask: Ask = call_network) -> None:
    """Ask a network twice about an image (1, C, H, W) before another one, once after it, and once about it alone.

    ask: gives the logits of images. Raises UserError where the answers for the image differ by more than rounding does,
    and where the network fails.
    """
    other = 1 - image / 2
    first, second = (values(model, torch.cat([image, other]), ask)[:1] for _ in range(2))
    refuse_random(model, first, second)
    last, alone = values(model, torch.cat([other, image]), ask)[1:], values(model, image, ask)
    if (share := max(difference(first, last), difference(first, alone))) > SHARE:
        raise UserError(
            f"the network {title(model)} answers otherwise about an image alone than about the same image beside "
            f"another one (by {share:.0%} of the range of its values): its batch norm takes the statistics of the "
            "batch; call network.eval() before the export, and keep track_running_stats"
        )


def check_on_noise(model: nn.Module, channels: int, ask: Ask = call_network) -> None:
    """Do `check_deterministic` with noise, and ask about many copies of it, since chance may seldom strike.

    The noise is of the first size that the network takes; where it takes none, nothing is said.
    """
    for image in noise(model, channels):
        try:
            values(model, image, ask)
        except UserError:  # that of the first real image names its size
            continue
        copies = COPIES if image.numel() <= channels * SIDES_TO_TRY[0] ** 2 else 2
        answers = [values(model, image.expand(copies, -1, -1, -1).contiguous(), ask) for _ in range(2)]
        for answer in torch.cat(answers).split(1):
            refuse_random(model, answers[0][:1], answer)
        check_deterministic(model, image, ask)
        return


def refuse_random(model: nn.Module, first: Tensor, second: Tensor) -> None:
    """Raise UserError where two answers about one image differ by more than rounding does."""
    if (share := difference(first, second)) > SHARE:
        raise UserError(
            f"the network {title(model)} gives another answer each time that it is asked about an image (by "
            f"{share:.0%} of the range of its values): it was exported in training mode, or has dropout in its "
            "forward; call network.eval() before the export, and give F.dropout training=self.training"
        )


def noise(model: nn.Module, channels: int) -> Iterator[Tensor]:
    """Yield smooth random images (1, channels, H, W) of several sizes."""
    generator, multiple = torch.Generator().manual_seed(0), size_multiple(model)
    coarse = torch.rand(1, channels, 8, 8, generator=generator)
    device = next((tensor.device for tensor in model.state_dict().values()), torch.device("cpu"))
    form = getattr(model, "declared", None)
    for side in dict.fromkeys(-(-side // multiple) * multiple for side in SIDES_TO_TRY):
        height, width = (form and form.height) or side, (form and form.width) or side
        yield F.interpolate(coarse, size=(height, width), mode="bilinear").to(device)


@torch.no_grad()
def values(model: nn.Module, images: Tensor, ask: Ask) -> Tensor:
    """Return what a network says of images: its logits, or its probabilities where it returns those."""
    logits = ask(model, images).float()
    conventions = getattr(model, "conventions", None)
    return logits if conventions is None or conventions.output == "logits" else logits.softmax(1)


def difference(first: Tensor, second: Tensor) -> float:
    """Return the largest difference between two answers as a share of the range of the first."""
    span = float(first.max() - first.min())
    largest = float((first - second).abs().max())
    return largest / max(span, 1e-3 * float(first.abs().max()), 1e-6)  # rounding of a constant answer is no difference
