"""Average reward: what a policy earns a step in the long run, and what it gains by its start.

    gain  g^π = lim_n (1/n) Σ_{k<n} P_πᵏ r_π        (I − P_π) g = 0
    bias  h^π = Σ_k P_πᵏ (r_π − g^π), averaged      g + (I − P_π) h = r_π,   P*_π h = 0

g is constant on a recurrent class, and P*_π h = 0 says that each class's stationary average of
h is 0. Both solve linear systems, class by class and then for the transient states.
The discount plays no part, and an episode that may stop has no gain.
Checked in tests/plan/test_average_reward.py. Source: Puterman (1994), §8.2 and App. A.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mdpkit._array import EPS, sup
from mdpkit._device import require_cpu
from mdpkit._rows import CSR, Rows
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import action_values, rounding
from mdpkit.operators.resolvent import DENSE_STATES, solve_exact
from mdpkit.policy import take_rows
from mdpkit.structure import recurrent_classes

Solve = Callable[..., np.ndarray]


def undiscounted(mdp: MDP) -> MDP:
    """The model at γ = 1. Raises ModelError if an episode may stop."""
    if mdp.stops:
        ends = np.asarray(mdp.stop.reshape(-1) > 0, dtype=bool)
        s, a = mdp.place(int(np.argmax(ends)))
        raise ModelError(
            f"stop[{s}, {a}] > 0 ({int(ends.sum())} such pairs): average reward is about runs "
            "that never end. Lead those pairs to an absorbing state, or to a new start.",
            s=s,
            a=a,
        )
    return mdp if mdp.gamma == 1 else mdp.replace(gamma=1)


def slack(mdp: MDP, h: np.ndarray) -> float:
    """Bound |computed − true| of r + P h − h, for every model read within 2⁻⁵²."""
    if mdp.is_exact:
        return 0
    return rounding(mdp, h) + 2 * EPS * (float(sup(h)) + mdp.reward_size)


def gain_range(mdp: MDP, h: np.ndarray) -> tuple[Any, Any]:
    """min_s and max_s of max_a (r + P_a h) − h: g* lies between, in every state, for any h."""
    q = action_values(mdp, h).reshape(-1)
    change = np.maximum.reduceat(q, mdp.action_ptr[:-1]) - h
    error = slack(mdp, h)
    return change.min() - error, change.max() + error


class Evaluation(NamedTuple):
    """A policy's gain and bias, (S,) each, and a bound on the gain's error (0 if exact)."""

    gain: np.ndarray
    bias: np.ndarray
    error: float


def gain_and_bias(mdp: MDP, pairs: np.ndarray) -> Evaluation:
    """Gain and bias of the policy that takes these pairs, (S,) int, in a model at γ = 1.

    Raises ArithmeticError where a class is too nearly decomposable for floats.
    """
    require_cpu(mdp, "gain_and_bias")
    r = mdp._r[pairs]
    L = _laplacian(take_rows(mdp.rows, pairs))
    classes = recurrent_classes(mdp, mdp.actions_of(pairs))
    g, h = 0 * r, 0 * r
    for states in classes:
        g[states], h[states] = _irreducible(L[states][:, states], r[states])
    inside = np.zeros(mdp.n_states, dtype=bool)
    inside[np.concatenate(classes)] = True
    T, R = np.flatnonzero(~inside), np.flatnonzero(inside)
    steps = 0 * r[:1]
    if T.size:
        solve, leaves = _factored(L[T][:, T]), L[T][:, R]
        g[T] = solve(-(leaves @ g[R]))
        h[T] = solve(r[T] - g[T] - leaves @ h[R])
        steps = steps if mdp.is_exact else solve(1 + 0 * r[T])
    if mdp.is_exact:
        return Evaluation(g, h, 0)
    error = float(sup((r - L @ h - g)[R])) + slack(mdp, h)
    return Evaluation(g, h, error + float(sup(steps)) * (sup(L @ g) + rounding(mdp, g)))


def _laplacian(rows: Rows) -> Any:
    """I − P, dense or SciPy's CSR; 1 − P(s,s) is summed from the rest, so nothing cancels."""
    exact = (rows.values if isinstance(rows, CSR) else rows).dtype == np.dtype(object)
    if isinstance(rows, CSR) and (exact or rows.n_columns <= DENSE_STATES):
        P = np.zeros(rows.shape, dtype=rows.values.dtype)
        P[np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr)), rows.columns] = (
            rows.values
        )
        rows = P
    if isinstance(rows, CSR):
        from scipy.sparse import diags_array

        P = rows.to_scipy()
        away = P - diags_array(P.diagonal())
        return (diags_array(np.asarray(away.sum(axis=1)).reshape(-1)) - away).tocsr()
    away = rows.copy()
    np.fill_diagonal(away, 0 * rows[0, 0])
    out = -away
    np.fill_diagonal(out, away.sum(axis=1))
    return out


def _irreducible(L: Any, r: np.ndarray) -> tuple[Any, np.ndarray]:
    """Gain and bias of one class: as h(0) = 0, the column of h(0) can carry the gain."""
    first = np.arange(r.size) == 0
    if isinstance(L, np.ndarray):
        L = L.copy()
        L[:, 0] = 1 + 0 * r
    else:
        from scipy.sparse import csr_array, diags_array

        ones = csr_array((np.ones(r.size), (np.arange(r.size), 0 * np.arange(r.size))), L.shape)
        L = L @ diags_array(1.0 - first) + ones
    solve = _factored(L)
    h = solve(r)
    gain = h[0]
    h[0] = 0 * gain
    stationary = solve(np.where(first, 1 + 0 * r, 0 * r), True)
    return gain, h - stationary @ h


def _factored(matrix: Any) -> Solve:
    """Solve matrix · x = b, or its transpose: in rationals, by LAPACK, or by SuperLU."""
    if matrix.dtype == np.dtype(object):
        one = np.where(np.eye(matrix.shape[0], dtype=bool), 1, 0).astype(object)
        return lambda b, turned=False: solve_exact(one - (matrix.T if turned else matrix), b, 1)
    if isinstance(matrix, np.ndarray):
        from scipy.linalg import get_lapack_funcs

        factor, solve = get_lapack_funcs(("getrf", "getrs"), (matrix,))
        lu, pivots, zero = factor(matrix)
        if zero == 0:
            return lambda b, turned=False: solve(lu, pivots, b, trans=int(turned))[0]
    else:
        from scipy.sparse.linalg import splu

        with contextlib.suppress(RuntimeError):
            factor = splu(matrix.tocsc())
            return lambda b, turned=False: factor.solve(b, trans="T" if turned else "N")
    raise ArithmeticError(
        "I − P is singular to rounding: the chain is too nearly decomposable for floats. "
        "Use mdp.exact()."
    )
