"""What code a rule depends on: the source files that its script imports, and a digest of what they do.

The rules take the digest as a parameter. So a changed function runs again what depends on it, and a changed comment,
docstring, layout or time of a file does not.
"""

import ast
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from seunet.runtime.errors import UserError

BESIDE = (".cpp", ".h", ".html")  # what is no Python and counts with the package that it lies in
# No result depends on the names that the package offers to users, nor on what every script does around its call. The
# settings reach a rule as parameters, so a new key with a default runs nothing again (and a default must never change).
APART = ("seunet", "job", "seunet.settings.dataset", "seunet.settings.training", "seunet.settings.configuration")
# A comment, or a text in quotes, which may look like a comment and stays as it is
COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.DOTALL)


@cache
def code(module: str, folders: tuple[Path, ...]) -> str:
    """Return a digest of what the code of a module does, with all that it imports from `folders`.

    Comments, docstrings and layout do not count, nor does it where the folders lie. Raises UserError for a module that
    is in none of them.
    """
    parts = sorted(f"{name} {digest(file)}" for name, file in source_files(module, folders).items())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def source_files(module: str, folders: Sequence[Path]) -> dict[str, Path]:
    """Return {name: file} of the sources that importing a module reads: its own, its packages', and what they import.

    C++ and HTML files count with the package that they lie in. Only what lies in `folders` is followed, and only
    imports that are written out. Raises UserError for a module that is in none of the folders.
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = find(name, folders)
        if file is None or name in found or name in APART:
            continue
        found[name] = file
        if file.name == "__init__.py":
            found |= {f"{name}/{path.name}": path for path in file.parent.iterdir() if path.suffix in BESIDE}
        waiting += [name.rpartition(".")[0], *imported(file, name)]
    if module not in found:
        raise UserError(f"{module}: no such module in {' or '.join(map(str, folders))}; mend its name")
    return found


def find(module: str, folders: Sequence[Path]) -> Path | None:
    """Return the file of a module: the first of `folders` that has it counts, as in an import."""
    if not module:
        return None
    for folder in folders:
        base = folder.joinpath(*module.split("."))
        for file in (base / "__init__.py", base.with_suffix(".py")):
            if file.is_file():
                return file
    return None


@cache
def imported(file: Path, module: str) -> list[str]:
    """Return what a source file may import: modules, and names that may be modules."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names = []
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return names


@cache
def digest(file: Path) -> str:
    """Return a digest of what a source file does: without comments, of Python without docstrings either."""
    if file.suffix in BESIDE:
        text = COMMENT_OR_TEXT.sub(lambda match: match[1] or " ", file.read_text(encoding="utf-8"))
        return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
    parts: list[str] = []
    flatten(parsed(file), parts)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


@cache
def parsed(file: Path) -> ast.Module:
    """Return the syntax tree of a Python file; raise UserError where there is none."""
    try:
        return ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{file}: no valid Python ({error}); mend it") from error


def flatten(node: Any, parts: list[str]) -> None:
    """Add a syntax tree to `parts`, piece by piece, without the empty fields, which differ from Python to Python."""
    if isinstance(node, ast.AST):
        parts.append(f"({type(node).__name__}")
        for name in node._fields:
            value = getattr(node, name, None)
            if name == "body" and value and is_docstring(node):
                value = value[1:]
            if value is not None and value != []:
                parts.append(name)
                flatten(value, parts)
        parts.append(")")
    elif isinstance(node, list):
        for entry in node:
            flatten(entry, parts)
        parts.append(";")
    else:
        parts.append(repr(node))


def is_docstring(node: ast.AST) -> bool:
    """Tell whether the body of a node begins with a docstring."""
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not node.body:
        return False
    first = node.body[0]
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
