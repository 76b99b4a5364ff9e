"""The command line: the typer application, and every mistake in one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from seunet.commands.compare import compare
from seunet.commands.demo import demo
from seunet.commands.export import export
from seunet.commands.info import info
from seunet.commands.init import init
from seunet.commands.magnification import magnification
from seunet.commands.measure import measure
from seunet.commands.predict import predict
from seunet.commands.scales import scales
from seunet.runtime.errors import UserError, is_out_of_memory
from seunet.runtime.extras import missing_extra
from seunet.runtime.version import VERSION

# Maps are taken in pages of 2 MB, whose making takes a fifth of the time of a prediction less; torch reads this once.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

COMMANDS = (demo, init, predict, measure, scales, magnification, export, info, compare)  # in the order of the help
# What typer raises for an unknown option, a missing argument, …: of its own click, or of the package, by its version
UsageError: type[typer.BadParameter] = typer.BadParameter.__base__  # type: ignore[assignment]


@contextmanager
def mistakes_in_one_line() -> Iterator[None]:
    """Turn a mistake of the user into one line on standard error: status 2 for the call itself, 1 for the rest."""
    try:
        yield
    except UserError as error:
        end(str(error), 1)
    except UsageError as error:
        said = " ".join(error.format_message().split()).rstrip(".")
        end(f"{said}; see {error.ctx.command_path if error.ctx else 'seunet'} --help", 2)
    except OSError as error:
        if error.filename is None:  # not about a file; a closed pipe, which typer knows what to do with
            raise
        end(f"{error.filename}: {error.strerror}", 1)
    except ModuleNotFoundError as error:
        if (advice := missing_extra(error)) is None:
            raise
        end(advice, 1)
    except (MemoryError, RuntimeError) as error:  # torch raises RuntimeError
        if not is_out_of_memory(error):
            raise
        end("the memory did not suffice; take smaller images, or --tile where the command has it", 1)


def end(message: str, status: int) -> None:
    """Print a line and leave."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(status)


class Commands(TyperGroup):
    """A group of commands that reports every mistake in one line, those in the call and those in the data.

    Contexts are Any: the class is of typer's own click, or of the package, by the version of typer.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the options of the group."""
        with mistakes_in_one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Read the options of a command, and run it."""
        with mistakes_in_one_line():
            return super().invoke(ctx)


app = typer.Typer(name="seunet", cls=Commands, help="Segmentation networks, tested under a change of scale.")
for command in COMMANDS:
    app.command(command.__name__)(command)


@app.callback(invoke_without_command=True)
def main(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Say the version and leave."),
) -> None:
    """Segmentation networks, tested under a change of scale."""
    if version:
        typer.echo(f"seunet {VERSION}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
