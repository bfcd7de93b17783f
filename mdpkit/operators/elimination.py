"""Sweeps over the actions that may still be optimal, and the test that drops the others.

    q_k(s,a) < v_k(s) − w,  w ≥ upper − lower of v*'s interval   ⇒   a is optimal at s for no v*

Once dropped an action needs no more sweeps. Source: MacQueen (1967); Puterman (1994), §6.7.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit._jit import njit
from mdpkit._rows import CSR, arrays_of
from mdpkit._threads import extremes, over_states
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import Sweep


class Survivors(NamedTuple):
    """pairs (pairs,): each state's survivors first, in its own range; counts (S,) of them."""

    pairs: np.ndarray
    counts: np.ndarray


def everyone(mdp: MDP) -> Survivors:
    """All pairs."""
    return Survivors(np.arange(mdp.n_pairs), np.diff(mdp.action_ptr).astype(np.int64))


def surviving_sweep(mdp: MDP, v: np.ndarray, alive: Survivors, q: np.ndarray) -> Sweep:
    """T v over the survivors, whose action values are written to q (pairs,)."""
    out, best = np.empty(mdp.n_states), np.empty(mdp.n_states, dtype=np.int64)
    kernel: Any = _sweep_csr if isinstance(mdp.rows, CSR) else _sweep_dense
    rows = arrays_of(mdp.rows) if isinstance(mdp.rows, CSR) else (mdp.rows,)
    given = (*rows, mdp.action_ptr, alive.pairs, alive.counts, mdp._r, mdp.gamma, v)

    def work(begin, end):
        return kernel(*given, begin, end, out, best, q)

    low, high = extremes(over_states(work, mdp.n_states, rows[0].size))
    return Sweep(out, low, high, best)


def eliminated(
    mdp: MDP, alive: Survivors, q: np.ndarray, top: np.ndarray, width: float
) -> Survivors:
    """The survivors whose q is at least their state's top (S,) less `width`."""
    new = Survivors(alive.pairs.copy(), alive.counts.copy())
    _eliminate(mdp.action_ptr, new.pairs, new.counts, q, top, width)
    return new


@njit
def _sweep_csr(
    values, columns, row_ptr, action_ptr, pairs, count, r, gamma, v, begin, end, out, best, q
):  # fmt: skip
    low, high = np.inf, -np.inf
    for s in range(begin, end):
        top, arg = -np.inf, action_ptr[s]
        for i in range(action_ptr[s], action_ptr[s] + count[s]):
            pair, total = pairs[i], 0.0
            for j in range(row_ptr[pair], row_ptr[pair + 1]):
                total += values[j] * v[columns[j]]
            q[pair] = r[pair] + gamma * total
            if q[pair] > top:
                top, arg = q[pair], pair
        out[s], best[s] = top, arg
        low, high = min(low, top - v[s]), max(high, top - v[s])
    return low, high


@njit
def _sweep_dense(
    rows, action_ptr, pairs, count, r, gamma, v, begin, end, out, best, q
):  # fmt: skip
    low, high = np.inf, -np.inf
    for s in range(begin, end):
        top, arg = -np.inf, action_ptr[s]
        for i in range(action_ptr[s], action_ptr[s] + count[s]):
            pair, total = pairs[i], 0.0
            for t in range(v.size):
                total += rows[pair, t] * v[t]
            q[pair] = r[pair] + gamma * total
            if q[pair] > top:
                top, arg = q[pair], pair
        out[s], best[s] = top, arg
        low, high = min(low, top - v[s]), max(high, top - v[s])
    return low, high


@njit
def _eliminate(action_ptr, pairs, count, q, top, width):
    for s in range(count.size):
        kept = action_ptr[s]
        for i in range(action_ptr[s], action_ptr[s] + count[s]):
            pair = pairs[i]
            if q[pair] >= top[s] - width:
                pairs[i], pairs[kept] = pairs[kept], pair
                kept += 1
        count[s] = kept - action_ptr[s]
