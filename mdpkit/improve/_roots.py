"""The root of a decreasing function of one positive number, for many states at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

HALVINGS = 200
"""Enough for 2¹⁰²⁴ : 1 brackets; it ends earlier, when no float lies between the ends."""


def decreasing_root(
    f: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """The x with f(x) ≥ 0 ≥ f(x⁺), x⁺ the float after it, by bisection of log x; (n,).

    f : (n,) → (n,), each entry decreasing in its own; 0 < low ≤ high with f(low) ≥ 0 ≥ f(high),
    up to rounding. Good to the last digit that f itself tells apart.
    """
    low, high = low.astype(float), high.astype(float)
    for _ in range(HALVINGS):
        far = high > 2 * low
        middle = np.where(far, np.sqrt(low) * np.sqrt(high), low + (high - low) / 2)
        if ((middle <= low) | (middle >= high)).all():
            break
        above = f(middle) >= 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return low
