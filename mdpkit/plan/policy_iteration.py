"""Policy iteration: evaluate, improve, repeat. It is Newton's method on Tv − v = 0.

    v_k = (I − γP_{π_k})⁻¹ r_{π_k},   π_{k+1}(s) ∈ argmax_a r(s,a) + γ Σ_t P(t|s,a) v_k(t)
    ‖v* − v_{k+1}‖∞ ≤ γ ‖v* − v_k‖∞,   at most S(A−1)⌈H log H⌉ improvements, H = 1/(1−γ)

A state changes its action only for one that is better by more than rounding, and the values
must grow, so ties cannot cycle. Checked in proofs_checks (B7–B13).
Source: Howard (1960); Puterman (1994), §6.4; Scherrer (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit._array import sup
from mdpkit.certify import interval
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, greedy_pairs, rounding, sweep
from mdpkit.operators.resolvent import policy_value
from mdpkit.structure import proper_pairs


class State(NamedTuple):
    """A policy's pairs, its value, and the extremes of T v − v."""

    v: np.ndarray
    pairs: np.ndarray
    low: float
    high: float


@dataclass(frozen=True)
class PolicyIteration:
    """Howard's policy iteration, by dense LU, sparse LU or Krylov as the chain allows."""

    key = "pi"

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """The policy greedy in the values given, or in the rewards; at γ = 1 one that ends."""
        if mdp.gamma >= 1:
            return evaluated(mdp, proper_pairs(mdp)[0])
        v = np.zeros(mdp.n_states) if start is None else start
        return evaluated(mdp, greedy_pairs(mdp, action_values(mdp, v), 0.0))

    def step(self, mdp: MDP, state: State) -> State:
        """Improve where it pays by more than rounding, and evaluate."""
        pairs = improved(mdp, state.v, state.pairs)
        if np.array_equal(pairs, state.pairs):
            return state
        new = evaluated(mdp, pairs, state.v)
        # In exact arithmetic each improvement grows the sum: floats that do not can only cycle.
        return new if new.v.sum() > state.v.sum() else state

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that T v − v proves, rounding included."""
        return interval(mdp, state.low, state.high, float(sup(state.v)))

    def rate(self, mdp: MDP) -> float:
        """γ a step."""
        return mdp.gamma


def improved(mdp: MDP, v: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Greedy pairs of v; a state keeps its own unless one beats it by more than rounding."""
    q = action_values(mdp, v).reshape(-1)
    best = greedy_pairs(mdp, q)
    return np.where(q[best] > q[pairs] + 2 * rounding(mdp, v), best, pairs)


def evaluated(mdp: MDP, pairs: np.ndarray, guess: np.ndarray | None = None) -> State:
    """A policy's pairs with its value and how far the value is from a fixed point of T."""
    v = policy_value(mdp, mdp.actions_of(pairs), guess)
    new = sweep(mdp, v)
    return State(v, pairs, new.low, new.high)
