"""Step sizes α_0, α_1, … that know whether stochastic approximation converges with them.

    α_k = max(least, scale / (offset + k)^power)
    Robbins & Monro:  Σ α_k = ∞   and   Σ α_k² < ∞      ⇔  ½ < power ≤ 1 and least = 0

Exploration rates ε_k are drawn from the same objects. A schedule is a tuple of four numbers, so
kernels take it whole; `at(schedule, k)` is its k-th term there and in Python.

Checked in tests/operators/test_step_size.py. Source: Robbins & Monro (1951).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from mdpkit._jit import inlined


class Schedule(NamedTuple):
    """α_k = max(least, scale / (offset + k)^power), k = 0, 1, …"""

    scale: float
    offset: float = 1.0
    power: float = 0.0
    least: float = 0.0

    @property
    def sum_diverges(self) -> bool:
        """Whether Σ α_k = ∞: wherever it starts, it can arrive."""
        return self.scale > 0 and (self.power <= 1 or self.least > 0)

    @property
    def squares_converge(self) -> bool:
        """Whether Σ α_k² < ∞: the noise averages out."""
        return self.scale == 0 or (self.power > 0.5 and self.least == 0)

    @property
    def converges(self) -> bool:
        """Robbins and Monro's two conditions together."""
        return self.sum_diverges and self.squares_converge


def constant(value: float) -> Schedule:
    """α_k = value."""
    return checked(Schedule(float(value)))


def polynomial(scale: float = 1.0, *, power: float = 1.0, offset: float = 1.0) -> Schedule:
    """α_k = scale / (offset + k)^power; the sample mean with the defaults."""
    return checked(Schedule(float(scale), float(offset), float(power)))


def rescaled_linear(gamma: float) -> Schedule:
    """α_k = 1 / (1 + (1 − γ) k), which keeps the 1/k rate at modulus γ that 1/k loses."""
    if not 0 <= gamma < 1:
        raise ValueError(f"γ must lie in [0, 1); it is {gamma}.")
    return polynomial(1 / (1 - gamma), offset=1 / (1 - gamma))


def as_schedule(x: Schedule | float) -> Schedule:
    """A number is a constant schedule."""
    return checked(x) if isinstance(x, Schedule) else constant(x)


def checked(schedule: Schedule) -> Schedule:
    """The same schedule. Raises ValueError unless every term lies in [0, 1]."""
    scale, offset, power, least = schedule
    if not all(math.isfinite(x) and x >= 0 for x in schedule) or offset == 0 < power:
        raise ValueError(
            f"a schedule's numbers are finite and ≥ 0, offset > 0; got {schedule}."
        )
    first = max(least, scale / offset**power if power else scale)
    if first > 1 + 1e-12:
        raise ValueError(f"α_0 = {first:.6g} exceeds 1. Lower scale, or raise offset.")
    return schedule


@inlined
def at(schedule: Schedule, k: int) -> float:
    """α_k."""
    scale, offset, power, least = schedule
    if power == 0.0:
        return max(least, scale)
    if power == 1.0:
        return max(least, scale / (offset + k))
    return max(least, scale * (offset + k) ** -power)
