"""Hostile input: names that reach paths, damaged images and masks. All is taken as meant, or refused in one line."""

import ast
import copy
import operator
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from test_configuration import FILLED

from seunet.config import checks as configuration
from seunet.data.images import nearest, open_image, to_array
from seunet.data.masks import ClassMap
from seunet.runtime.errors import UserError

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of much that it then refuses
QUICK = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}
HOSTILE = st.sampled_from(
    ["..", ".", "../x", "a/../../x", "/etc/passwd", "a/b", "a\\b", "C:\\x", "~", "~root", "-rf", "a b", "a\nb", "a\0b"]
    + ["$(touch x)", "`id`", "a;id", "a|id", "a'b", 'a"b', "{dataset}", "{}", "{a", "%s", "*", "é", "\u202ereef", "😀"]
    + ["CON", "unet/", "", " ", "x" * 300, "<script>", "a#b", "a&b", "--help"]
)
NAMES = HOSTILE | st.text(max_size=20) | st.from_regex(r"[a-z][a-z0-9._-]{0,8}", fullmatch=True)
GOOD = yaml.safe_load("""
datasets:
  reef: {source: shapes, count: {train: 4, val: 2, test: 2}, image_size: 32, network: {width: 4, depth: 2},
         training: {crop: 16, batch_size: 2, epochs: 1}, test_scales: [0.5, 1, 2], size_multiple: 8}
models: {unet: {label: U-Net, architecture: unet}}
runs: [{datasets: [reef], models: [unet], seeds: [0]}]
""")


WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
written: list[str] | None = None  # since when somebody wants to know


def hear(event: str, arguments: tuple) -> None:
    """Python calls this before whatever it does to a file."""
    if written is not None and (event == "open" and (arguments[2] or 0) & WRITING or event in MAKING):
        written.append(f"{event} {arguments[0]}")


MAKING = {"os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "os.system", "subprocess.Popen", "os.exec"}
sys.addaudithook(hear)


@contextmanager
def nothing_written() -> Iterator[None]:
    """Check that no file is written and no program started meanwhile."""
    global written
    written = []
    try:
        yield
    finally:
        heard, written = written, None
    assert not heard


def one_line(error: UserError) -> None:
    """Check that an error is one readable line."""
    text = str(error)
    assert len(text.splitlines()) == 1 and text.isprintable() and len(text) < 700, text


@pytest.mark.slow
@settings(max_examples=900, **QUICK)
@given(dataset=NAMES, model=NAMES, label=NAMES)
def test_names_stay_below_the_results_or_are_refused(dataset: str, model: str, label: str) -> None:
    config = copy.deepcopy(GOOD)
    config["datasets"] = {dataset: config["datasets"]["reef"]}
    config["models"] = {model: config["models"]["unet"] | {"label": label}}
    config["runs"] = [{"datasets": [dataset], "models": [model], "seeds": [0]}]
    try:
        with nothing_written():
            configuration.check(config)
    except UserError as error:
        return one_line(error)
    for name in (dataset, model):
        path = (ROOT / "results" / "models" / name / "seed0").resolve()
        assert path.parent.parent == ROOT / "results" / "models" and path.parent.name == name
        assert not set(name) & set(" \t\n\"'`$;|&<>(){}*?#%\\/"), name  # nothing that a shell or Snakemake reads
    return None


HOSTILE_NAMES = [
    *("..", "../x", "a/../../x", "/etc/passwd", "a b", "a\\b", "~root", "-rf", "--help", "a'b", 'a"b', "a\nb", "a\0b"),
    *("$(touch x)", "`id`", "a;id", "{dataset}", "$x$", "é", "😀", "\u202ereef", "\ud800", "", "x" * 300, "os:system"),
]
# Where more than a fixed set of words is taken: addresses and paths are the user's own, the others are printed alone.
FREE = {"url", "path", "label", "claim", "sky", "ground"}


def strings(value: object, path: tuple = ()) -> Iterator[tuple[tuple, bool]]:
    """Yield the place of every string of a configuration, and whether it is the key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if isinstance(key, str):
            yield (*path, key), True
        if isinstance(inner, str):
            yield (*path, key), False
        yield from strings(inner, (*path, key))


@pytest.mark.parametrize(("path", "is_key"), list(strings(FILLED)), ids=str)
def test_every_string_of_the_configuration(path: tuple, is_key: bool) -> None:
    """What is hostile is refused in one line; where it is taken, it is a text that no program reads."""
    for hostile in HOSTILE_NAMES:
        config = copy.deepcopy(FILLED)
        *parents, last = path
        place = reduce(operator.getitem, parents, config)
        if is_key:
            place[hostile] = place.pop(last)
        else:
            place[last] = hostile
        with nothing_written():
            try:
                configuration.check(config, build=False)
            except UserError as error:
                one_line(error)
                continue
        assert last in FREE and hostile.isprintable() | (hostile == "\u202ereef"), (path, hostile)


def test_braces_in_the_name_of_a_file_are_named(tmp_path: Path) -> None:
    """Snakemake would look for a wildcard."""
    config = copy.deepcopy(FILLED)
    config["datasets"]["mine"]["path"] = str(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a {seed}.png").touch()
    with pytest.raises(UserError, match=r"datasets\.mine\.path: .*a \{seed\}\.png.*wildcard; rename it"):
        configuration.check(config)


def encoded(mode: str, form: str, width: int, height: int, seed: int) -> bytes:
    """Return an image of random pixels as the content of a file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, form)
    return file.getvalue()


FILES = st.builds(
    encoded,
    st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA"]),
    st.sampled_from(["PNG", "TIFF"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 9),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a file: whole, cut short, with bytes changed, followed by others, or no image at all."""
    data = bytearray(draw(FILES))
    for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=6)):
        data[place] = draw(st.integers(0, 255))
    data = data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data
    return bytes(data) + draw(st.binary(max_size=8))


@settings(max_examples=700, **QUICK)
@given(data=damaged() | st.binary(max_size=64), channels=st.sampled_from([1, 3]))
def test_images(data: bytes, channels: int) -> None:
    try:
        with nothing_written():
            array = to_array(open_image(data, "a.png"), channels, (8, 12))
    except UserError as error:
        return one_line(error)
    assert array.shape == (8, 12, channels) and array.dtype == np.uint8
    return None


@settings(max_examples=700, **QUICK)
@given(
    data=damaged(),
    classes=st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 255), min_size=2, max_size=4),
)
def test_masks(data: bytes, classes: dict[str, int]) -> None:
    try:
        with nothing_written():
            mask = nearest(ClassMap(classes, [])(open_image(data, "a.png")), (8, 8))
    except UserError as error:
        return one_line(error)
    assert mask.shape == (8, 8) and mask.max() < len(classes)
    return None


@pytest.mark.parametrize("form", ["EPS", "PDF", "JPEG2000", "WEBP", "PCX", "ICO", "TGA"])
def test_other_formats_are_refused_whatever_the_file_is_called(form: str) -> None:
    """An EPS that is named .png would start Ghostscript."""
    file = BytesIO()
    Image.new("RGB", (16, 16)).save(file, form)
    with nothing_written(), pytest.raises(UserError, match=r"a\.png: not a readable image"):
        open_image(file.getvalue(), "a.png")


FORBIDDEN = {"eval", "exec", "system", "popen", "extractall", "extract", "unpack_archive", "mktemp", "read_pickle"}


def calls() -> list[tuple[str, ast.Call]]:
    """Return every call of the library, the scripts and the benchmarks, with its place."""
    files = [file for part in ("seunet", "workflow", "benchmarks") for file in (ROOT / part).rglob("*.py")]
    assert len(files) > 50
    nodes = ((file, node) for file in files for node in ast.walk(ast.parse(file.read_text())))
    return [(f"{file}:{node.lineno}", node) for file, node in nodes if isinstance(node, ast.Call)]


def test_nothing_is_unpickled_or_run() -> None:
    """No pickle, no shell, no code from a file, no archive unpacked by itself."""
    for place, call in calls():
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        owner = getattr(getattr(call.func, "value", None), "id", "")
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        is_method = (name, len(call.args)) == ("eval", 0)  # model.eval()
        assert name not in FORBIDDEN or is_method or owner == "platform", place  # platform.system() names the system
        assert given.get("shell") != "True", place
        assert (owner, name) not in {("yaml", "load"), ("pickle", "load"), ("pickle", "loads")}, place
        if (owner, name) == ("torch", "load"):
            assert given.get("weights_only") == "True", place
        if (owner, name) == ("np", "load"):
            assert given.get("allow_pickle") in (None, "False"), place  # False by default


@pytest.mark.parametrize("file", sorted((ROOT / "workflow" / "rules").glob("*.smk")), ids=lambda file: file.name)
def test_no_rule_has_a_shell(file: Path) -> None:
    """Every rule calls a script, so no value of the configuration is read by a shell."""
    assert "shell:" not in file.read_text()
