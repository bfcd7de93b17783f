"""Curves over steps: certified gaps, measured errors beside the bounds of theorems, regret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from mdpkit._array import number
from mdpkit.curves import Curves
from mdpkit.plot._page import (
    COLORS,
    GRAY,
    MARKERS,
    check,
    drawn,
    new_figure,
    plain,
    tidy,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mdpkit.solution import Solution

FEW, LONG = 12, 50
"""Steps up to which each has a marker, and above which the axis of steps is logarithmic."""


@drawn
def gaps(*solutions: Solution, tol: float | None = None, path: Any = None) -> Figure:
    """The certified gap after each step, one line a solution, on a logarithmic axis.

    tol    drawn as a line: the gap that was asked for
    path   file to write

    Raises ValueError on another suffix or without a solution.
    """
    if not solutions:
        raise ValueError("gaps() needs at least one solution.")
    check(path)
    figure, axes = _page("")
    draw_gaps(axes, solutions, tol)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return write(figure, path, "Certified gap after each step")


def draw_gaps(axes: Axes, solutions: Sequence[Solution], tol: float | None) -> None:
    """The same on axes that are there."""
    axes.set_yscale("log")
    axes.set_ylabel("certified gap  max(upper − lower)")
    drawable = False
    for i, solution in enumerate(solutions):
        steps = np.arange(1, len(solution.gaps) + 1)
        gap = np.array(solution.gaps, dtype=float)
        if not gap[-1] < np.inf:  # at γ = 1 only the certificate knows, at the end
            gap[-1] = number(solution.gap)
        drawable = drawable or bool(((gap > 0) & (gap < np.inf)).any())
        _line(axes, i, steps, gap, _named(solution, solutions))
    if not drawable:
        axes.set_ylim(1e-16, 1.0)
        axes.text(0.5, 0.5, "gap 0: exact", ha="center", transform=axes.transAxes, color=GRAY)
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


@drawn
def convergence(curves: Mapping[str, Any], path: Any = None, title: str = "") -> Figure:
    """Errors (solid) and the bounds of their theorems (dashed), step by step.

    curves   name → {"errors": [...], "bounds": [...] or None}, as in `mdpkit converge --json`;
             "quantity" says of which error, where it is not ‖v_k − v*‖∞
    path     file to write

    Bounds that agree are drawn once. Raises ValueError on another suffix or without a curve.
    """
    if not curves:
        raise ValueError("convergence() needs at least one curve.")
    check(path)
    usual = "‖v_k − v*‖∞"
    of = {name: curve.get("quantity", usual) for name, curve in curves.items()}
    alike = set(of.values()) == {usual}
    figure, axes = _page(r"error  $\Vert v_k - v^* \Vert_\infty$" if alike else "error")
    for i, (name, curve) in enumerate(curves.items()):
        label = name if of[name] == usual else f"{name}: {of[name]}"
        _line(axes, i, np.arange(len(curve["errors"])), curve["errors"], label)
    for names, bound in _distinct(curves):
        only = list(curves).index(names[0])
        color = GRAY if len(names) > 1 else COLORS[only % len(COLORS)]
        axes.plot(bound, color=color, linewidth=1.2, linestyle="--", zorder=1)
    if any(curve["bounds"] is not None for curve in curves.values()):
        axes.plot([], [], color=GRAY, linewidth=1.2, linestyle="--", label="theorem's bound")
    axes.set_title(plain(title, 80), fontsize=10, loc="left")
    _finish(axes, 0, max(len(curve["errors"]) for curve in curves.values()) - 1)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return write(figure, path, f"Errors beside their bounds: {title}")


@drawn
def regret(
    curves: Mapping[str, Any],
    path: Any = None,
    title: str = "",
    *,
    bounds: Mapping[str, Any] | None = None,
) -> Figure:
    """Regret over steps, a color a learner: the mean of its runs in a band, and its bound.

    curves   name → Curves of cumulated regret, or (T,) or (runs, T) after each step; units:
             reward. The band holds nine runs in ten
    path     file to write
    bounds   name of a curve → what a theorem allows at its x, dashed

    Steps that are not evenly spaced are drawn on a logarithmic axis, and so is regret beside
    bounds. Raises ValueError on another suffix, without a curve, or where one is not of that
    shape.
    """
    if not curves:
        raise ValueError("regret() needs at least one curve.")
    check(path)
    bounds = bounds or {}
    if unknown := sorted(set(bounds) - set(curves)):
        raise ValueError(f"bounds are for curves {unknown}; there are {list(curves)}.")
    figure = new_figure()
    axes = figure.subplots()
    tidy(axes)
    axes.set_xlabel("step")
    axes.set_ylabel("cumulated regret")
    runs = {name: _runs(name, curve) for name, curve in curves.items()}
    for i, name in enumerate(runs):
        _regret_line(axes, i, name, runs[name], bounds.get(name))
    if bounds:
        axes.plot([], [], color=GRAY, linewidth=1.2, linestyle="--", label="theorem's bound")
    axes.set_title(plain(title, 80), fontsize=10, loc="left")
    if any(len(curve.x) > 2 and np.ptp(np.diff(curve.x)) > 0 for curve in runs.values()):
        axes.set_xscale("log")
        seen = np.concatenate([curve.mean for curve in runs.values()])
        if bounds and (seen > 0).any():  # far above; and powers of the step are straight lines
            axes.set_yscale("log", nonpositive="clip")
            axes.set_ylim(bottom=seen[seen > 0].min())
    else:
        axes.set_xlim(left=0)
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return write(figure, path, f"Regret: {title}")


def _regret_line(axes: Axes, i: int, name: str, runs: Curves, bound: Any) -> None:
    """The mean in its band, and the bound."""
    color = COLORS[i % len(COLORS)]
    axes.plot(runs.x, runs.mean, color=color, linewidth=1.6, label=_legend(name))
    if len(runs) > 1:
        low, high = runs.quantile(0.05), runs.quantile(0.95)
        axes.fill_between(runs.x, low, high, color=color, alpha=0.15, linewidth=0)
    if bound is not None:
        axes.plot(runs.x, bound, color=color, linewidth=1.2, linestyle="--")


def _runs(name: str, runs: Any) -> Curves:
    """Curves as they are; arrays with the steps 1, 2, …"""
    if isinstance(runs, Curves):
        return runs
    runs = np.atleast_2d(np.asarray(runs, dtype=float))
    if runs.ndim != 2 or runs.size == 0:
        raise ValueError(f"{name!r} has shape {runs.shape}; (T,) or (runs, T) is needed.")
    return Curves(runs)


# ---- parts -----------------------------------------------------------------------------------


def _page(ylabel: str) -> tuple[Figure, Axes]:
    figure = new_figure()
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(ylabel)
    tidy(axes)
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
        label=_legend(name),
    )


def _legend(name: str) -> str:
    """A name as a legend shows it, even one that begins with an underscore."""
    return "\u200a" + plain(name, 40) if name.startswith("_") else plain(name, 40)


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
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if last == first:
            axes.set_xlim(first - 0.5, last + 0.5)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.set_xlabel("step")
