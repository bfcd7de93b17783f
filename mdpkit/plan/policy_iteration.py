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

from mdpkit.certify import interval
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import rounding, size_of, sweep
from mdpkit.operators.resolvent import solve_chain
from mdpkit.operators.sweep import chain_sweep, gathered
from mdpkit.structure import proper_pairs


class State(NamedTuple):
    """A policy's pairs and value, the pairs that improve it, and the extremes of T v − v."""

    v: np.ndarray
    pairs: np.ndarray
    better: np.ndarray
    low: float
    high: float


@dataclass(frozen=True)
class PolicyIteration:
    """Howard's policy iteration, by dense, banded or sparse LU or Krylov, as chains allow."""

    key = "pi"
    on_device = True

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """The policy greedy in the values given, or in the rewards; at γ = 1 one that ends."""
        if mdp.gamma >= 1:
            return evaluated(mdp, proper_pairs(mdp)[0])
        v = np.zeros(mdp.n_states) if start is None else start
        return evaluated(mdp, sweep(mdp, v).best)

    def step(self, mdp: MDP, state: State) -> State:
        """Improve where it pays by more than rounding, and evaluate."""
        if np.array_equal(state.better, state.pairs):
            return state
        new = evaluated(mdp, state.better, state.v)
        # In exact arithmetic each improvement grows the sum: floats that do not can only cycle.
        return new if new.v.sum() > state.v.sum() else state

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that T v − v proves, rounding included."""
        return interval(mdp, state.low, state.high, size_of(mdp, state.v))

    def estimate(self, mdp: MDP, state: State) -> np.ndarray:
        """The policy's value."""
        return state.v

    def rate(self, mdp: MDP) -> float:
        """γ a step."""
        return mdp.gamma


def evaluated(mdp: MDP, pairs: np.ndarray, guess: np.ndarray | None = None) -> State:
    """A policy's pairs with its value, what improves it, and how far T moves the value.

    A state keeps its own pair unless another beats it by more than rounding.
    """
    rows, r = gathered(mdp.rows, pairs), mdp._r[pairs]
    v = solve_chain(rows, r, mdp.gamma, guess)
    new = sweep(mdp, v)
    own = chain_sweep(rows, r, mdp.gamma, v)
    better = np.where(new.v > own + 2 * rounding(mdp, v), new.best, pairs)
    return State(v, pairs, better, new.low, new.high)
