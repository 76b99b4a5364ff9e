"""Data sets: where the images come from, how they are prepared, and at which scales networks are tested."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainSerializer, PlainValidator, Tag, WithJsonSchema

from seunet.runtime.errors import UserError
from seunet.settings.base import (
    BY_KIND,
    ONE_LINE,
    WHAT_ONE_LINE,
    Distinct,
    Maybe,
    OneLine,
    Options,
    Positive,
    Settings,
    Unique,
    matching,
    mistake,
    names_matching,
    schema,
)
from seunet.settings.messages import format_value
from seunet.settings.metric import Metric
from seunet.settings.split import Share, Split
from seunet.settings.training import DatasetTraining

Scale = Annotated[float, Field(ge=0.01, le=100)]
Checksum = Annotated[str, matching("[0-9a-fA-F]{64}", "64 digits of hexadecimal"), schema(pattern="^[0-9a-fA-F]{64}$")]
Side = Annotated[int, Field(ge=8, le=8192)]
Sides = Annotated[list[Side], Field(min_length=2, max_length=2)]

OwnSide = Annotated[int, Field(ge=1, le=100_000)]  # of images that nothing is trained on
OwnSides = Annotated[list[OwnSide], Field(min_length=2, max_length=2)]

ClassName = r"(?=.{1,60}$)" + ONE_LINE
Classes = Annotated[
    dict[str, Any], names_matching(ClassName, f"{WHAT_ONE_LINE}, at most 60 characters"), Field(min_length=2)
]
MasksOfClasses = Annotated[
    dict[str, OneLine], names_matching(ClassName, f"{WHAT_ONE_LINE}, at most 60 characters"), Field(min_length=1)
]


def parse_metric(value: Any) -> Metric:
    """Return the metric that is written so; a metric stays what it is."""
    try:
        return value if isinstance(value, Metric) else Metric.parse(value)
    except UserError as error:
        raise mistake(str(error).removeprefix("metric")) from error


MetricSetting = Annotated[
    Metric,
    PlainValidator(parse_metric),
    PlainSerializer(Metric.written),
    WithJsonSchema(Metric.SCHEMA),
    schema(default=Metric().written()),
]


class Archive(Settings):
    """One archive of a public data set."""

    url: OneLine
    """`https://`, `http://`, `file://` or a path from the working folder."""
    sha256: Checksum
    """Checksum of the archive, in hexadecimal; nothing is read unverified."""


class Archives(Settings):
    """The archives of a public data set."""

    images: Maybe[Archive] = None
    annotations: Maybe[Archive] = None
    sequences: Maybe[Archive] = None

    def present(self) -> dict[str, Archive]:
        """Return the archives that are given, by their key."""
        return {key: archive for key, archive in self if archive is not None}


class Counts(Settings):
    """Numbers of images."""

    train: Positive
    val: Positive
    test: Positive


class Limit(Settings):
    """Largest numbers of images; `null` for all."""

    train: Positive | None = None
    val: Positive | None = None
    test: Positive | None = None


def _rising(limits: list[float]) -> list[float]:
    """Refuse a window whose white is not above its black."""
    if limits[0] >= limits[1]:
        raise mistake(f": expected [low, high] with low below high, got {format_value(limits)}")
    return limits


ValueRange = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_rising)]


class Tile(Settings):
    """Tiles in which images larger than `size + 2 · margin` are predicted. Both are multiples of what the network's
    subsampling divides by, so that tiles lie on its grid."""

    size: Positive
    """Side of the tiles, in pixels."""
    margin: Annotated[int, Field(ge=0)]
    """Context that the network sees around each tile, in pixels."""


class Preparation(Settings):
    """What the prepared arrays of a data set depend on."""

    source: Literal["pet", "hela", "shapes", "folder"]
    """Who reads it: `pet`, `hela`, `shapes` (generated) or `folder` (your own)."""
    trained_on: Maybe[str] = None
    """Another data set, whose networks are tested on this one; nothing is trained. Keys that are not given here, even
    `source`, are those of the other data set, and only `test` images are prepared."""
    truth: Maybe[Literal["silver", "gold"]] = None
    """*hela*: `silver` (unless given), made by computer, of every frame; or `gold`, made by hand, of the few frames of
    the test sequence where it has nearly all cells (none to train with: give `trained_on`)."""
    path: Maybe[OneLine] = None
    """*folder*: where the images and masks are, see [files](#files-of-source-folder)."""
    images: Maybe[OneLine] = None
    """*folder*: pattern of the images below `path`, by default `images/{name}.*`, see
    [files](#files-of-source-folder)."""
    masks: Maybe[Annotated[Annotated[OneLine, Tag("value")] | Annotated[MasksOfClasses, Tag("mapping")], BY_KIND]] = (
        None
    )
    """*folder*: pattern of the masks, by default `masks/{name}.*`; or, of masks in one file per class, a mapping of
    classes to patterns, see [files](#files-of-source-folder)."""
    mask_channel: Maybe[Literal["red", "green", "blue"]] = None
    """*folder*: the one channel of masks in RGB that holds their values."""
    unpaired: Maybe[Literal["refuse", "leave"]] = None
    """*folder*: images without a mask, and masks without an image: `refuse` (unless given) names them, `leave` leaves
    them out and says how many."""
    exclude: Maybe[Unique[OneLine]] = None
    """*folder*: images that are left out: folders (`test/`) or names with a wildcard (`test_*`)."""
    valid: Maybe[OneLine] = None
    """*folder*: pattern of masks of the field of view: where they are 0, pixels are ignored."""
    classes: Maybe[Classes] = None
    """*folder*: name → what a mask has there: a value, a range, a colour, …, see [classes](#classes). The order gives
    the class numbers. Where `masks` has one file per class, it names the classes."""
    ignore: list[Any] = []
    """*folder*: pixel values (ranges, colours) that count neither in the loss nor in the scores."""
    value_range: Maybe[ValueRange] = None
    """*folder*: `[low, high]`, the values that become black and white, such as `[0, 4095]` of a 12-bit camera. Needed
    for images of 16 or 32 bits and floats (TIFF or PNG); values outside are clipped, and the log says how many.
    Networks keep it, so `seunet predict` reads images alike."""
    split: Split = Split(train=0.7, val=0.1, test=0.2)
    """*folder*: which images train, validate and test, see [splits](#splits)."""
    duplicates: Literal["warn", "error", "group"] = "warn"
    """The same image in two splits, mirrored or turned by 90° as well: `warn` names them in the log and in
    `dataset.json`; `error` stops; `group` (*folder*) keeps them in one split."""
    count: Maybe[Counts] = None
    """*shapes*: how many images to generate."""
    sizes: Maybe[Unique[Annotated[float, Field(ge=0.1, le=16)]]] = None
    """*shapes*: factors of the objects' size (1 unless given), one of them for each object, all of them in every image;
    `[0.5, 1, 2, 4]` gives images that no single scale serves."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the random split, the limits and the generator."""
    image_size: Annotated[Annotated[Side, Tag("value")] | Annotated[Sides, Tag("list")], BY_KIND]
    """`[height, width]` in pixels of the images at scale 1, or one number for squares; multiples of `size_multiple`."""
    fit: Literal["squash", "pad", "tiles"] = "squash"
    """How images come to `image_size`, see [sizes](#sizes)."""
    limit: Limit = Limit()
    """At most so many images of each split, drawn with `seed`; `null` for all."""
    metric: MetricSetting = Metric()
    """The mean IoU or Dice over the classes, or `{iou: name-of-a-class}`, `{dice: name-of-a-class}`. Training, tables,
    claims and figures go by it."""


class MeasuredImages(Preparation):
    """What the images depend on that `seunet measure` shows a trained network: their size is what it is."""

    image_size: Annotated[Annotated[OwnSide, Tag("value")] | Annotated[OwnSides, Tag("list")], BY_KIND]


class Testing(Settings):
    """At which scales a network is tested, and how."""

    test_scales: Annotated[Unique[Scale], schema(contains={"const": 1})]
    """Nominal scales of the test images; 1 must be among them."""
    size_multiple: Positive = 16
    """Test images have sides `multiple · ⌊image_size · scale / multiple⌋`, so true scales differ a little from the
    nominal ones. Needed: 2^depth for the U-shapes, 8 for SResNet. A network of your own
    that declares a `size_multiple` which does not divide the sides is given images continued by their border pixels."""
    test_pixels: Literal["prepared", "original"] = "prepared"
    """What test images of scales above 1 are resampled from: the `prepared` images, or the `original` files, which may
    have finer detail, see [sizes](#sizes)."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """`bfloat16`: of the maps between lifting and classifier, in less than half of the time where the processor or GPU
    has it; the logits are float32. Up to one pixel in a thousand gets another class, most of them at outlines."""
    tile: None | Tile = None
    """Images larger than `size + 2 · margin` are predicted in tiles of `size` with `margin` pixels of context. For
    networks that are no U-shapes (or whose scales read each other): those predict large images in bands of rows,
    exactly, whatever stands here. `null`: whole."""


def takes_keys_of_another(schema: dict[str, Any]) -> None:
    """Ask for the required keys only where no other data set gives them."""
    schema["anyOf"] = [{"required": ["trained_on"]}, {"required": schema.pop("required")}]


class Dataset(Testing, Preparation):
    """A data set: the images, and how networks are trained and tested on them."""

    model_config = ConfigDict(json_schema_extra=takes_keys_of_another)

    archives: Archives = Archives()
    """What is downloaded: `images` and `annotations` (pet), `sequences` (hela), each with `url` (`https://`,
    `http://`, `file://` or a path from the working folder) and `sha256`; nothing is read unverified."""
    ceiling: Maybe[Share] = None
    """What the labels allow, such as the agreement of two annotators in the metric: a thin line in the figure of it."""
    network: Options = {}
    """Options that all networks on this data set share, such as `{width: 16, depth: 4}`; a network that lacks one
    ignores it."""
    training: DatasetTraining
    """How networks are trained, see below."""
    equivariance_scales: Maybe[Distinct[Scale]] = None
    """Scales at which the maps of the trained networks are compared with those at scale 1: by default 0.25, 0.5, 2 and
    4, as far as they lie within `test_scales`; `[]` compares nothing, which for ensembles spares more time than their
    training takes. Images are cut to a size that is a multiple of `size_multiple` at both scales; where there is none,
    the table has empty cells."""

    @property
    def compared_scales(self) -> list[float]:
        """The scales of `equivariance_scales`, or those that are taken where none are given."""
        if self.equivariance_scales is not None:
            return self.equivariance_scales
        low, high = min(self.test_scales), max(self.test_scales)
        return [scale for scale in (0.25, 0.5, 2, 4) if low <= scale <= high]
