"""Projected policy gradient: ascend J on the product of simplices, and project back.

    π_{k+1} = Proj(π_k + α ∇J_μ(π_k)),   ∂J_μ/∂π(a|s) = H d_μ^π(s) q^π(s,a)
    α = 1/L, L = 2γ|A|H³R:   J* − J_k ≤ max(64γ S|A|H⁵ ‖d*/μ‖²∞ R, δ_0)/k,   J_k grows

It is mirror ascent with the plain Euclidean distance, not weighted by visits: states that are
seldom visited move slowly, and states that μ never leads to not at all, which is why μ covers
every state unless told otherwise. A large step is no failure: v grows at every state for every
α > 0, and once α H d(s) · gap ≥ 2 the step is that of policy iteration.
Checked in tests/improve/test_projected.py and proofs_checks (H16–H18).
Source: Agarwal et al. (2021), Theorem 5; Xiao (2022), Theorem 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdpkit._array import number
from mdpkit.improve import _iterates as shared
from mdpkit.improve import mirror_ascent, rates
from mdpkit.improve._iterates import State
from mdpkit.improve.divergences import Euclidean
from mdpkit.improve.step_sizes import Constant, Situation, Smoothness, rule
from mdpkit.mdp import MDP
from mdpkit.operators.policy_gradient import policy_gradient, visits


@dataclass(frozen=True, eq=False)
class ProjectedPolicyGradient:
    """Gradient ascent on the probabilities themselves.

    step_size  a number > 0, or a rule: Smoothness, Constant, Geometric, Armijo, Normalized
    start      (S,) distribution μ that the gradient is taken under; every state alike if None
    policy     the first one; uniform if None

    Exact on exact models, where the rule is (a number is).
    """

    step_size: Any = field(default_factory=Smoothness)
    start: Any = None
    policy: Any = None
    key = "ppg"
    gap, certify, floor = shared.gap, shared.certify, shared.floor
    verdict = shared.verdict

    def __post_init__(self):
        rule(self.step_size)

    def init(self, mdp: MDP, start: Any = None) -> State:
        """The first policy. Raises ModelError at γ = 1, ValueError if `start` is given."""
        return mirror_ascent.begun(mdp, Euclidean(), self.policy, start)

    def step(self, mdp: MDP, state: State) -> State:
        """One projected gradient step, and its evaluation."""
        mu = shared.covering(mdp, self.start)
        weight = visits(mdp, state.policy, mu)
        gradient = policy_gradient(mdp, state.policy, mu)

        def moved(size: Any) -> State:
            return mirror_ascent.ascended(mdp, Euclidean(), state, size * weight, size)

        def trial(size: float) -> tuple[float, float]:
            new = moved(size)
            along = (gradient * (new.policy - state.policy)).sum()
            return number(mu @ (new.v - state.v)), number(along)

        situation = Situation(
            state.step,
            number(mdp.gamma),
            float("nan") if state.step == 0 else state.step_size,
            smoothness=rates.direct_smoothness(mdp),
            slope=float(np.sqrt(number((gradient**2).sum()))),
            trial=trial,
        )
        return moved(mirror_ascent.sized(mdp, rule(self.step_size)(situation)))

    def bounds(self, mdp: MDP, states: Sequence[State], v: np.ndarray) -> rates.Bounded | None:
        """A run's errors beside their theorem's bounds, for steps ≤ 1/L; v : (S,) v*."""
        rates.require_floats(mdp)
        chosen, most = rule(self.step_size), 1 / rates.direct_smoothness(mdp)
        size = chosen.size if isinstance(chosen, Constant) else most
        if not isinstance(chosen, Constant | Smoothness) or not size <= most:
            return None
        return rates.projected(mdp, states, v, shared.covering(mdp, self.start), float(size))
