"""Soft policy iteration: evaluate with the entropy, improve by a softmax. It is Newton on T_τ.

    v_k = (I − γP_π)⁻¹ (r_π − τ KL(π‖p)),    π_{k+1}(a|s) ∝ p(a|s) e^{q_k(s,a)/τ}
    v_{k+1} ≥ T_τ v_k ≥ v_k,    ‖v*_τ − v_{k+1}‖∞ ≤ γ ‖v*_τ − v_k‖∞
    ‖v*_τ − v_{k+1}‖∞ ≤ γ²H/(8τ) · sp(v*_τ − v_k)²      quadratic from the first step on

Checked in proofs_checks (K4, K5) and tests/plan/test_soft.py.
Source: Haarnoja et al. (2018); Cen et al. (2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mdpkit.mdp import MDP
from mdpkit.operators.aggregate import Reduction, soft
from mdpkit.operators.bellman import action_values
from mdpkit.operators.projection import attaining
from mdpkit.operators.resolvent import solve_chain
from mdpkit.operators.sweep import chain_sweep
from mdpkit.plan import _regularized as shared
from mdpkit.plan._regularized import State
from mdpkit.policy import under


@dataclass(frozen=True, eq=False)
class SoftPolicyIteration:
    """Soft policy iteration from the policy soft-greedy in v = 0.

    tau    temperature > 0, in units of reward
    prior  distribution over each state's actions in pair layout; None is the counting measure
    """

    tau: float = 1.0
    prior: Any = None
    key = "soft-pi"
    gap, floor, rate, certify = shared.gap, shared.floor, shared.rate, shared.certify

    def __post_init__(self):
        shared.temperature(self.tau)

    @property
    def over(self) -> Reduction:
        """The log-sum-exp that stands for max."""
        return soft(self.tau, self.prior)

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """The value of the policy that is soft-greedy in 0, or in the values given."""
        shared.readied(mdp, self.over)
        v = shared.start_values(mdp, start)
        return self._improved(mdp, shared.swept(mdp, v, self.over))

    def step(self, mdp: MDP, state: State) -> State:
        """Improve and evaluate; where rounding forbids any gain, stay."""
        new = self._improved(mdp, state)
        return new if new.v.sum() > state.v.sum() else state

    def _improved(self, mdp: MDP, state: State) -> State:
        # r_π − τ KL(π‖p) = T_τ v − γ P_π v for the π that attains T_τ v.
        pi = attaining(mdp, action_values(mdp, state.v), self.over)
        rows, _, _ = under(mdp, pi)
        r = state.image - chain_sweep(rows, np.zeros(mdp.n_states), mdp.gamma, state.v)
        return shared.swept(mdp, solve_chain(rows, r, mdp.gamma, state.image), self.over)
