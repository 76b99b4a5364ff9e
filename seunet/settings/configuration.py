"""The whole configuration: data sets, models, which of them are run with which seeds, and claims about them."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from seunet.settings.base import Label, Maybe, Named, OneLine, Options, Seed, Settings, Unique, matching, schema
from seunet.settings.dataset import Dataset
from seunet.settings.external_weights import ExternalWeights
from seunet.settings.scales import SEEN
from seunet.settings.training import TrainingChanges

ARCHITECTURE = r"[A-Za-z_][A-Za-z0-9_.]*(:[A-Za-z_][A-Za-z0-9_]*)?"
Architecture = Annotated[
    str,
    matching(ARCHITECTURE, "unet, seunet, sresnet, or package.module:factory"),
    schema(pattern=f"^{ARCHITECTURE}$"),
]


class FactorSearch(Settings):
    """Test images are shown at the factor of their own pixels that the network itself finds, without a mask."""

    per: Literal["dataset", "image"]
    """`dataset`: one factor for all test images of a scale, found from 10 of them, as for the images of one instrument;
    `image`: each by itself."""
    factors: Unique[Annotated[float, Field(ge=0.01, le=16)]] = [4, 2, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125]
    """Below 1, all of them are tried; above 1, half octaves up to the largest, as long as that helps; then the half
    octaves beside the best, and finer steps, down to an eighth of an octave."""


class Model(ExternalWeights, TrainingChanges):
    """A network with an architecture, given weights, or the weights of another model, asked in another way."""

    label: Label
    """What figures and tables call it."""
    architecture: Maybe[Architecture] = None
    """Required without `weights_of` and `weights`: `unet`, `seunet`, `sresnet`, or `package.module:factory` of your
    own, called with `in_channels`, `num_classes` (`classes`, `out_channels`, if it calls them so) and `options`."""
    options: Options = {}
    """Arguments of the network, over those of the data set's `network`. `torch.nn:Conv2d` is the class of that name.
    `size_multiple` of a network of other people is what its images' sides must be multiples of, where its class does
    not say so: other images are continued by their border pixels, and the answer is cut."""
    weights_of: Maybe[str] = None
    """Instead of `architecture`: the trained weights of another model (same data set, same seed; trained if no run
    names it) are asked in another way, by `ensemble`, `rescale`, `magnification` or `options`. Nothing is trained, and
    `options` are those that do not change the weights: `scales_at_test` and `windows`."""
    ensemble: Maybe[Unique[Annotated[float, Field(ge=0.1, le=10)]]] = None
    """Each test image is predicted at each of these factors of its size, such as `[1, 0.5, 0.25]`."""
    fusion: Literal["mean", "entropy", "information"] = "mean"
    """How the answers of an ensemble become one. `mean` averages the probabilities; `entropy` and `information` choose
    one answer for each image, as the windows below."""
    rescale: Maybe[Literal["training"]] = None
    """`training`: each test image is resampled to the scale of training first. This network is told the scale: a bound,
    not a rival."""
    magnification: Maybe[FactorSearch] = None
    """Each test image is shown at the factor that the network finds best, see below."""


class Run(Settings):
    """Every data set of an entry is run with every model and every seed of it."""

    datasets: Unique[str]
    """Names of data sets."""
    models: Unique[str]
    """Names of models."""
    seeds: Unique[Seed]
    """Each gives a network of its own, and decides its first weights, the order of the images and the
    augmentation."""


class Claim(Settings):
    """A comparison of two models at unseen scales, tested wherever both are run with a common seed."""

    claim: Annotated[OneLine, Field(max_length=120)]
    """What is claimed, for the table and the figure."""
    better: str
    """The model that the claim says is better at unseen scales."""
    worse: str
    """The model that it is compared with."""
    datasets: Maybe[Unique[str]] = None
    """Where to test it, by default on all; where the two are not both run, it is left out."""
    beyond: Annotated[float, Field(ge=1)] = SEEN
    """Scales nearer to 1 than this factor do not count: by default those as good as seen in training; 2 asks what
    happens outside of a jitter by 2."""


class Configuration(Settings):
    """Data sets, networks, and which of them are run with which seeds. Explained in config/README.md."""

    model_config = ConfigDict(json_schema_extra={"patternProperties": {"^x-": {}}})

    datasets: Named[Dataset]
    """Data sets by name. Those that no run names cost nothing."""
    models: Named[Model]
    """Networks by name, in the order of their colours."""
    runs: Annotated[list[Run], Field(min_length=1)]
    """Every data set of an entry is run with every model and every seed of it."""
    claims: list[Claim] = []
    """Comparisons of two models at unseen scales, each with an interval and a verdict."""
    unfinished: Literal["run", "left_out"] = "run"
    """What becomes of runs that are not finished: they are `run`; or they are `left_out` of all tables and figures, and
    named in results/tables/missing.csv and on the terminal."""
