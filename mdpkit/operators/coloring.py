"""Coloring: states that may be backed up at once, in place, as if one after the other.

    color(s) ≠ color(t)   whenever P(t|s,a) > 0 or P(s|t,a) > 0 for some a, s ≠ t

A Gauss–Seidel sweep in the order of the colors does not depend on the order within a color: it
is the same on one thread and on ten thousand. Greedy, in the order of the states; at most one
color more than the most neighbors of a state.

Checked in tests/operators/test_cuda_kernels.py. Source: Adams & Ortega (1982).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdpkit._cuda import download
from mdpkit._jit import njit
from mdpkit._rows import CSR
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP


class Coloring(NamedTuple):
    """order (S,) the states color by color; color k owns order[ptr[k] … ptr[k+1])."""

    order: np.ndarray
    ptr: np.ndarray


def coloring(mdp: MDP) -> Coloring:
    """The greedy coloring of a sparse model. Raises ModelError on dense rows: S colors."""
    if not isinstance(mdp.rows, CSR):
        raise ModelError("on dense rows every state has a color of its own: use CSR rows.")
    columns, row_ptr = download(mdp.rows.columns), download(mdp.rows.row_ptr)
    n = mdp.n_states
    state = np.repeat(np.repeat(np.arange(n), np.diff(mdp.action_ptr)), np.diff(row_ptr))
    here, there = np.concatenate([state, columns]), np.concatenate([columns, state])
    order = np.argsort(here, kind="stable")
    ptr = np.concatenate([[0], np.cumsum(np.bincount(here, minlength=n))])
    color = np.full(n, -1, dtype=np.int64)
    _color(there[order], ptr, color)
    counts = np.bincount(color)
    return Coloring(np.argsort(color, kind="stable"), np.concatenate([[0], np.cumsum(counts)]))


@njit
def _color(neighbors, ptr, color):
    """Each state takes the least color that none of its neighbors has."""
    seen = np.full(ptr.size, -1, dtype=np.int64)
    for s in range(color.size):
        for j in range(ptr[s], ptr[s + 1]):
            t = neighbors[j]
            if t != s and color[t] >= 0:
                seen[color[t]] = s
        k = 0
        while seen[k] == s:
            k += 1
        color[s] = k
