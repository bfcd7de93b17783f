"""Panels of lines and grids: the form that the textbook's figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mdpkit.plot._grid import _heat_map
from mdpkit.plot._page import COLORS, check, drawn, new_figure, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mdpkit.curves import Curves


class Line(NamedTuple):
    """One curve: y over x, in a band from low to high if given; dashed: a bound or a truth.

    runs     (k, n) what it is a mean of, drawn thin
    failed   (k,) bool, which of them are drawn dotted; one that leaves the finite numbers has a
             cross where it was last seen, at the bottom if it never was
    """

    name: str
    x: Any
    y: Any
    low: Any = None
    high: Any = None
    dashed: bool = False
    runs: Any = None
    failed: Any = None


class Panel(NamedTuple):
    """Lines over two axes, or a table (rows, columns) of numbers drawn as a heat map.

    scales   "linear" or "log", for x and for y
    limits   (low, high) of y, or None
    """

    title: str
    lines: Sequence[Line] = ()
    x_label: str = ""
    y_label: str = ""
    scales: tuple[str, str] = ("linear", "linear")
    limits: tuple[float, float] | None = None
    grid: Any = None


def line(curves: Curves, name: str | None = None, level: float = 0.95) -> Line:
    """The mean of some runs in its band."""
    low, high = curves.band(level) if len(curves) > 1 else (None, None)
    return Line(curves.name if name is None else name, curves.x, curves.mean, low, high)


def curves(
    runs: Sequence[Curves], *, path: Any = None, title: str = "", level: float = 0.95
) -> Figure:
    """Learning curves over one axis: of each the mean of its runs, in Student's band for it.

        mk.plot.curves([learn(cliff, method, episodes=500, runs=40).returns for method in …])

    runs    Curves of one label; level : what a band covers, pointwise; path : file to write

    Raises ValueError without curves, on another suffix, or where labels differ.
    """
    if not runs:
        raise ValueError("curves() needs at least one.")
    axes = {(one.x_label, one.label) for one in runs}
    if len(axes) > 1:
        named = ", ".join(f"{label} over {x}" for x, label in sorted(axes))
        raise ValueError(f"curves of one figure share their axes; these are {named}.")
    lines = [line(one, level=level) for one in runs]
    only = runs[0].name if len(runs) == 1 else ""
    panel = Panel(only, lines, runs[0].x_label, runs[0].label)
    return panels([panel], path=path, title=title)


@drawn
def panels(content: Sequence[Panel], *, path: Any = None, title: str = "") -> Figure:
    """Panels side by side, at most three a row.

    path : file to write. Raises ValueError on another suffix or without a panel.
    """
    if not content:
        raise ValueError("panels() needs at least one panel.")
    check(path)
    columns = min(3, len(content))
    rows = -(-len(content) // columns)
    figure = new_figure(1.2 + 4.4 * columns, 0.6 + 3.3 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for panel, own in zip(content, axes, strict=False):
        _draw_grid(figure, own, panel) if panel.grid is not None else _draw_lines(own, panel)
    for own in axes[len(content) :]:
        own.set_axis_off()
    if title:
        figure.suptitle(plain(title, 110), fontsize=11, x=0.01, ha="left")
    return write(figure, path, title or "mdpkit")


def _draw_lines(axes: Axes, panel: Panel) -> None:
    for i, curve in enumerate(panel.lines):
        color = COLORS[i % len(COLORS)]
        style = "--" if curve.dashed else "-"
        mark = "o" if np.size(curve.x) == 1 else ""  # a line through one point is none
        axes.plot(
            curve.x,
            curve.y,
            style,
            marker=mark,
            color=color,
            linewidth=1.5,
            label=plain(curve.name),
        )
        if curve.runs is not None:
            _draw_runs(axes, curve, color)
        if curve.low is not None:
            axes.fill_between(
                curve.x, curve.low, curve.high, color=color, alpha=0.18, linewidth=0
            )
    axes.set_xscale(panel.scales[0])
    axes.set_yscale(panel.scales[1])
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.set_title(plain(panel.title, 80), fontsize=10, loc="left")
    if panel.limits is not None:
        axes.set_ylim(*panel.limits)
    if len(panel.lines) > 1 or any(curve.runs is not None for curve in panel.lines):
        axes.legend(frameon=False, fontsize=8)
    tidy(axes)


def _draw_runs(axes: Axes, curve: Line, color: str) -> None:
    """Each run by itself; of those that failed, where."""
    x, runs = np.asarray(curve.x), np.asarray(curve.runs, dtype=float)
    failed = np.zeros(len(runs), dtype=bool) if curve.failed is None else curve.failed
    low = runs[np.isfinite(runs)].min(initial=0.0)
    for i, (run, bad) in enumerate(zip(runs, failed, strict=True)):
        style, label = ":" if bad else "-", "each seed" if i == 0 else None
        axes.plot(x, run, style, color=color, linewidth=0.7, alpha=0.6, zorder=1.5, label=label)
        lost = ~np.isfinite(run)
        if lost.any():
            last = max(int(lost.argmax()) - 1, 0)
            y = low if lost[last] else run[last]
            axes.plot(x[last], y, "x", color="black", markersize=6, zorder=3)


def _draw_grid(figure: Figure, axes: Axes, panel: Panel) -> None:
    table = np.asarray(panel.grid, dtype=float)
    cells = np.stack(np.unravel_index(np.arange(table.size), table.shape), axis=1)
    _heat_map(figure, axes, cells, table.reshape(-1), panel.y_label)
    axes.set_title(plain(panel.title, 80), fontsize=10, loc="left")
    for (row, column), x in np.ndenumerate(table):
        axes.text(column, row, f"{x:.4g}", ha="center", va="center", fontsize=8, color="white")
