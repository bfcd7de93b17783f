"""Policy evaluation: v^π = (I − γP_π)⁻¹ r_π, directly, by sweeps, or in a Krylov space.

    direct      dense or sparse LU
    iterative   v ← r_π + γ P_π v;   ‖v_k − v^π‖∞ ≤ γᵏ ‖v_0 − v^π‖∞
    krylov      GMRES on (I − γP_π) v = r_π

Checked in tests/evaluate. Source: Puterman (1994), §6.1; Saad & Schultz (1986).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from mdpkit.certify import interval
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import size_of, sweep
from mdpkit.operators.resolvent import solve_chain, solve_dense, solve_krylov
from mdpkit.policy import chain
from mdpkit.solution import Solution
from mdpkit.solve import solve


class State(NamedTuple):
    """v, and the extremes of r_π + γP_π u − u at v (or at the u that v came from)."""

    v: np.ndarray
    low: float
    high: float


def evaluate(mdp: MDP, policy: Any, method: Any = None, **options: Any) -> Solution:
    """v^π with certified bounds; the method is `Direct()` unless given, options as in `solve`.

    policy : (S,) int or pair layout.
    `lower` and `upper` bound v^π; q and policy are the chain's own.
    """
    return solve(chain(mdp, policy), method or Direct(), **options)


@dataclass(frozen=True)
class Direct:
    """One LU solve."""

    key = "direct"
    on_device = True
    exact = True

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given."""
        return _start(mdp, start)

    def step(self, mdp: MDP, state: State) -> State:
        """Solve; exactly, if the model is exact."""
        if mdp.is_exact:
            return State(solve_chain(mdp.rows, mdp._r, mdp.gamma), 0.0, 0.0)
        solver = solve_chain if mdp.is_sparse or mdp.device == "gpu" else solve_dense
        return _checked(mdp, solver(mdp.rows, mdp._r, mdp.gamma))

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that the residual proves."""
        if mdp.is_exact:
            return state.high - state.low
        return interval(mdp, state.low, state.high, size_of(mdp, state.v))


@dataclass(frozen=True)
class Iterative:
    """Sweeps of T_π."""

    key = "iterative"
    on_device = True

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given."""
        return _start(mdp, start)

    def step(self, mdp: MDP, state: State) -> State:
        """One sweep."""
        new = sweep(mdp, state.v)
        return State(new.v, new.low, new.high)

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the MacQueen–Porteus interval."""
        return interval(mdp, state.low, state.high, size_of(mdp, state.v))


@dataclass(frozen=True)
class Krylov:
    """Restarted GMRES, each step to a relative residual `rtol` from where the last ended."""

    rtol: float = 1e-10
    key = "krylov"
    on_device = True

    def init(self, mdp: MDP, start: np.ndarray | None = None) -> State:
        """Values 0, or those given."""
        return _start(mdp, start)

    def step(self, mdp: MDP, state: State) -> State:
        """Solve for the correction that the residual asks for."""
        residual = sweep(mdp, state.v).v - state.v
        return _checked(
            mdp, state.v + solve_krylov(mdp.rows, residual, mdp.gamma, rtol=self.rtol)
        )

    def gap(self, mdp: MDP, state: State) -> float:
        """Width of the interval that the residual proves."""
        return interval(mdp, state.low, state.high, size_of(mdp, state.v))


def _start(mdp: MDP, start: np.ndarray | None) -> State:
    zero = np.zeros(mdp.n_states, dtype=object if mdp.is_exact else float)
    return State(zero if start is None else start, -np.inf, np.inf)


def _checked(mdp: MDP, v: np.ndarray) -> State:
    new = sweep(mdp, v)
    return State(v, new.low, new.high)
