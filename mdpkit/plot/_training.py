"""Trainings: every seed, their interquartile mean, and how sure of it one may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mdpkit.curves import Curves
from mdpkit.plot._panels import Line, Panel, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATISTIC = "interquartile mean"


def training(results: Any, *, path: Any = None, title: str = "", level: float = 0.95) -> Figure:
    """Returns over steps: each seed thin, the interquartile mean in its bootstrap's band.

        mk.plot.training([mk.deep.train(method, "CartPole-v1", …) for method in …])

    results   a training, or several, side by side: `Curves`, or what has them as `.curves`;
              where it has `.finite`, (k,) bool, seeds that are not count as failed
    level     what a band covers, pointwise; path : file to write

    A failed seed is dotted, and ends in a cross where it left the finite numbers; in the mean
    it counts as the lowest. Raises ValueError without a training, or on another suffix.
    Source: Agarwal et al. (2021).
    """
    several: Any = results
    if isinstance(results, Curves) or hasattr(results, "curves"):
        several = [results]
    if not several:
        raise ValueError("training() needs at least one.")
    return panels([_panel(one, level) for one in several], path=path, title=title)


def _panel(result: Any, level: float) -> Panel:
    """One training. Its title says how many seeds there are, and how many failed."""
    curves: Curves = getattr(result, "curves", result)
    values = np.asarray(curves.values, dtype=float)
    failed = ~np.isfinite(values).all(axis=1) | ~np.asarray(getattr(result, "finite", True))
    low, high = None, None
    if len(curves) > 1:
        low, high = curves.bootstrap(STATISTIC, level)
        # Where the mean may be that of failed seeds, the band reaches down to the lowest seed.
        low = np.maximum(low, values[np.isfinite(values)].min(initial=np.inf))
    mean = curves.interquartile_mean
    line = Line(STATISTIC, curves.x, mean, low, high, runs=values, failed=failed)
    seeds = f"{len(curves)} seed" + "s" * (len(curves) > 1)
    seeds += f", {failed.sum()} FAILED" if failed.any() else ""
    title = f"{curves.name}: {seeds}" if curves.name else seeds
    return Panel(title, [line], curves.x_label, curves.label)
