"""What code a rule depends on: which files, and what of a file."""

import re
from pathlib import Path

import pytest
from conftest import ROOT

from seunet.runtime import sources
from seunet.runtime.errors import UserError


def write(folder: Path, **files: str) -> tuple[Path, ...]:
    """Write files, named with __ for a slash, into a folder; return the folders to search."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "package" / "__init__.py").touch()
    sources.code.cache_clear()
    sources.imported.cache_clear()
    sources.digest.cache_clear()
    sources.parsed.cache_clear()
    return (folder,)


NET = "from package.blocks import block\nfrom . import sizes\nimport torch.nn as nn\n\ndef net():\n    return block\n"


def test_helpers_packages_and_relative_imports_count(tmp_path):
    folders = write(tmp_path, package__net=NET, package__blocks="block = 3\n", package__sizes="", package__other="")
    assert set(sources.source_files("package.net", folders)) == {
        "package", "package.net", "package.blocks", "package.sizes"
    }  # fmt: skip
    before = sources.code("package.net", folders)
    assert before != sources.code("package.net", write(tmp_path, package__blocks="block = 5\n"))
    write(tmp_path, package__blocks="block = 3\n")
    (tmp_path / "package" / "__init__.py").write_text("import os\n")
    assert before != sources.code("package.net", folders)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("def f(x):\n    return x + 1\n", True),
        ('"""What it is."""\n\n\ndef f(x):  # a comment\n    """Add."""\n    return (x +\n            1)\n', True),
        ("def f(x):\n    return x + 2\n", False),
        ("def f(x):\n    return x - 1\n", False),
        ("def f(x):\n    'no docstring'.strip()\n    return x + 1\n", False),
        ("def f(x, y=1):\n    return x + 1\n", False),
        ("def f(x):\n    return x + 1\n\n\nf(1)\n", False),
    ],
)
def test_only_what_the_code_does_counts(tmp_path, text, same):
    before = sources.code("package.net", write(tmp_path, package__net="def f(x):\n    return x + 1\n"))
    assert (sources.code("package.net", write(tmp_path, package__net=text)) == before) == same


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('int f() {  // ours\n    return 1; /* one\n more */ }\nconst char* s = "// no comment";', True),
        ('int f() { return 1; }\nconst char* s = "// a comment";', False),
        ('int f() { return 2; }\nconst char* s = "// no comment";', False),
    ],
)
def test_comments_of_cpp_do_not_count(tmp_path, text, same):
    folders = write(tmp_path, package__net="")
    file = tmp_path / "package" / "fast.cpp"
    file.write_text('int f() { return 1; }\nconst char* s = "// no comment";')
    before = sources.code("package.net", folders)
    file.write_text(text)
    write(tmp_path)
    assert (sources.code("package.net", folders) == before) == same


def test_it_does_not_matter_where_the_files_lie_or_when_they_were_written(tmp_path):
    files = {"package__net": NET, "package__blocks": "block = 3\n", "package__sizes": ""}
    assert sources.code("package.net", write(tmp_path / "a", **files)) == sources.code(
        "package.net", write(tmp_path / "elsewhere" / "b", **files)
    )


def test_nothing_found_and_no_python_are_errors(tmp_path):
    with pytest.raises(UserError, match="package.nowhere: no such module in .*mend its name"):
        sources.code("package.nowhere", write(tmp_path, package__net=""))
    with pytest.raises(UserError, match=r"net\.py: no valid Python"):
        sources.code("package.net", write(tmp_path, package__net="def f(:\n"))


@pytest.mark.parametrize("script", sorted(path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py")))
def test_every_script_depends_on_the_library_but_for_its_names(script):
    files = sources.source_files(script, (ROOT / "workflow" / "scripts", ROOT)) if script != "job" else {"seunet.": ""}
    assert any(name.startswith("seunet.") for name in files) and not {"seunet", "job"} & files.keys() - {script}


def test_a_training_depends_on_layers_and_their_compiled_twins():
    files = sources.source_files("train", (ROOT / "workflow" / "scripts", ROOT))
    assert {"train", "seunet.experiment.training", "seunet.layers.pooling", "seunet.ops.native/maxplus.cpp"} <= set(
        files
    )
    assert not [name for name in files if name.startswith(("seunet.report", "seunet.config", "seunet.cli"))]


def test_every_rule_depends_on_the_code_of_its_script_and_on_its_environment():
    text = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")))
    rules = [part for part in re.split(r"^(?=rule \w+:)", text, flags=re.MULTILINE) if part.startswith("rule ")]
    for rule in rules:
        script, environment = re.search(r"scripts/(\w+)\.py", rule)[1], re.search(r"envs/(\w+)\.yaml", rule)[1]
        assert f'code=code("{script}", "{environment}"),' in rule or script == "download", rule[:40]
    assert len(rules) > 10
