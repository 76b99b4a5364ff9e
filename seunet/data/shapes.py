"""The generated data set: scenes of a `reef`, drawn on the fly, so that a demo needs no download.

A scene depends on (seed, split, index) alone: the same on every run, whatever the counts and limits are. Test
scenes can be *rendered* at another size, which a photograph cannot: what a network does at scale 4 is then
measured on real detail instead of on an enlarged raster.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from seunet.data import reef, rendering
from seunet.data.fit import image_sides
from seunet.data.source import SPLITS, Sample, Source
from seunet.data.splits import apply_limits
from seunet.runtime.errors import UserError
from seunet.settings.dataset import Preparation


def generate(settings: Preparation) -> Source:
    """Return the generated data set: `count` images, squares of `image_size`, drawn by `seed`."""
    seed, (side, _) = settings.seed, image_sides(settings.image_size)
    if settings.count is None:
        raise UserError("count: missing; a data set of source `shapes` needs it")
    names = {split: [f"{split}_{index:05d}" for index in range(number)] for split, number in settings.count}
    splits = apply_limits(names, settings)

    def rendered(split: str, height: int, width: int) -> Iterator[Sample]:
        for name in splits[split]:
            scene = draw_scene(seed, name, side, settings.sizes or (1,))
            yield (name, *rendering.render(scene, height, width))

    return Source(
        classes=reef.CLASSES,
        channels=3,
        splits=splits,
        read=lambda split: rendered(split, side, side),
        rendered=lambda height, width: rendered("test", height, width),
    )


def draw_scene(seed: int, name: str, side: float, sizes: Sequence[float] = (1,)) -> reef.Scene:
    """Draw the scene of a sample's name, such as "test_00012"; `sizes` as in `reef.draw_scene`."""
    split, index = name.split("_")
    # PCG64 by name: the stream of default_rng may change between versions of numpy.
    rng = np.random.Generator(np.random.PCG64([seed, SPLITS.index(split), int(index)]))
    return reef.draw_scene(rng, side, sizes)
