"""Figures: how a certified gap closes, and measured errors beside the bounds of theorems.

Every function returns a Matplotlib `Figure` and writes it where `path=` says (.svg, .png or
.pdf); none touches pyplot's state. Checked in tests/plot.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mdpkit.io._atomic import atomic_write

try:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as reason:
    raise ImportError('figures need Matplotlib: pip install "mdpkit[plot]"') from reason

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mdpkit.solve import Solution

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which color-blind readers can tell apart."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GRAY = "#555555"
DPI = 150
FEW, LONG = 12, 50
"""Steps up to which each has a marker, and above which the axis of steps is logarithmic."""

# SVG ids and dates depend on nothing, so that the same figure is the same file.
METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
}


def gaps(*solutions: Solution, tol: float | None = None, path: Any = None) -> Figure:
    """The certified gap after each step, one line a solution, on a logarithmic axis.

    tol    drawn as a line: the gap that was asked for
    path   file to write, .svg, .png or .pdf

    Raises ValueError on another suffix or without a solution.
    """
    if not solutions:
        raise ValueError("gaps() needs at least one solution.")
    _check(path)
    figure, axes = _page("certified gap  max(upper − lower)")
    for i, solution in enumerate(solutions):
        steps = np.arange(1, len(solution.gaps) + 1)
        _line(axes, i, steps, solution.gaps, _named(solution, solutions))
    if tol is not None and tol > 0:
        axes.axhline(tol, color=GRAY, linewidth=1, linestyle=(0, (1, 2)))
        axes.annotate(
            f"asked for: {tol:.2g}",
            (0, tol),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            color=GRAY,
            fontsize=8,
        )
    _finish(axes, 1, max(len(solution.gaps) for solution in solutions))
    return _write(figure, path)


def convergence(curves: Mapping[str, Any], path: Any = None, title: str = "") -> Figure:
    """Errors ‖v_k − v*‖∞ (solid) and the bounds of their theorems (dashed), step by step.

    curves   name → {"errors": [...], "bounds": [...] or None}, as in `mdpkit converge --json`
    path     file to write, .svg, .png or .pdf

    Bounds that agree are drawn once. Raises ValueError on another suffix or without a curve.
    """
    if not curves:
        raise ValueError("convergence() needs at least one curve.")
    _check(path)
    figure, axes = _page(r"error  $\Vert v_k - v^* \Vert_\infty$")
    for i, (name, curve) in enumerate(curves.items()):
        _line(axes, i, np.arange(len(curve["errors"])), curve["errors"], name)
    for names, bound in _distinct(curves):
        only = list(curves).index(names[0])
        color = GRAY if len(names) > 1 else COLORS[only % len(COLORS)]
        axes.plot(bound, color=color, linewidth=1.2, linestyle="--", zorder=1)
    if any(curve["bounds"] is not None for curve in curves.values()):
        axes.plot([], [], color=GRAY, linewidth=1.2, linestyle="--", label="theorem's bound")
    axes.set_title(title, fontsize=10, loc="left")
    _finish(axes, 0, max(len(curve["errors"]) for curve in curves.values()) - 1)
    return _write(figure, path)


# ---- parts -----------------------------------------------------------------------------------


def _page(ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 4.2), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(ylabel)
    axes.grid(which="major", color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _line(axes: Axes, i: int, x: np.ndarray, y: Any, name: str) -> None:
    y = np.array([np.nan if value is None else value for value in y], dtype=float)
    y[~((y > 0) & (y < np.inf))] = np.nan  # a logarithmic axis has no place for 0
    axes.plot(
        x,
        y,
        color=COLORS[i % len(COLORS)],
        marker=MARKERS[i % len(MARKERS)],
        markersize=4,
        markevery=1 if len(x) <= FEW else max(1, len(x) // FEW),
        linewidth=1.6,
        label=name,
    )


def _distinct(curves: Mapping[str, Any]) -> list[tuple[list[str], np.ndarray]]:
    """The bounds, the longest of those that agree, with the names they belong to."""
    found: list[tuple[list[str], np.ndarray]] = []
    for name, curve in curves.items():
        if curve["bounds"] is None:
            continue
        bound = np.asarray(curve["bounds"], dtype=float)
        for i, (names, other) in enumerate(found):
            n = min(len(bound), len(other))
            if np.allclose(bound[:n], other[:n], rtol=1e-9, atol=0):
                longest = bound if len(bound) > len(other) else other
                found[i] = ([*names, name], longest)
                break
        else:
            found.append(([name], bound))
    return found


def _named(solution: Solution, others: Sequence[Solution]) -> str:
    """The method's name, its parameters too where two solutions have the same."""
    name = type(solution.method).__name__
    same = sum(type(other.method).__name__ == name for other in others) > 1
    return f"{solution.method}" if same else name


def _finish(axes: Axes, first: int, last: int) -> None:
    if last > LONG:  # methods that end in five steps beside methods that take thousands
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.3)
        ticks = [0, *(m * 10**d for d in range(7) for m in (1, 2, 5))]
        axes.set_xticks([tick for tick in ticks if first <= tick <= last])
        axes.set_xlim(first - 0.2, 1.15 * last)
        axes.minorticks_off()
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    figure = axes.figure
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)


def _check(path: Any) -> None:
    if path is not None and Path(path).suffix.lower() not in METADATA:
        raise ValueError(f"a figure is written as {', '.join(METADATA)}; not {str(path)!r}.")


def _write(figure: Figure, path: Any) -> Figure:
    if path is not None:
        suffix, page = Path(path).suffix.lower(), io.BytesIO()
        with mpl.rc_context({"svg.hashsalt": "mdpkit"}):
            figure.savefig(page, format=suffix[1:], dpi=DPI, metadata=METADATA[suffix])
        with atomic_write(path) as file:
            file.write(page.getvalue())
    return figure
