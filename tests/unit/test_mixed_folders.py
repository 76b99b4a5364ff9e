"""Folders of mixed origin: photographs, deep images, earlier answers, figures and broken files beside each other.

Every file is answered as if it were alone, passed over because seunet wrote it, or named in an error; none is lost.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_cli import call, network

from seunet.data.marks import mark_of
from seunet.report.figures.style import new_figure, save
from seunet.runtime.wording import be, counted

SIZE = (9, 12)
PHOTOS = ("png", "jpg", "tif", "ppm", "bmp")
DEEP = ("deep.tif", "deep.png")
OURS = ("answer.png", "answer.tif", "overlay.png", "probability.png", "probabilities.npz", "scales.png", "figure.png")
BROKEN = ("cut.png", "empty.tif", "text.jpg")


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Path:
    """Return a folder with two networks, of 8 and of 12 bits, and one file of every kind."""
    root = tmp_path_factory.mktemp("origin")
    network(root / "8")
    network(root / "12", preparation={"image_size": list(SIZE), "fit": "squash", "value_range": [0, 4095]})
    levels = np.random.default_rng(0).integers(256, size=(*SIZE, 3), dtype=np.uint8)
    for name in PHOTOS:
        Image.fromarray(levels).save(root / f"x.{name}")
    tifffile.imwrite(root / "x.deep.tif", levels[..., 0].astype(np.uint16) * 16)
    Image.fromarray(levels[..., 0].astype(np.uint16) * 16).save(root / "x.deep.png")
    asked = [root / "x.png", "--output", root / "out"]
    assert call(root / "8", *asked, "--overlay", "--probabilities", "png").exit_code == 0
    assert call(root / "8", *asked, "--format", "tif", "--probabilities", "npz").exit_code == 0
    assert call(root / "8", *asked, command="scales").exit_code == 0
    save(new_figure(1, 1), [root / "x.figure.png"], "Scores")
    made = {"answer.png": "x.png", "answer.tif": "x.tif", "overlay.png": "x_overlay.png", "scales.png": "x_scales.png"}
    made |= {"probability.png": "x_0_fish0.png", "probabilities.npz": "x_probabilities.npz"}
    for kind, name in made.items():
        shutil.copy(root / "out" / name, root / f"x.{kind}")
    (root / "x.cut.png").write_bytes((root / "x.png").read_bytes()[:60])
    (root / "x.empty.tif").write_bytes(b"")
    (root / "x.text.jpg").write_text("no image")
    return root


def test_every_file_of_ours_carries_the_mark(origin: Path) -> None:
    assert all(mark_of(origin / f"x.{kind}") for kind in OURS)
    assert not any(mark_of(origin / f"x.{kind}") for kind in (*PHOTOS, *DEEP, *BROKEN))


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kinds=st.lists(st.sampled_from([*PHOTOS, *DEEP, *OURS, *BROKEN]), min_size=1, max_size=7),
    depth=st.sampled_from(["8", "12"]),
    form=st.sampled_from(["png", "tif"]),
    inside=st.booleans(),
)
def test_every_file_is_answered_passed_over_or_named(origin, tmp_path_factory, kinds, depth, form, inside) -> None:
    root = tmp_path_factory.mktemp("mixed")
    folder, alone = root / "in", root / "alone"
    out = folder / "out" if inside else root / "out"
    places = {}
    for number, kind in enumerate(kinds):
        place = folder / ("sub" if number % 2 else "") / f"f{number}{Path(kind).suffix or '.' + kind}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(origin / f"x.{kind}", place)
        places[place] = kind
    extra = ["--output", out, "--format", form]
    result = call(origin / depth, folder, *extra)

    right = PHOTOS if depth == "8" else DEEP
    images = [place for place, kind in places.items() if place.suffix != ".npz"]  # which nobody takes for an image
    ours = [place for place in images if places[place] in OURS]
    answered = [place for place in images if places[place] in right]
    named = [place for place in images if place not in (*ours, *answered)]
    assert not result.exception or isinstance(result.exception, SystemExit), result.output
    assert result.exit_code == (1 if named or not answered else 0), result.output
    assert all(f"{place}: " in result.stderr for place in named)
    if ours and (named or answered):
        assert f"{counted(len(ours), 'file')} that seunet wrote {be(len(ours))} passed over" in result.stderr
    answers = {place: out / place.relative_to(folder).with_suffix(f".{form}") for place in answered}
    assert set(out.rglob("*.*")) == set(answers.values())
    for place, answer in answers.items():
        assert call(origin / depth, place, "--output", alone, "--format", form).exit_code == 0
        assert answer.read_bytes() == (alone / answer.name).read_bytes()

    before = {answer: answer.stat().st_mtime_ns for answer in answers.values()}
    again = call(origin / depth, folder, *extra, "--skip-existing")
    assert again.exit_code == result.exit_code
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.*")} == before
