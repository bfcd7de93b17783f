"""Gauss–Seidel within one strongly connected component after another.

    component C, all that it can leave to being known:   v(s) ← max_a r + γ Σ_t P v, s ∈ C,
    until no state of C changes by more than `tol`

A component of one state without a loop is done at its first backup, an acyclic model in one
pass. Source: Dai & Goldsmith (2007), topological value iteration.
"""

from __future__ import annotations

import numpy as np

from mdpkit._jit import BLOCK, njit
from mdpkit._rows import CSR, arrays_of
from mdpkit.mdp import MDP


def component_sweeps(
    mdp: MDP, v: np.ndarray, order: np.ndarray, ends: np.ndarray, tol: float, most: int
) -> np.ndarray:
    """v after the components order[0:ends[0]], order[ends[0]:ends[1]], … were swept.

    order (S,) states, a component's successors before it; tol largest change left in each;
    most : sweeps of one component. v itself is kept.
    """
    v = np.array(v, dtype=float)
    where, swept = 0, 0
    rows = mdp.rows
    while where < ends.size:
        if isinstance(rows, CSR):
            given = arrays_of(rows)
        else:
            given = (rows.reshape(-1), np.empty(0, np.uint64), np.empty(0, np.uint64))
        where, swept = _components(
            *given, mdp.action_ptr, mdp._r, mdp.gamma, v, order, ends, tol, most, where, swept,
            BLOCK,
        )  # fmt: skip
    return v


@njit
def _components(
    values, columns, row_ptr, action_ptr, r, gamma, v, order, ends, tol, most, where, swept,
    budget,
):  # fmt: skip
    """Go on at component `where`, swept `swept` times, until `budget` entries are touched."""
    touched, dense, n = 0, row_ptr.size == 0, v.size
    while where < ends.size:
        begin, change = ends[where - 1] if where > 0 else 0, 0.0
        for i in range(begin, ends[where]):
            s = order[i]
            top = -np.inf
            for pair in range(action_ptr[s], action_ptr[s + 1]):
                total = 0.0
                if dense:
                    for t in range(n):
                        total += values[pair * n + t] * v[t]
                    touched += n
                else:
                    for j in range(row_ptr[pair], row_ptr[pair + 1]):
                        total += values[j] * v[columns[j]]
                    touched += int(row_ptr[pair + 1] - row_ptr[pair])
                top = max(top, r[pair] + gamma * total)
            change = max(change, abs(top - v[s]))
            v[s] = top
        swept += 1
        if change <= tol or swept >= most:
            where, swept = where + 1, 0
        if touched >= budget:
            break
    return where, swept
