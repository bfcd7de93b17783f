"""Value iteration with action elimination: what cannot be optimal is not swept again.

    v ← T v over the surviving actions;   a dies at s once  q(s,a) < v(s) − w
    w = the width of v*'s interval, by MacQueen's bounds, rounding included

q(s,a) + tail ≥ q*(s,a) and v(s) + tail ≤ v*(s) for the two ends of MacQueen's interval, so a
dead action is optimal for no model within rounding, and the model without it has the same v*.
Checked in tests/plan/test_elimination.py. Source: MacQueen (1967); Puterman (1994), §6.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit._array import sup
from mdpkit.certify import interval
from mdpkit.mdp import MDP
from mdpkit.operators.elimination import Survivors, eliminated, everyone, surviving_sweep


class State(NamedTuple):
    """v, its survivors' action values, who survives, and the extremes of the last change."""

    v: np.ndarray
    q: np.ndarray
    alive: Survivors
    low: float
    high: float


@dataclass(frozen=True)
class ActionElimination:
    """Value iteration from v = 0 that forgets the actions MacQueen's test rules out."""

    key = "elimination"

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given; every action alive."""
        v = np.zeros(mdp.n_states) if start is None else start
        return State(v, np.empty(mdp.n_pairs), everyone(mdp), -np.inf, np.inf)

    def step(self, mdp: MDP, state: State) -> State:
        """One sweep over the survivors, and the test."""
        q = state.q.copy()
        new = surviving_sweep(mdp, state.v, state.alive, q)
        width = interval(mdp, new.low, new.high, max(float(sup(new.v)), float(sup(state.v))))
        alive = state.alive
        if width < np.inf:
            alive = eliminated(mdp, alive, q, new.v, width)
        return State(new.v, q, alive, new.low, new.high)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the MacQueen–Porteus interval, rounding included."""
        return interval(mdp, state.low, state.high, float(sup(state.v)))

    def rate(self, mdp: MDP) -> float:
        """γ a step."""
        return mdp.gamma
