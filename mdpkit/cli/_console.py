"""What is printed, where, and that nothing in it can harm a terminal.

Results go to standard output, everything else to standard error. Text that comes from a model
is shown with its control characters spelled out; Rich's markup is off everywhere.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SPELLED = "mdpkit-spelled"
"""Name of the error handler that spells symbols which an encoding lacks."""

_SPELLING = {
    **{"γ": "gamma", "‖": "||", "∞": "inf", "≤": "<=", "≥": ">=", "−": "-"},
    **{
        "←": "<",
        "↑": "^",
        "→": ">",
        "↓": "v",
        "·": ".",
        "…": "...",
        "ε": "eps",
        "²": "2",
        "ᵏ": "^k",
    },
    **{
        "×": "x",
        "₀": "_0",
        "ₖ": "_k",
        "π": "pi",
        "τ": "tau",
        "λ": "lambda",
        "Σ": "sum",
        "±": "+-",
    },
    **{"↖": "\\", "↗": "/", "↙": "/", "↘": "\\"},
    **{"—": "-", "–": "-", "“": '"', "”": '"', "’": "'"},
}


LONGEST_FRACTION = 60
"""Characters; beyond it a table shows a decimal and how long the fraction is."""


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_SPELLING.get(letter, "?") for letter in letters), error.end


codecs.register_error(SPELLED, _spell)


def plain(text: Any, width: int | None = None) -> str:
    """Return text with all that does not print spelled out, cut to `width` characters."""
    letters = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    line = "".join(letters)
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def one_line(error: BaseException) -> str:
    """Return the message of an error in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def complain(message: str, code: int) -> int:
    """Say what is wrong in one line on standard error, and return the exit code given."""
    _to_stderr("error: " if code in (1, 2) else "", message, "bold red")
    return code


def warner() -> Callable[..., None]:
    """Return what prints a warning as one line on standard error, each text once."""
    seen: set[str] = set()

    def show(message: Any, *_: Any, **__: Any) -> None:
        if str(message) not in seen:
            seen.add(str(message))
            _to_stderr("warning: ", str(message), "bold yellow")

    return show


def note(message: str) -> None:
    """Say on standard error what was written where."""
    _to_stderr("", message, "")


def _to_stderr(head: str, message: str, style: str) -> None:
    from rich.text import Text

    with contextlib.suppress(OSError):
        line = plain(" ".join(message.split()))
        _console(stderr=True).print(Text.assemble((head, style), line), soft_wrap=True)


def output() -> Console:
    """Return a console on standard output."""
    return _console(stderr=False)


def _console(stderr: bool) -> Console:
    from rich.console import Console

    class Quiet(Console):
        """Goes on without a word where the reader has gone, as in `mdpkit … | head`."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            _discard(sys.stderr if stderr else sys.stdout)

    return Quiet(stderr=stderr, markup=False, emoji=False, highlight=False)


def _discard(stream: Any) -> None:
    """Send what a stream still holds nowhere."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def flush() -> None:
    """Write what standard output still holds; a reader who has gone is no error."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _discard(sys.stdout)


def print_json(body: dict[str, Any]) -> None:
    """Print one object as JSON, alone in one line, ASCII in every locale."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(json.dumps(body, allow_nan=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)


def table(*columns: str, text: int = 1) -> Table:
    """Return an empty table; the first `text` columns are words, the others numbers."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for i, column in enumerate(columns):
        made.add_column(column, justify="left" if i < text else "right", no_wrap=i >= text)
    return made


def facts(rows: dict[str, str]) -> Table:
    """Return a table of names and what they are, without lines."""
    from rich.table import Table

    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column()
    for name, what in rows.items():
        made.add_row(name, what)
    return made


@contextlib.contextmanager
def working(message: str) -> Iterator[None]:
    """Show a terminal that something is being done."""
    from rich.console import Console

    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    with Console(stderr=True, markup=False).status(message):
        yield


# ---- numbers ---------------------------------------------------------------------------------


def is_exact(x: Any) -> bool:
    """Whether x is an exact rational."""
    return hasattr(x, "p") and hasattr(x, "q")


def finite(x: Any) -> float | str | None:
    """Return x as a float, None where JSON has no number for it; an exact number as "p/q"."""
    if is_exact(x):
        return str(x)
    x = float(x)
    return x if math.isfinite(x) else None


def decimals(gap: float, most: int = 10) -> int:
    """How many decimals of a value are worth printing if it is known to within `gap`."""
    if is_exact(gap):
        return most
    return min(max(2, -math.floor(math.log10(gap))), most) if 0 < gap < math.inf else most


def fixed(x: float, places: int, rounding: str = ROUND_HALF_EVEN) -> str:
    """Return x with this many decimals; an exact number as p/q, if that is short."""
    if is_exact(x):
        return _fraction(x)
    if not math.isfinite(x):
        return str(x)
    with localcontext(prec=400):
        return f"{Decimal(float(x)).quantize(Decimal(1).scaleb(-places), rounding):f}"


def _fraction(x: Any) -> str:
    from mdpkit._array import number

    text = str(x)
    if len(text) <= LONGEST_FRACTION:
        return text
    return f"≈ {number(x):.12g} ({len(text)} digits as p/q)"


def below(x: float, places: int) -> str:
    """Return x rounded down, so that a printed lower bound is one."""
    return fixed(x, places, ROUND_FLOOR)


def above(x: float, places: int) -> str:
    """Return x rounded up, so that a printed upper bound is one."""
    return fixed(x, places, ROUND_CEILING)
