"""The code that a rule depends on: the source files that its script imports, and a digest of them.

The digest is a parameter of the rule. If a function changes, Snakemake runs the rules that depend on it again. New
comments, docstrings, layout and file times do not change the digest.
"""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from seunet.runtime.errors import UserError

PACKAGE_SUFFIXES = (".cpp", ".h", ".html")  # of files that are not Python; they belong to the package of their folder
# These modules are not in the digest. No result depends on "seunet", which lists the public names, on the version or on
# "job", which surrounds the call of every script. The settings are parameters of the rules, so a new key with a default
# runs nothing again. (For the same reason a default must never change.)
UNTRACKED = ("seunet", "seunet.runtime.version", "job") + tuple(
    f"seunet.settings.{name}" for name in ("dataset", "split", "training", "configuration")
)
# A comment, or a text in quotes, which may look like a comment and stays as it is
COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')', re.DOTALL)


@cache
def code(module: str, folders: tuple[Path, ...]) -> str:
    """Return a digest of the code of a module and of all modules that it imports from `folders`.

    Comments, docstrings, layout and the place of the folders do not change it. Raises UserError for a module that is in
    none of the folders.
    """
    parts = sorted(f"{name} {digest(file)}" for name, file in source_files(module, folders).items())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def source_files(module: str, folders: tuple[Path, ...]) -> dict[str, Path]:
    """Return {name: file} of the sources of a module: its own file, its packages, and the modules that these import.

    The C++ and HTML files of a package belong to it. Only import statements are followed, and only to modules in
    `folders`. Raises UserError for a module that is in none of the folders.
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = find(name, folders)
        if file is None or name in found or name in UNTRACKED:
            continue
        found[name] = file
        if file.name == "__init__.py":
            found |= {f"{name}/{path.name}": path for path in file.parent.iterdir() if path.suffix in PACKAGE_SUFFIXES}
        waiting += [name.rpartition(".")[0], *imported(file, name)]
    if module not in found:
        raise UserError(f"{module}: no such module in {' or '.join(map(str, folders))}; mend its name")
    return found


@cache
def find(module: str, folders: tuple[Path, ...]) -> Path | None:
    """Return the file of a module in the first of `folders` that has it, as an import does; None if none has it."""
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
    """Return a digest of a source file without its comments and, for Python, without its docstrings."""
    if file.suffix in PACKAGE_SUFFIXES:
        text = COMMENT_OR_TEXT.sub(lambda match: match[1] or " ", file.read_text(encoding="utf-8"))
        return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
    parts: list[str] = []
    flatten(parsed(file), parts)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


@cache
def parsed(file: Path) -> ast.Module:
    """Return the syntax tree of a Python file; raise UserError if it is not valid Python."""
    try:
        return ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{file}: no valid Python ({error}); mend it") from error


def flatten(node: Any, parts: list[str]) -> None:
    """Add the parts of a syntax tree to `parts`. Empty fields are left out: they differ between versions of Python."""
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
