"""Shared fixtures: small thread count, the golden values, the real archives."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
GOLDEN_DIR = Path(os.environ.get("GOLDEN_DIR", ROOT / "tests" / "golden"))
MIRROR = ROOT.parent / "shared" / "data"

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Return the folder of the real archives' mirror, or skip."""
    if not (MIRROR / "mirror.yaml").exists():
        pytest.skip(f"{MIRROR} is absent: the real archives are not on this machine")
    return MIRROR
