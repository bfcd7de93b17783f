"""Policy iteration in exact rationals: floats find the policy, fractions prove it.

Float policy iteration ends at a policy that is optimal or nearly so. One exact solve gives its
value, v = (I − γP_π)⁻¹ r_π, and exact arithmetic says whether v = Tv. If not, exact
improvements follow; they are few, and they end, since no policy comes twice.
Source: Puterman (1994), §6.4; Dixon (1982) for the solve. Checked in tests/plan/test_exact.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, greedy_pairs
from mdpkit.operators.resolvent import policy_value
from mdpkit.plan.policy_iteration import PolicyIteration
from mdpkit.structure import is_proper, proper_pairs

FLOAT_STEPS = 1000


class State(NamedTuple):
    """An exact value, its policy's pairs, and whether it is known to solve v = Tv."""

    v: np.ndarray
    pairs: np.ndarray
    optimal: bool


@dataclass(frozen=True)
class ExactPolicyIteration:
    """Exact v*, as fractions, of an exact model: `mk.solve(mdp.exact())`."""

    key = "exact"
    exact = True

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """The exact value of the policy at which float policy iteration ends."""
        if not mdp.is_exact:
            raise TypeError("ExactPolicyIteration needs an exact model: pass mdp.exact().")
        pairs = _float_pairs(mdp, start)
        return State(policy_value(mdp, mdp.actions_of(pairs)), pairs, False)

    def step(self, mdp: MDP, state: State) -> State:
        """Prove v = Tv, or improve every state where it fails."""
        q = action_values(mdp, state.v).reshape(-1)
        best = greedy_pairs(mdp, q)
        better = np.asarray(q[best] > state.v, dtype=bool)
        if not better.any():
            return state._replace(optimal=True)
        pairs = np.where(better, best, state.pairs)
        return State(policy_value(mdp, mdp.actions_of(pairs)), pairs, False)

    def gap(self, mdp: MDP, state: State) -> float:
        """0 once v = Tv is proven."""
        return 0.0 if state.optimal else np.inf


def _float_pairs(mdp: MDP, start: np.ndarray | None) -> np.ndarray:
    """The pairs at which float policy iteration ends; any that end where floats fail."""
    pairs = proper_pairs(mdp)[0] if mdp.gamma >= 1 else mdp.action_ptr[:-1].copy()
    method = PolicyIteration()
    try:
        floats = mdp.rounded()
        state = method.init(floats, start)
        for _ in range(FLOAT_STEPS):
            before, state = state, method.step(floats, state)
            if state is before:
                break
    except (ArithmeticError, ModelError):  # singular, or beyond floating point
        return pairs
    good = np.isfinite(state.v).all() and (
        mdp.gamma < 1 or is_proper(mdp, mdp.actions_of(state.pairs))
    )
    return state.pairs if good else pairs
