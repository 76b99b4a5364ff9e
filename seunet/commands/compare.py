"""`seunet compare`: what differs between two runs."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of results, or its run.json.")],
    second: Annotated[Path, typer.Argument(help="The same of another run.")],
) -> None:
    """Say what differs between two runs; status 0 if their tables agree, but for measured times, else 3.

    Examples:

    seunet compare results /elsewhere/results
    """
    from seunet.runtime import provenance

    lines, agree = provenance.compare(first, second)
    for line in lines:
        typer.echo(line)
    typer.echo("The tables agree." if agree else "The tables differ.")
    if not agree:
        raise typer.Exit(3)
