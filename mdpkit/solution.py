"""What a solve returns: the answer, its bounds, and how it came about."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from mdpkit._array import number, row_rounding, sup
from mdpkit.mdp import MDP
from mdpkit.policy import probabilities


class Status(enum.Enum):
    """How a solve ended; each value is a sentence."""

    SOLVED = "The bounds on v* are as narrow as asked."
    MAX_STEPS = "The limit on steps was reached before the gap asked for."
    DEADLINE = "The deadline passed before the gap asked for was reached."
    INTERRUPTED = "The solve was interrupted; the bounds are those of the last complete step."
    ROUNDING_FLOOR = (
        "The gap asked for lies below what floating-point rounding allows for this model."
    )
    STAGNATED = "The method stopped making progress before the gap asked for."
    OSCILLATING = "The iterates oscillate: the chain is periodic; use aperiodicity > 0."


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """A certified answer.

    v                   (S,) between the bounds, so within gap of v* (units: reward)
    q                   pair layout: action values of v
    policy              (S,) int, greedy in q, the lowest index among ties
    lower, upper        (S,) lower ≤ v* ≤ upper, rounding included; gap = max(upper − lower)
    loss                v* − v^policy ≤ loss at every state
    gaps                the method's proven gap after each step
    status, steps, seconds, method, why   how it came about
    stages              finite horizon: v and policy of every stage; else None
    bias                average reward: (S,) bias, while v, lower and upper speak of the gain
    stochastic          a policy in pair layout, where the answer is not deterministic; loss is
                        then its own, and policy has its likeliest actions
    """

    v: np.ndarray
    q: np.ndarray
    policy: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    gap: float
    loss: float
    gaps: np.ndarray
    mdp: MDP
    status: Status
    steps: int
    seconds: float
    method: Any
    why: str = ""
    state: Any = None
    stages: Any = None
    bias: Any = None
    stochastic: Any = None

    @property
    def probabilities(self) -> np.ndarray:
        """The policy as a distribution over each state's actions, in pair layout."""
        if self.stochastic is not None:
            return self.stochastic
        return probabilities(self.mdp, self.policy)

    @property
    def value_at_start(self) -> float:
        """Σ_s start(s) v(s)."""
        return cast(float, self.mdp.start @ self.v)

    @property
    def lower_at_start(self) -> float:
        """A lower bound on Σ_s start(s) v*(s), rounding included."""
        return self._at_start(self.lower) - self._start_rounding

    @property
    def upper_at_start(self) -> float:
        """An upper bound on Σ_s start(s) v*(s), rounding included."""
        return self._at_start(self.upper) + self._start_rounding

    def _at_start(self, bound: np.ndarray) -> Any:
        used = np.asarray(self.mdp.start > 0, dtype=bool)  # 0 · ∞ is no bound
        return self.mdp.start[used] @ bound[used]

    @property
    def _start_rounding(self) -> float:
        if self.v.dtype == np.dtype(object):
            return 0
        size = max(sup(self.lower), sup(self.upper))
        if not size < np.inf:
            return 0.0
        used = np.count_nonzero(self.mdp.start)
        return row_rounding(used, size) + abs(self.mdp.start.sum() - 1) * size

    def __repr__(self) -> str:
        return (
            f"Solution({self.status.name}: v at start {number(self.value_at_start):.10g}, "
            f"gap {number(self.gap):.2g}, "
            f"{self.steps} steps of {self.method}, {self.seconds:.3g} s)"
        )
