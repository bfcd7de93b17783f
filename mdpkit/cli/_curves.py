"""The measured error of a method, step by step, beside the bound that its theorem gives.

    ‖v_k − v*‖∞ ≤ rateᵏ ‖v_0 − v*‖∞   from v_0 ≤ T v_0

A method with `bounds` begins from a policy, and says itself which error its theorem bounds. v*
is the midpoint of bounds at the rounding floor. `slack` is what it and the rounding of the
steps may add to an error, so that a bound counts as broken only where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from mdpkit.mdp import MDP

CLEAR = 1e3
"""A ratio is read only where the bound is this many times the slack: below it is noise."""


VALUES = "‖v_k − v*‖∞"


class Truth(NamedTuple):
    """v*, and how far a measured error may exceed its bound for want of digits."""

    v: np.ndarray
    slack: float


class Curve(NamedTuple):
    """Errors, bounds (None without a theorem) and certified gaps of a method, from step 0.

    quantity : the error that is measured, in symbols.
    """

    errors: list[float]
    bounds: list[float] | None
    gaps: list[float]
    quantity: str = VALUES

    def broken(self, slack: float) -> list[int]:
        """The steps whose error exceeds its bound."""
        pairs = enumerate(zip(self.errors, self.bounds or (), strict=self.bounds is not None))
        return [k for k, (error, bound) in pairs if not error <= bound + slack]

    def tightest(self, slack: float) -> tuple[float, int] | None:
        """The largest error/bound after step 0 and its step; None where bounds are noise."""
        pairs = enumerate(zip(self.errors, self.bounds or (), strict=self.bounds is not None))
        clear = [
            (error / bound, k) for k, (error, bound) in pairs if k and bound > CLEAR * slack
        ]
        return max(clear, default=None, key=lambda found: found[0])


def truth(mdp: MDP, start: np.ndarray, tau: float = 0.0) -> Truth:
    """v*, or v*_τ, to the rounding floor, for iterates no larger than it and `start`."""
    import mdpkit as mk
    from mdpkit._array import sup
    from mdpkit.certify import rounding_floor
    from mdpkit.plan import SoftPolicyIteration

    method = SoftPolicyIteration(tau) if tau else None
    solution = mk.solve(mdp, method, tol=0.0, throw=False)
    if solution.status is mk.Status.INTERRUPTED:
        raise KeyboardInterrupt
    size = max(float(sup(solution.v)), float(sup(start)))
    return Truth(solution.v, float(solution.gap + rounding_floor(mdp, size)))


def pessimistic(mdp: MDP) -> np.ndarray:
    """(S,) a constant c with T c ≥ c, from which values only grow."""
    least = float(mdp.r.min()) / (1 - float(mdp.gamma))
    return np.full(mdp.n_states, min(0.0, least) if mdp.stops else least)


def measure(
    mdp: MDP,
    method: Any,
    v: np.ndarray,
    start: np.ndarray,
    steps: int,
    tick: Callable[[], None] = lambda: None,
) -> Curve:
    """Run a method for some steps, or until it stands still, and compare it with v*."""
    import mdpkit as mk

    errors: list[float] = []
    gaps: list[float] = []
    states: list[Any] = []
    before = None
    own = hasattr(method, "bounds")
    for k, (state, gap) in enumerate(mk.iterate(mdp, method, start=None if own else start)):
        if before is not None and np.array_equal(before, state.v):
            break
        errors.append(float(abs(state.v - v).max()))
        gaps.append(float(gap))
        before = state.v
        if own:
            states.append(state)
        tick()
        if k == steps:
            break
    found = method.bounds(mdp, states, v) if own else None
    if found is not None:
        return Curve(found.errors.tolist(), found.bounds.tolist(), gaps, found.quantity)
    rate = method.rate(mdp) if hasattr(method, "rate") else None
    bounds = None if rate is None else [rate**k * errors[0] for k in range(len(errors))]
    return Curve(errors, bounds, gaps)
