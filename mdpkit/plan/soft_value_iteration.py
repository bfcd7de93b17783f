"""Soft value iteration: v ← T_τ v, the maximum smoothed at temperature τ.

    (T_τ v)(s) = τ log Σ_a p(a|s) e^{q(s,a)/τ} = max_π Σ_a π(a) q(s,a) − τ KL(π‖p)
    q = r + γPv
    π(a|s) = p(a|s) e^{(q(s,a) − v(s))/τ};    ‖v_k − v*_τ‖∞ ≤ γᵏ ‖v_0 − v*_τ‖∞

τ is in units of reward. Without a prior p ≡ 1, the counting measure (entropy regularization):
v* ≤ v*_τ ≤ v* + τ H log A. With the uniform distribution, v* − τ H log A ≤ v*_τ ≤ v*.
Checked in tests/plan/test_soft.py. Source: Ziebart (2010); Haarnoja et al. (2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit.certify import Certificate
from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import Reduction, soft
from mdpkit.plan import _regularized as shared
from mdpkit.plan._regularized import State


@dataclass(frozen=True, eq=False)
class SoftValueIteration:
    """v ← T_τ v from v = 0.

    tau    temperature > 0, in units of reward
    prior  distribution over each state's actions in pair layout; None is the counting measure

    `sol.probabilities` is the soft-optimal policy, `sol.policy` its likeliest action.
    """

    tau: float = 1.0
    prior: Any = None
    key = "soft-vi"

    def __post_init__(self):
        shared.temperature(self.tau)

    @property
    def over(self) -> Reduction:
        """The log-sum-exp that stands for max."""
        return soft(self.tau, self.prior)

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given. Raises ModelError at γ = 1 and on exact models."""
        shared.readied(mdp, self.over)
        v = shared.start_values(mdp, start)
        return State(v, v, -np.inf, np.inf)

    def step(self, mdp: MDP, state: State) -> State:
        """One sweep."""
        new = shared.swept(mdp, state.v, self.over)
        return new._replace(v=new.image)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the MacQueen–Porteus interval, rounding included."""
        return shared.gap(mdp, state, self.over)

    def floor(self, mdp: MDP, state: State) -> float:
        """The gap that rounding leaves."""
        return shared.floor(mdp, state, self.over)

    def certify(self, mdp: MDP, state: State) -> Certificate:
        """Bounds on v*_τ."""
        return shared.certificate(mdp, state.v, self.over)

    def rate(self, mdp: MDP) -> float:
        """γ a step, toward v*_τ."""
        return mdp.gamma
