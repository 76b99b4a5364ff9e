"""`seunet demo`: the whole workflow on generated images, from the package alone."""

import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from seunet.runtime.errors import UserError

CLONE = Path(__file__).parents[2]
PARTS = ("Snakefile", "config", "envs", "workflow")
INSTALLED = "share/seunet/"  # where pyproject.toml puts these in an environment
CONFIGURATION = "config/demo.yaml"
REPORT = "results/report.html"


def demo(
    folder: Annotated[Path, typer.Argument(help="Where to work; made if it is not there.")] = Path("seunet-demo"),
    cores: Annotated[int, typer.Option(min=1, help="Processor cores to use.")] = 2,
    open_report: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open the report; by default where a person has a display.")
    ] = None,
) -> None:
    """Train, test and compare five networks on generated images: six minutes, no download, a report at the end.

    The workflow is copied to the folder: with another configuration it is there for your own images, too. Called again,
    it goes on where it was. Needs the extra `workflow`.

    Examples:

    seunet demo

    seunet demo my-demo --cores 8
    """
    import snakemake  # noqa: F401  named with its extra where it is missing

    if not (folder / "Snakefile").is_file():
        copy_workflow(folder)
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--rerun-incomplete", "--quiet", "rules"]
    with left_to_the_child():
        done = subprocess.run([*command, "--configfile", CONFIGURATION, "--", "all", REPORT], cwd=folder, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    from seunet.report.html import headlines_of

    for headline in headlines_of(folder / "results"):
        typer.echo(f"{headline.dataset}: {' '.join(headline.sentences)}")
    report = (folder / REPORT).resolve()
    typer.echo(f"The report is {report}, the figures are in {report.parent / 'figures'}.")
    if person_has_display() if open_report is None else open_report:
        webbrowser.open(report.as_uri())


@contextmanager
def left_to_the_child() -> Iterator[None]:
    """Let Ctrl-C stop Snakemake alone, which has it too; killed in the middle, it would leave the folder locked."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def copy_workflow(folder: Path) -> None:
    """Copy the Snakefile and what it needs to a new folder. Raises UserError if the folder has other files."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: not empty, and without a Snakefile; name a new folder")
    for name, file in workflow_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / name)


def workflow_files() -> dict[str, Path]:
    """Return {name: file} of the workflow: of the clone that this module lies in, else of the installed package.

    The Snakefile comes last, so that a folder that has it has all.
    """
    if (CLONE / "Snakefile").is_file():
        found = [CLONE / "Snakefile", *(file for part in PARTS for file in sorted((CLONE / part).rglob("*")))]
        files = {file.relative_to(CLONE).as_posix(): file for file in found if file.is_file()}
    else:
        listed = importlib.metadata.files("seunet") or []
        files = {file.as_posix().partition(INSTALLED)[2]: Path(str(file.locate())) for file in listed}
    mine = {name: file for name, file in files.items() if name.split("/")[0] in PARTS and "__pycache__" not in name}
    return dict(sorted(mine.items(), key=lambda item: item[0] == "Snakefile"))


def person_has_display() -> bool:
    """Tell whether somebody sits at a terminal of a machine that can show a page; never in continuous integration."""
    display = sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    return display and sys.stdout.isatty() and "CI" not in os.environ
