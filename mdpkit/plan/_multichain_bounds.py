"""An upper bound on the optimal gain of every state, proven from any gain g and bias h.

Theorem. u ≥ g* if for every pair (s, a) either

    u is the same at s and wherever a may lead, and r + P_a h − h(s) ≤ u(s),   or
    P_a u < u(s).

For with w = h + M u and M large, u ≥ P_a u and u + w ≥ r + P_a w hold for every pair, so
T_πⁿ w ≤ n u + w for every π. Nothing depends on two floats being nearly equal: in floats the
first kind of pair has equal floats, the second an inequality that survives rounding. On exact
models P_a u = u(s) takes the place of "is the same". With signs turned, on the chain of one
policy, it bounds that policy's gain from below.

To find such a u, states whose gains agree to rounding, or else the states of an end component,
are given the same one. Then gains are raised until every other pair is strict: a stopping
problem, which policy iteration solves. The lower of the two is taken.
Source: Puterman (1994), §9.1, made strict. Checked in tests/plan/test_average_reward.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit._rows import CSR, row_max
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, rounding
from mdpkit.plan.average_reward import slack
from mdpkit.structure import end_components

ROUNDS = 50
"""Improvements after which the stopping problem is given up: it takes a handful."""


def ceiling(mdp: MDP, g: np.ndarray, h: np.ndarray, tie: float) -> np.ndarray:
    """u ≥ g*, (S,), near g if g and h are nearly optimal. Gains within `tie` are held equal.

    mdp : at γ = 1, without stops. A constant, which is always a bound, where nothing better is
    proven.
    """
    q = action_values(mdp, h).reshape(-1)
    excess = q - h[mdp.pair_states] + slack(mdp, h)
    none = mdp._r.max() + slack(mdp, 0 * h)  # what h = 0 proves, should h be far off
    constant = np.full(mdp.n_states, min(excess.max(), none))
    if mdp.is_exact:
        return g if _holds(mdp, g, excess) else constant
    u = constant
    for label in (_clusters(g, tie), _components(mdp)):
        better = _raised(mdp, g, excess, label)
        if better is not None and _holds(mdp, better, excess):
            u = np.minimum(u, better)
    return u


def _holds(mdp: MDP, u: np.ndarray, excess: np.ndarray) -> bool:
    """The hypothesis of the theorem, pair by pair."""
    here, ahead = u[mdp.pair_states], mdp.expect(u).reshape(-1)
    if mdp.is_exact:
        level, falls = ahead == here, ahead < here
    else:
        level = (row_max(mdp.rows, u) == here) & (-row_max(mdp.rows, -u) == here)
        falls = ahead + rounding(mdp, u) < here
    return bool(np.where(level, excess <= here, falls).all())


def _raised(
    mdp: MDP, g: np.ndarray, excess: np.ndarray, label: np.ndarray
) -> np.ndarray | None:
    """Gains, equal where labels are, raised until every pair is level or falls."""
    state = label[mdp.pair_states]
    base = np.full(label.max() + 1, -np.inf)
    np.maximum.at(base, label, g)
    level = (row_max(mdp.rows, label) == state) & (-row_max(mdp.rows, -label) == state)
    floor = base.copy()
    np.maximum.at(floor, state[level], excess[level])
    rows = _rows_between(mdp, label, ~level)
    margin = 2 * rounding(mdp, None, bound=float(sup(floor)))
    pay = rows @ base - base[state[~level]] + margin
    raised = _stopping(rows, state[~level], pay, floor - base)
    if raised is None:
        return None
    u = base + raised
    return (u + 4 * EPS * np.abs(u))[label]


def _clusters(g: np.ndarray, tie: float) -> np.ndarray:
    """A number for each state, the same where a chain of gains with steps ≤ tie connects."""
    order = np.argsort(g, kind="stable")
    label = np.zeros(g.size, dtype=np.int64)
    label[order[1:]] = np.cumsum(np.diff(g[order]) > tie)
    return label


def _components(mdp: MDP) -> np.ndarray:
    """A number for each state, the same in one end component: there one can stay for ever."""
    label = np.arange(mdp.n_states)
    for component in end_components(mdp):
        label[component.states] = component.states[0]
    return np.unique(label, return_inverse=True)[1]


def _rows_between(mdp: MDP, label: np.ndarray, kept: np.ndarray) -> Any:
    """The rows kept, with the probabilities of each cluster added up; SciPy CSR."""
    from scipy.sparse import csr_array

    P = mdp.rows.to_scipy() if isinstance(mdp.rows, CSR) else csr_array(mdp.rows)
    member = csr_array((np.ones(label.size), (np.arange(label.size), label)))
    return (P[np.flatnonzero(kept)] @ member).tocsr()


def _stopping(rows: Any, owner: np.ndarray, pay: np.ndarray, stop: np.ndarray) -> Any:
    """The least x ≥ stop with x ≥ pay + rows x at each row's owner; None if it is not found.

    Policy iteration: each cluster stops, or goes on by one of its rows.
    """
    from scipy.sparse import csr_array, diags_array, eye_array
    from scipy.sparse.linalg import splu

    n, choice = stop.size, np.full(stop.size, -1)
    x = stop
    for _ in range(ROUNDS):
        value = pay + rows @ x
        best = np.full(n, -np.inf)
        np.maximum.at(best, owner, value)
        wins = np.flatnonzero((value == best[owner]) & (value > x[owner] + 1e-3 * np.abs(pay)))
        if wins.size == 0:
            return x
        choice[owner[wins]] = wins
        goes = choice >= 0
        chosen = diags_array(goes.astype(float)) @ csr_array(rows[np.maximum(choice, 0)])
        right = np.where(goes, pay[np.maximum(choice, 0)], stop)
        try:
            x = splu((eye_array(n) - chosen).tocsc()).solve(right)
        except RuntimeError:
            return None
        if not (np.isfinite(x).all() and (x >= stop - 1e-6 * np.abs(stop)).all()):
            return None
    return None
