"""Shared fixtures: small thread count, the golden values, the real archives, a tiny prepared data set."""

import os
from pathlib import Path

import pytest
import torch

from seunet.settings.dataset import Counts, Preparation, Testing

ROOT = Path(__file__).parent.parent
GOLDEN_DIR = Path(os.environ.get("GOLDEN_DIR", ROOT / "tests" / "golden"))
MIRROR = ROOT.parent / "shared" / "data"

TINY = Preparation(source="shapes", count=Counts(train=6, val=2, test=3), image_size=32)
TINY_SCALES = Testing(test_scales=[0.5, 1, 2], size_multiple=8)

torch.set_num_threads(1)  # the networks of the tests are tiny; threads would wait for each other


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Return the folder of the real archives' mirror, or skip."""
    if not (MIRROR / "mirror.yaml").exists():
        pytest.skip(f"{MIRROR} is absent: the real archives are not on this machine")
    return MIRROR


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """Return a prepared data set of a few generated images of 32 pixels, without renderings at other sizes."""
    from seunet.data.prepared import prepare

    folder = tmp_path_factory.mktemp("tiny") / "reef"
    prepare("reef", TINY, {}, folder)
    return folder
