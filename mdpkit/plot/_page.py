"""What all figures share: colors, axes, names as plain text, and how a figure is written."""

from __future__ import annotations

import functools
import html
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mdpkit.io._atomic import atomic_write

try:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ImportError as reason:
    raise ImportError('figures need Matplotlib: pip install "mdpkit[plot]"') from reason

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which color-blind readers can tell apart."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GRAY = "#555555"
DPI = 150
LONGEST = 24
"""Characters of a name that a figure shows."""

# SVG ids and dates depend on nothing, so that the same figure is the same file.
METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
    ".html": {"Date": None},
}
PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; margin: 2em; }} svg {{ max-width: 100%; height: auto; }}
</style></head>
<body>
<h1>{title}</h1>
{figure}
</body>
</html>
"""
Draw = TypeVar("Draw", bound=Callable)

# The reader's own settings may ask for TeX, which would run what a name says.
SETTINGS: Any = {"text.usetex": False, "svg.hashsalt": "mdpkit"}


def new_figure(width: float = 8, height: float = 4.2) -> Figure:
    """An empty figure that no window knows of."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(name: Any, width: int = LONGEST) -> str:
    """A name as text that Matplotlib draws as it is: `$` is no mathematics."""
    letters = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(name))
    line = "".join(letters)
    line = line if len(line) <= width else line[: width - 1] + "…"
    return line.replace("$", r"\$")


def tidy(axes: Axes) -> None:
    """A light grid, and no frame above and to the right."""
    axes.grid(which="major", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def check(path: Any) -> None:
    """Raise ValueError now if a figure cannot be written so."""
    if path is not None and Path(path).suffix.lower() not in METADATA:
        raise ValueError(f"a figure is written as {', '.join(METADATA)}; not {str(path)!r}.")


def drawn(function: Draw) -> Draw:
    """Draw with the house's settings, whatever the reader's are."""

    @functools.wraps(function)
    def draw(*args: Any, **options: Any) -> Any:
        with mpl.rc_context(SETTINGS):
            return function(*args, **options)

    return cast(Draw, draw)


def write(figure: Figure, path: Any, title: str = "mdpkit") -> Figure:
    """Write a figure atomically if a path is given; return it."""
    if path is None:
        return figure
    suffix, page = Path(path).suffix.lower(), io.BytesIO()
    kind = "svg" if suffix == ".html" else suffix[1:]
    figure.savefig(page, format=kind, dpi=DPI, metadata=METADATA[suffix])
    data = page.getvalue()
    if suffix == ".html":
        drawn = data.decode("utf-8")
        drawn = drawn[drawn.index("<svg") :]
        data = PAGE.format(title=html.escape(title), figure=drawn).encode("utf-8")
    with atomic_write(path) as file:
        file.write(data)
    return figure
