"""Locales, users without a name, Ctrl-C, and files of the configuration with a key that stands twice."""

import ast
import getpass
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from seunet.config.files import check_files
from seunet.runtime import environment
from seunet.runtime.errors import UserError

ROOT = Path(__file__).parents[2]

TWICE = {
    "datasets: {}\nmodels: {}\ndatasets: {}\n": "line 3: datasets stands there twice, first in line 1",
    "a:\n  b:\n    - {c: 1}\n    - c: 1\n      'c': 2\n": "line 5: a.b[1].c stands there twice, first in line 4",
    "a:\n  16: x\n  0x10: y\n": "line 3: a.0x10 stands there twice, first in line 2",
    "a:\n  yes: x\n  true: y\n": "line 3: a.true stands there twice, first in line 2",
    '{"a": {"b": 1, "b": 2}}': "line 1: a.b stands there twice",
    "runs:\n- {seeds: [0]}\n- seeds: [1]\n  models: [a]\n  seeds: [2]\n": "line 5: runs[1].seeds stands there twice",
}
ONCE = ["", "a: 1\nA: 2\n", "a: &x {b: 1}\nc: *x\n", "a: &x {b: *x}\n", "1: a\n'1': b\n", "a: !other {b: 1}\n"]


@pytest.mark.parametrize("text", TWICE)
def test_a_key_that_stands_twice_is_refused_with_file_and_line(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        check_files([ROOT / "config" / "config.yaml", file])
    assert f"configuration: {file}, {TWICE[text]}" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ONCE)
def test_other_files_are_taken(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    check_files([tmp_path / "mine.yaml"])


def test_a_file_that_is_no_utf_8_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(UserError, match=r"mine\.yaml: cannot be read .*must be UTF-8"):
        check_files([tmp_path / "mine.yaml"])


def test_a_user_without_a_name_gets_one(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    monkeypatch.setenv("PYTHONUTF8", "0")
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    environment.set_environment()
    assert getpass.getuser() == f"uid{os.getuid()}"
    code = "import locale; print(locale.getpreferredencoding(False))"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}
    )
    assert said.stdout.strip().lower() == "utf-8"


def fake_job(tmp_path):
    """Return the context around every script, and what it knows of its job."""
    spec = importlib.util.spec_from_file_location("job", ROOT / "workflow" / "scripts" / "job.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.job, SimpleNamespace(log=[str(tmp_path / "a.log")], input=[], output=[], rule="train")


def test_ctrl_c_in_a_job_ends_without_a_traceback(tmp_path, capsys):
    job, snakemake = fake_job(tmp_path)
    with pytest.raises(SystemExit) as caught, job(snakemake):
        print("epoch 1 — 5 °")
        raise KeyboardInterrupt
    assert caught.value.code == 130 and capsys.readouterr().err == ""
    assert (tmp_path / "a.log").read_text(encoding="utf-8").splitlines() == ["epoch 1 — 5 °", "interrupted"]


def test_every_text_file_is_opened_as_utf_8():
    """Whatever the locale says: an encoding is given wherever a text file is opened."""
    files = [file for part in ("seunet", "workflow", "benchmarks") for file in (ROOT / part).rglob("*.py")]
    assert len(files) > 80
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and is_text(node):
                assert "encoding" in {keyword.arg for keyword in node.keywords}, f"{file}:{node.lineno}"


def is_text(call: ast.Call) -> bool:
    """Tell whether a call opens a text file, or a file of pathlib whose mode is not written out."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    owner = getattr(getattr(call.func, "value", None), "id", "")
    if name in ("read_text", "write_text"):
        return True
    if name != "open" or owner in ("Image", "tarfile", "archive", "tifffile", "webbrowser"):
        return False
    return "b" not in ast.unparse(ast.Tuple(elts=[*call.args, *(entry.value for entry in call.keywords)]))
