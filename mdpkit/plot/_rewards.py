"""Recovered rewards beside true ones, and how a decision changes with its stakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mdpkit.plot._grid import _heat_map
from mdpkit.plot._page import COLORS, GRAY, check, drawn, new_figure, plain, tidy, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@drawn
def rewards(true: Any, recovered: Any, *, cells: Any = None, path: Any = None) -> Figure:
    """A recovered reward against the true one, and both as maps where states are cells.

    true, recovered   (n,) in the same order; the line is that of least squares
    cells             (n, 2) row and column of each, or None
    path              file to write
    """
    check(path)
    true, recovered = np.asarray(true, dtype=float), np.asarray(recovered, dtype=float)
    figure = new_figure(4.2 if cells is None else 11, 4.2 if cells is None else 3.4)
    axes = figure.subplots(1, 1 if cells is None else 3, squeeze=False)[0]
    if cells is not None:
        _heat_map(figure, axes[0], np.asarray(cells), true, "true reward")
        _heat_map(figure, axes[1], np.asarray(cells), recovered, "recovered reward")
    axes[-1].plot(true, recovered, "o", color=COLORS[0], markersize=3, alpha=0.6)
    if np.ptp(true) > 0:
        slope, level = np.polyfit(true, recovered, 1)
        ends = np.array([true.min(), true.max()])
        axes[-1].plot(ends, slope * ends + level, color=GRAY, linewidth=1, linestyle="--")
    axes[-1].set_xlabel("true reward")
    axes[-1].set_ylabel("recovered reward")
    tidy(axes[-1])
    return write(figure, path, "Recovered against true reward")


@drawn
def stakes(levels: Any, curves: Mapping[str, Any], path: Any = None, title: str = "") -> Figure:
    """The probability of a gamble as what is at stake grows, one line a way to decide.

    levels   (n,) factors on every reward     curves   name → (n,) probabilities
    path     file to write
    """
    check(path)
    figure = new_figure(6, 3.6)
    axes = figure.subplots()
    for i, (name, curve) in enumerate(curves.items()):
        axes.plot(
            levels, curve, color=COLORS[i % len(COLORS)], linewidth=1.6, label=plain(name)
        )
    axes.set_xlabel("stakes: factor on every reward")
    axes.set_ylabel("probability of the gamble")
    axes.set_ylim(-0.02, 1.02)
    axes.set_title(title, fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=9)
    tidy(axes)
    return write(figure, path, "Stakes")
