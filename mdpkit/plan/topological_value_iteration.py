"""Topological value iteration: one strongly connected component after another, leaves first.

    pass k: for C in reverse topological order, sweep C in place until its change is ≤ ε_k
    ε_0 = 0.01 max |r|,   ε_{k+1} = ε_k / 1000

What a component can leave to is known when its turn comes, so no sweep is spent on values that
must change again; an acyclic model is solved by the first pass.
Checked in tests/plan/test_topological.py. Source: Dai & Goldsmith (2007); Dai et al. (2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit.certify import interval
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import sweep
from mdpkit.operators.component_sweep import component_sweeps
from mdpkit.structure import component_order

MOST = 100_000
"""Sweeps of one component in one pass."""


class State(NamedTuple):
    """v, the order and ends of the components, the next ε, and the extremes of T v − v."""

    v: np.ndarray
    order: np.ndarray
    ends: np.ndarray
    tol: float
    low: float
    high: float


@dataclass(frozen=True)
class TopologicalValueIteration:
    """Component by component, each pass a thousand times finer than the last."""

    key = "topological"

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given; the components, found once."""
        v = np.zeros(mdp.n_states) if start is None else start
        order, ends = component_order(mdp)
        return State(v, order, ends, 0.01 * float(mdp.reward_size), -np.inf, np.inf)

    def step(self, mdp: MDP, state: State) -> State:
        """One pass over the components, and one sweep to see what is left."""
        v = component_sweeps(mdp, state.v, state.order, state.ends, state.tol, MOST)
        new = sweep(mdp, v)
        finest = 4 * EPS * float(sup(v))
        return state._replace(
            v=new.v, tol=max(state.tol / 1000, finest), low=new.low, high=new.high
        )

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the MacQueen–Porteus interval, rounding included."""
        return interval(mdp, state.low, state.high, float(sup(state.v)))

    def rate(self, mdp: MDP) -> float:
        """γ a step, and usually far less."""
        return mdp.gamma
