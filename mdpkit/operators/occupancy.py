"""Occupancy: where a policy spends its discounted time, and the policy that an occupancy is.

    d_μ^π = (1−γ) μᵀ (I − γP_π)⁻¹         d = (1−γ) μ + γ P_πᵀ d         x(s,a) = d(s) π(a|s)
    J(π) = Σ_s μ(s) v^π(s) = H Σ_{s,a} x(s,a) r(s,a),     π(a|s) = x(s,a) / Σ_b x(s,b)

Σ_s d(s) = 1 where no episode ends; with stops it is 1 − γH Σ d·stop_π < 1, and it is never
renormalized. At γ = 1 there is no factor 1−γ: d(s) is the expected number of visits.
Checked in tests/operators/test_occupancy.py. Source: Puterman (1994), §6.9; Kakade & Langford
(2002).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._array import sup
from mdpkit._cuda import download
from mdpkit._rows import CSR, Rows
from mdpkit.errors import ModelError, UnboundedError
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.resolvent import solve_chain
from mdpkit.policy import probabilities, take_rows, under, uniform

NEGATIVE = 1e-9
"""Relative to the largest: a negative flow that a linear program's tolerance explains."""


def occupancy(mdp: MDP, policy: Any, start: Any = None) -> np.ndarray:
    """d_μ^π, (S,) ≥ 0: discounted visits, times 1−γ where γ < 1; exact on exact models.

    policy : (S,) int or pair layout; start : (S,) distribution μ, the model's own if None.
    Raises UnboundedError at γ = 1 if from μ the episode may never end, naming where.
    """
    mu = initial(mdp, start)
    if mdp.device == "gpu":
        first = mu * _scale(mdp)
        d = device_flow().occupancy(mdp, probabilities(mdp, policy), first)
        return np.maximum(download(d), first)
    rows, _, stop = under(mdp, policy)
    inside = np.arange(mdp.n_states)
    if mdp.gamma >= 1:
        inside = require_end(rows, stop, np.flatnonzero(mu))
        rows = _block(rows, inside)
    first = mu[inside] * _scale(mdp)
    d = np.full(mdp.n_states, mdp.gamma * 0, dtype=mdp.r.dtype)
    # The truth is at least (1−γ)μ: rounding below it can only be undone.
    d[inside] = np.maximum(solve_chain(transposed(rows), first, mdp.gamma), first)
    return d


def pair_occupancy(mdp: MDP, policy: Any, start: Any = None) -> np.ndarray:
    """x(s,a) = d_μ^π(s) π(a|s), in pair layout; arguments and errors as for `occupancy`."""
    d = np.repeat(occupancy(mdp, policy, start), np.diff(mdp.action_ptr))
    return d.reshape(mdp.pair_shape) * probabilities(mdp, policy)


def policy_of(mdp: MDP, x: Any) -> np.ndarray:
    """π(a|s) = x(s,a) / Σ_b x(s,b), in pair layout; uniform in a state that x never visits.

    x : pair layout, ≥ 0, of any scale. Negative entries down to −1e-9 · max x are a linear
    program's tolerance and count as 0; below that ValueError names the pair.
    """
    check_shape(x, mdp.pair_shape, "x")
    flat = np.asarray(x).reshape(-1)
    floor = 0 if mdp.is_exact else -NEGATIVE * sup(flat)
    if not (flat >= floor).all():
        s, a = mdp.place(int(np.argmin(flat >= floor)))
        raise ValueError(f"x[{s}, {a}] is {flat[np.argmin(flat >= floor)]}; flows are ≥ 0.")
    flat = np.where(flat > 0, flat, flat * 0)
    total = np.repeat(np.add.reduceat(flat, mdp.action_ptr[:-1]), np.diff(mdp.action_ptr))
    visited = total > 0
    pi = uniform(mdp).reshape(-1).copy()
    pi[visited] = flat[visited] / total[visited]
    return pi.reshape(mdp.pair_shape)


def inflow(mdp: MDP, x: Any) -> np.ndarray:
    """Σ_{t,b} x(t,b) P(s|t,b), (S,). x : pair layout."""
    check_shape(x, mdp.pair_shape, "x")
    if mdp.device == "gpu":
        return download(device_flow().inflow(mdp, device_flow().flat(x)))
    flat = np.asarray(x).reshape(-1)
    if not isinstance(mdp.rows, CSR):
        return flat @ mdp.rows
    weight = np.repeat(flat, np.diff(mdp.rows.row_ptr)) * mdp.rows.values
    if not mdp.is_exact:
        return np.bincount(mdp.rows.columns, weight, minlength=mdp.n_states)
    total = np.full(mdp.n_states, mdp.gamma * 0, dtype=object)
    np.add.at(total, mdp.rows.columns, weight)
    return total


def flow_residual(mdp: MDP, x: Any, start: Any = None) -> np.ndarray:
    """Σ_a x(s,a) − (1−γ)μ(s) − γ Σ_{t,b} x(t,b) P(s|t,b), (S,): 0 iff x ≥ 0 is an occupancy.

    x : pair layout, normalized as `pair_occupancy` (a linear program's is H times that).
    At γ = 1 the term in μ is μ(s).
    """
    entering = initial(mdp, start) * _scale(mdp) + mdp.gamma * inflow(mdp, x)
    leaving = np.add.reduceat(np.asarray(x).reshape(-1), mdp.action_ptr[:-1])
    return leaving - entering


def require_end(rows: Rows, stop: np.ndarray | None, first: np.ndarray) -> np.ndarray:
    """The states of a chain reached from `first`, if from each the episode surely ends.

    Otherwise raises UnboundedError naming reached states that no end can be reached from.
    """
    from scipy.sparse import csr_array

    origin, target = _edges(rows)
    size = rows.shape[0]
    graph = csr_array((np.ones(origin.size), (origin, target)), (size, size))
    ends = np.flatnonzero(stop) if stop is not None else first[:0]
    reached, ending = _closure(graph, first), _closure(csr_array(graph.T), ends)
    endless = np.flatnonzero(reached & ~ending)
    if endless.size:
        shown = [int(s) for s in endless[:10]]
        raise UnboundedError(
            f"γ = 1: from state {shown[0]} the episode never ends under this policy "
            f"({endless.size} such states are reached), so visits are infinite. "
            "Pass a policy that ends, or a model with γ < 1.",
            states=shown,
        )
    return np.flatnonzero(reached)


def _closure(graph: Any, first: np.ndarray) -> np.ndarray:
    """(S,) bool: what can be reached along the edges of a graph, `first` included."""
    seen = np.zeros(graph.shape[0], dtype=bool)
    seen[first] = True
    while first.size:
        following = take_rows(CSR(graph.data, graph.indices, graph.indptr, seen.size), first)
        first = np.unique(following.columns)  # type: ignore[union-attr]
        first = first[~seen[first]]
        seen[first] = True
    return seen


def _edges(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Where the positive probabilities of a chain stand."""
    if not isinstance(rows, CSR):
        origin, target = np.nonzero(rows)
        return origin, target
    origin = np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr))
    used = rows.values != 0
    return origin[used], rows.columns[used]


def transposed(rows: Rows) -> Rows:
    """P_πᵀ in the same storage."""
    if not isinstance(rows, CSR):
        return rows.T
    origin = np.repeat(np.arange(rows.shape[0]), np.diff(rows.row_ptr))
    order = np.argsort(rows.columns, kind="stable")
    counts = np.bincount(rows.columns, minlength=rows.n_columns)
    ptr = np.concatenate([[0], np.cumsum(counts)]).astype(rows.row_ptr.dtype)
    return CSR(rows.values[order], origin[order], ptr, rows.shape[0])


def _block(rows: Rows, inside: np.ndarray) -> Rows:
    """The rows and columns of a set of states that no probability leaves."""
    if not isinstance(rows, CSR):
        return rows[np.ix_(inside, inside)]
    place = np.zeros(rows.n_columns, dtype=rows.columns.dtype)
    place[inside] = np.arange(inside.size)
    chosen = take_rows(rows, inside)
    return CSR(chosen.values, place[chosen.columns], chosen.row_ptr, inside.size)  # type: ignore[union-attr]


def device_flow() -> Any:
    """The launchers of the device's kernels, and numba's with them, only where one is used."""
    from mdpkit.operators import _device_flow

    return _device_flow


def _scale(mdp: MDP) -> Any:
    """1 − γ; at γ = 1, where visits are counted as they are, 1."""
    return 1 - mdp.gamma if mdp.gamma < 1 else 1


def initial(mdp: MDP, start: Any) -> np.ndarray:
    """μ, (S,): the distribution given, or the model's own if None. ModelError if it is none."""
    if start is None:
        return mdp.start
    check_shape(start, (mdp.n_states,), "start")
    mu = np.asarray(start) if mdp.is_exact else np.asarray(start, dtype=float)
    if not (mu >= 0).all() or abs(mu.sum() - 1) > (0 if mdp.is_exact else 1e-9):
        raise ModelError(f"start must be a distribution; it sums to {mu.sum()}.")
    return mu
