"""A figure and its landmarks: numbers known from elsewhere that the curves must pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit.curves import Curves

EXACT, SIMULATED, PRINTED = "computed exactly", "simulated elsewhere", "printed in the book"

ERRORS = 5.0
"""Standard errors a simulated number may lie from a landmark; false alarm < 1e-6 each."""


class Landmark(NamedTuple):
    """What was found here beside what is known.

    found, wanted   in the figure's units; met if they are at most `within` apart
    source          EXACT, SIMULATED or PRINTED: where `wanted` comes from
    """

    name: str
    found: float
    wanted: float
    within: float
    source: str

    @property
    def met(self) -> bool:
        """Whether the figure passes here."""
        return bool(abs(self.found - self.wanted) <= self.within)


class Drawn(NamedTuple):
    """What a figure shows: panels for `mk.plot.panels`, its data, its landmarks."""

    title: str
    panels: list[Any]
    data: dict[str, Any]
    landmarks: list[Landmark]


def exact(name: str, found: Any, wanted: float, within: float = 1e-9) -> Landmark:
    """A landmark of a number that both sides compute."""
    return Landmark(name, float(found), wanted, within, EXACT)


def simulated(
    name: str, runs: np.ndarray, wanted: float, *, reference_runs: int, digit: float
) -> Landmark:
    """A mean over runs beside a mean simulated elsewhere, over `reference_runs` such runs.

    runs : (n,), one number a run. digit : what the reference is rounded to. The two may differ
    by ERRORS standard errors of their difference and half a digit.
    """
    spread = float(np.std(runs, ddof=1))
    within = ERRORS * spread * np.sqrt(1 / len(runs) + 1 / reference_runs) + digit / 2
    return Landmark(name, float(np.mean(runs)), wanted, float(within), SIMULATED)


def rows(curves: Curves) -> dict[str, list[float]]:
    """A curve as JSON has it: its mean and band."""
    low, high = curves.band()
    return {"mean": curves.mean.tolist(), "low": low.tolist(), "high": high.tolist()}


def finite(x: np.ndarray) -> list[float | None]:
    """Numbers as JSON has them; None where one is not finite."""
    return [float(y) if np.isfinite(y) else None for y in x]
