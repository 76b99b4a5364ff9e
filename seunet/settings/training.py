"""How networks are trained."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from seunet.settings.base import BY_KIND, Distinct, Maybe, Positive, Settings

Weights = Annotated[list[Annotated[float, Field(gt=0, le=1_000_000)]], Field(min_length=2)]
Factor = Annotated[float, Field(ge=1 / 16, le=16)]
Rate = Annotated[float, Field(gt=0, le=1000)]


class Augmentation(Settings):
    """Random changes of the training images."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 0
    """Largest angle in degrees; images and masks are continued by reflection."""
    flips: Distinct[Literal["horizontal", "vertical"]] = []
    """Axes that are mirrored with probability ½."""
    gain: Annotated[float, Field(ge=0, le=1)] = 0
    """Each channel is multiplied by a factor in [1 − gain, 1 + gain]."""
    elastic: bool = False
    """Smooth random displacement: 4 pixels (standard deviation) at control points 32 pixels apart."""


class DatasetTraining(Settings):
    """How every network is trained on a data set."""

    epochs: Positive
    """How often each image is seen."""
    batch_size: Positive
    """Images per step. A last batch of one image joins the batch before, since batch norm needs more than one (with
    `batch_size: 1` every batch is one image)."""
    crop: Annotated[int, Field(ge=8)] | None = None
    """Side of the random square crop in pixels; `null` for the whole image."""
    learning_rate: Rate = 0.001
    """Of AdamW."""
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """As in `torch.optim.AdamW`, which multiplies it by the learning rate."""
    schedule: Literal["plateau", "exponential", "cosine", "constant"] = "constant"
    """`plateau`: ×0.1 when the validation loss has not improved by 1e-4 for 30 epochs, floor 1e-6; `exponential`: ÷10
    per 100 epochs; `cosine`: to zero over all epochs, which short trainings need."""
    loss: Literal["cross_entropy", "dice", "both"] = "cross_entropy"
    """`cross_entropy` of each pixel; or `dice`, 1 − mean Dice of the classes over a batch; or `both`, their sum. The
    validation has the same."""
    class_weights: Annotated[
        Annotated[Literal["balanced"] | None, Tag("value")] | Annotated[Weights, Tag("list")], BY_KIND
    ] = None
    """Of the cross-entropy: a weight for each class, or `balanced`, in inverse proportion to its pixels in the training
    masks, with mean 1 over these pixels."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16` runs the network under autocast."""
    compile: bool | None = None
    """Training steps through torch.compile, which rounds otherwise and takes a minute or more before the first step.
    `null`: on a GPU where triton is installed, not on a CPU."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of one training or evaluation. It decides the order of sums and so the last bits of the weights;
    two trainings at once with one thread each are faster than one after the other with two."""
    augmentation: Augmentation = Augmentation()
    """Random changes of the training images."""


class JitterRange(Settings):
    """By which factors training images are resized."""

    low: Factor
    """The smallest."""
    high: Factor
    """The largest."""
    law: Literal["linear", "log"] = "linear"
    """`linear` is uniform in [low, high], as in the paper's protocol; `log` gives each octave alike."""

    @property
    def strength(self) -> float:
        """The largest factor by which a size changes, up or down."""
        return max(self.high, 1 / self.low)

    @property
    def resizes(self) -> bool:
        """Tell whether any image is resized."""
        return (self.low, self.high) != (1, 1)


class Jitter(Settings):
    """How images are resized in training."""

    scale_jitter: Annotated[
        Annotated[float, Field(ge=1, le=16), Tag("value")] | Annotated[JitterRange, Tag("mapping")], BY_KIND
    ] = 1
    """r > 1: every training image is resized by a factor uniform in [1/r, r] before the crop. Or `{low, high, law}`:
    a factor between `low` and `high`, by the `law` `linear` (uniform) or `log` (each octave alike)."""

    @property
    def jitter(self) -> JitterRange:
        """The range of scale_jitter."""
        given = self.scale_jitter
        return given if isinstance(given, JitterRange) else JitterRange(low=1 / given, high=given)


class TrainingChanges(Jitter):
    """What a model changes in the training on a data set."""

    epochs_factor: Annotated[float, Field(gt=0, le=100)] = 1
    """The model is trained for so many times the epochs of the data set, rounded."""
    learning_rate: Maybe[Rate] = None
    """The model is trained with this instead of the data set's `training.learning_rate`."""


class Training(DatasetTraining, Jitter):
    """All that decides how one network is trained on one data set, but for its architecture and the seed."""
