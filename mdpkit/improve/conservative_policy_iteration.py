"""Conservative policy iteration: a small step toward the greedy policy, which cannot fail.

    π_{k+1} = (1−α) π_k + α π',   π' greedy in q^{π_k},   𝔸 = E_{d^π_μ} max_a A^π(s,a)
    J(π_{k+1}) ≥ J(π_k) + αH𝔸 − 2α²γε'H/(1 − γ(1−α)),     ε' = max_s |Σ_a π'(a|s) A^π(s,a)|
    α = (1−γ)𝔸/(4ε'):   J grows by 𝔸²/(8ε') at least, and J* − J_k ≤ H²‖d*/μ‖∞ 𝔸

Where evaluation is exact the caution buys nothing; it is made for policies that are greedy only
nearly. Checked in tests/improve/test_conservative.py and proofs_checks (J4).
Source: Kakade & Langford (2002), Theorem 4.1 and Corollary 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit._array import sup
from mdpkit.improve import _iterates as shared
from mdpkit.improve import mirror_ascent, rates
from mdpkit.improve._iterates import State
from mdpkit.improve.divergences import Euclidean
from mdpkit.improve.step_sizes import positive
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import greedy_pairs
from mdpkit.operators.occupancy import occupancy
from mdpkit.policy import expected_under, probabilities


@dataclass(frozen=True, eq=False)
class ConservativePolicyIteration:
    """Mixtures with the greedy policy.

    mixture  α in (0, 1]; None is (1−γ)𝔸/(4ε'), anew at each step
    start    (S,) distribution μ that 𝔸 is averaged under; every state alike if None
    policy   the first one; uniform if None

    Exact on exact models.
    """

    mixture: Any = None
    start: Any = None
    policy: Any = None
    key = "cpi"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict

    def __post_init__(self):
        if self.mixture is not None:
            positive(self.mixture, "mixture")
            if self.mixture > 1:
                raise ValueError(f"mixture must lie in (0, 1]; it is {self.mixture}.")

    def init(self, mdp: MDP, start: Any = None) -> State:
        """The first policy. Raises ModelError at γ = 1, ValueError if `start` is given."""
        return mirror_ascent.begun(mdp, Euclidean(), self.policy, start)

    def step(self, mdp: MDP, state: State) -> State:
        """One mixture, and its evaluation; where the greedy policy gains nothing, stay."""
        best = mdp.actions_of(greedy_pairs(mdp, state.q))
        toward = probabilities(mdp, best)
        alpha = self._mixture(mdp, state, best)
        policy = state.policy + alpha * (toward - state.policy)
        return shared.advanced(mdp, state, policy, policy, step_size=alpha)

    def _mixture(self, mdp: MDP, state: State, best: np.ndarray) -> Any:
        gain = expected_under(mdp, best, shared.advantages(mdp, state))
        largest = sup(gain)
        if not largest > 0:
            return 0 * largest
        if self.mixture is not None:
            return mirror_ascent.sized(mdp, self.mixture)
        d = occupancy(mdp, state.policy, shared.covering(mdp, self.start))
        return (1 - mdp.gamma) * (d @ gain) / (4 * largest)

    def bounds(self, mdp: MDP, states: Sequence[State], v: np.ndarray) -> rates.Bounded | None:
        """A run's errors beside their theorem's bounds; v : (S,) v*. None with a fixed α."""
        rates.require_floats(mdp)
        if self.mixture is not None:
            return None
        return rates.conservative(mdp, states, v, shared.covering(mdp, self.start))
