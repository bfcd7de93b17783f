"""Value iteration: v ← T v, stopped by the span and returned at the midpoint.

    γ/(1−γ)·min δ ≤ v* − Tv ≤ γ/(1−γ)·max δ,   δ = Tv − v
    ‖v_k − v*‖∞ ≤ γᵏ ‖v_0 − v*‖∞;  the span of δ may shrink far faster

The rate is checked in proofs_checks (B1), the stop in tests/plan.
Source: Bellman (1957); MacQueen (1966); Puterman (1994), §6.3 and §6.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit._array import sup
from mdpkit.certify import interval, middle
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import aggregate, backup_q, size_of, sweep


class State(NamedTuple):
    """v = T v_before, and the extremes of v − v_before."""

    v: np.ndarray
    low: float
    high: float


@dataclass(frozen=True)
class ValueIteration:
    """v ← T v from v = 0."""

    key = "vi"
    on_device = True

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given."""
        return State(np.zeros(mdp.n_states) if start is None else start, -np.inf, np.inf)

    def step(self, mdp: MDP, state: State) -> State:
        """One sweep."""
        new = sweep(mdp, state.v)
        return State(new.v, new.low, new.high)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the MacQueen–Porteus interval, rounding included."""
        return interval(mdp, state.low, state.high, size_of(mdp, state.v))

    def estimate(self, mdp: MDP, state: State) -> np.ndarray:
        """v in the middle of the interval that its last change proves."""
        return state.v + middle(mdp, state.low, state.high)

    def rate(self, mdp: MDP) -> float:
        """γ a step."""
        return mdp.gamma


class QState(NamedTuple):
    """q in pair layout, its maxima, and the extremes of the last change of the maxima."""

    q: np.ndarray
    v: np.ndarray
    low: float
    high: float


@dataclass(frozen=True)
class QIteration:
    """q ← B q, (B q)(s,a) = r(s,a) + γ Σ_t P(t|s,a) max_b q(t,b), from q = 0."""

    key = "q"

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> QState:
        """Action values 0, or those that repeat the values given."""
        v = np.zeros(mdp.n_states) if start is None else start
        q = np.repeat(v, np.diff(mdp.action_ptr)).reshape(mdp.pair_shape)
        return QState(q, v, -np.inf, np.inf)

    def step(self, mdp: MDP, state: QState) -> QState:
        """One sweep over the pairs."""
        q = backup_q(mdp, state.q)
        v = aggregate(mdp, q)
        change = v - state.v
        return QState(q, v, float(change.min()), float(change.max()))

    def gap(self, mdp: MDP, state: QState) -> float:
        """Width of the MacQueen–Porteus interval of v = max_a q."""
        return interval(mdp, state.low, state.high, float(sup(state.v)))

    def rate(self, mdp: MDP) -> float:
        """γ a step."""
        return mdp.gamma
