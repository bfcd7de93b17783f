"""Inexact policy iteration: policies are evaluated in a Krylov space, as far as is needed.

    d ≈ (I − γP_π)⁻¹ (T v − v),   ‖residual‖∞ ≤ η ‖T v − v‖∞,   v ← v + d

η = 1 is no step at all, η → 0 policy iteration. BiCGSTAB needs about √H products where sweeps
need H = 1/(1−γ) of them: for γ near 1 on slowly mixing models. Where it fails to reach its goal
the policy is swept instead, as in modified policy iteration.
Checked with every method in tests/plan. Source: Gargiani, Liao-McPherson & Lygeros (2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdpkit._array import sup
from mdpkit.certify import interval, middle
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import rounding
from mdpkit.operators.krylov import bicgstab
from mdpkit.operators.sweep import policy_rows
from mdpkit.plan.modified_policy_iteration import (
    State,
    policy_swept,
    spread,
    swept,
)


@dataclass(frozen=True)
class InexactPolicyIteration:
    """Policy iteration whose evaluations stop at a relative residual `eta` in (0, 1)."""

    eta: float = 0.1
    key = "ipi"

    def __post_init__(self):
        if not 0 < self.eta < 1:
            raise ValueError(f"eta must lie in (0, 1); it is {self.eta}.")

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given, and their greedy sweep."""
        return swept(mdp, np.zeros(mdp.n_states) if start is None else start)

    def step(self, mdp: MDP, state: State) -> State:
        """The correction that the greedy policy's equation asks for, and the next sweep."""
        rows = policy_rows(mdp, state.best)
        change = state.image - state.v
        open_ = spread(mdp, state.low, state.high)
        goal = max(self.eta * open_ / 2, rounding(mdp, state.image))
        guess = change + middle(mdp, state.low, state.high)
        found = bicgstab(rows, change, mdp.gamma, guess, goal)
        if found.residual <= goal:
            return swept(mdp, state.v + found.x)
        return swept(mdp, policy_swept(mdp, rows, mdp._r[state.best], state))

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that T v − v proves, rounding included."""
        return interval(mdp, state.low, state.high, float(sup(state.v)))

    def estimate(self, mdp: MDP, state: State) -> np.ndarray:
        """T v in the middle of the interval that T v − v proves."""
        return state.image + middle(mdp, state.low, state.high)
