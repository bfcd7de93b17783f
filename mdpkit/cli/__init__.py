"""The command `mdpkit`: one file a verb, found by walking this package.

A verb is a module `name.py` with a function `name` that returns its exit code; a module whose
name begins with an underscore is shared by verbs. Modules import what is heavy inside their
functions, so that `--help` is quick.

    0 success   1 not certified, or a bound broken   2 bad input, one line of it
    130 Ctrl-C   143 SIGTERM, which is answered in the same way

Checked in tests/cli.
"""

from __future__ import annotations

import importlib
import io
import os
import pkgutil
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from mdpkit.cli import _console as console

BAD_INPUT, NOT_CERTIFIED, INTERRUPTED, TERMINATED = 2, 1, 130, 143


def build() -> typer.Typer:
    """Return the application with every verb of this package."""
    app = typer.Typer(
        name="mdpkit",
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_front)
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            verb = importlib.import_module(f"mdpkit.cli.{module.name}")
            app.command(module.name)(getattr(verb, module.name))
    return app


def _front(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Markov decision processes solved exactly, every answer with bounds that are proven."""
    if version:
        from mdpkit import __version__

        typer.echo(f"mdpkit {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run the command with these arguments and return its exit code; bad input never raises."""
    command = typer.main.get_command(build())
    with warnings.catch_warnings():
        warnings.showwarning = console.warner()
        try:
            code = command.main(list(arguments), prog_name="mdpkit", standalone_mode=False)
        except SystemExit:  # Typer and Rich leave where the reader of standard output has gone
            code = 0
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        except USAGE as error:
            code = console.complain(error.format_message(), BAD_INPUT)
        except (ValueError, ImportError, OSError) as error:
            code = console.complain(console.one_line(error), BAD_INPUT)
        except MemoryError as error:
            code = console.complain(f"not enough memory. {error}", NOT_CERTIFIED)
        except ArithmeticError as error:  # an overflow, or a library that gave up
            code = console.complain(console.one_line(error), NOT_CERTIFIED)
    if code == INTERRUPTED:
        console.complain("interrupted.", INTERRUPTED)
    return code or 0


USAGE: Any = typer.BadParameter.__mro__[2]
"""The root of what Typer raises on a wrong command line; not every version names it."""


def main() -> None:
    """Run the command with the arguments of this process, and exit."""
    _open_streams()
    caught = _hear_terminate()
    code = run(sys.argv[1:])
    console.flush()
    sys.exit(TERMINATED if caught and code == INTERRUPTED else code)


def _hear_terminate() -> list[int]:
    """Let SIGTERM interrupt as Ctrl-C does; return the list where it is noted."""
    caught: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        caught.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # else whoever runs us decided
        signal.signal(signal.SIGTERM, interrupt)
    return caught


def _open_streams() -> None:
    """Send closed standard streams nowhere, and let those in ASCII take our symbols."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # the next file opened would be written to by every print
            os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=console.SPELLED)
