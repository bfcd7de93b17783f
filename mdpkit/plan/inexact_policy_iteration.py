"""Inexact policy iteration: policies are evaluated in a Krylov space, as far as is needed.

    d ≈ (I − γP_π)⁻¹ (T v − v),   ‖residual‖ ≤ η ‖T v − v‖₂,   v ← v + d

η = 1 is no step at all, η → 0 policy iteration. GMRES needs some √(condition) steps where
sweeps need H = 1/(1−γ) of them: for γ near 1 on slowly mixing models.
Checked with every method in tests/plan. Source: Gargiani, Liao-McPherson & Lygeros (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdpkit._array import sup
from mdpkit.certify import interval
from mdpkit.mdp import MDP
from mdpkit.operators.resolvent import solve_krylov
from mdpkit.operators.sweep import gathered
from mdpkit.plan.modified_policy_iteration import State, swept


@dataclass(frozen=True)
class InexactPolicyIteration:
    """Policy iteration whose evaluations stop at a relative residual `eta` in (0, 1)."""

    eta: float = 0.01
    key = "ipi"

    def __post_init__(self):
        if not 0 < self.eta < 1:
            raise ValueError(f"eta must lie in (0, 1); it is {self.eta}.")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given, and their greedy sweep."""
        return swept(mdp, np.zeros(mdp.n_states) if start is None else start)

    def step(self, mdp: MDP, state: State) -> State:
        """The correction that the greedy policy's equation asks for, and the next sweep."""
        rows = gathered(mdp.rows, state.best)
        residual = state.image - state.v
        v = state.v + solve_krylov(rows, residual, mdp.gamma, residual, self.eta)
        return swept(mdp, v)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that T v − v proves, rounding included."""
        return interval(mdp, state.low, state.high, float(sup(state.v)))
