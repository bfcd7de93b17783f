"""The long run: how often a policy is in each state, d = d P_π, episodes beginning anew.

    nothing ends       d (I − P_π) = 0, Σ d = 1; one recurrent class, so that d is unique
    all episodes end   d ∝ μ (I − P_π)⁻¹: expected visits in an episode, normalized; this is
                       the stationary distribution of P_π + stop_π μᵀ, which begins again

This is the D of linear value functions, in whose norm P_π never expands. The discounted
`occupancy` is another distribution, and has no such norm.
Checked in tests/operators/test_linear.py. Source: Puterman (1994), App. A; Sutton & Barto
(2018), §9.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdpkit._rows import CSR
from mdpkit.errors import ModelError
from mdpkit.mdp import MDP
from mdpkit.operators.occupancy import occupancy
from mdpkit.policy import probabilities, under


def stationary(mdp: MDP, policy: Any, start: Any = None) -> np.ndarray:
    """d, (S,) ≥ 0, Σ d = 1: the states' frequencies; exact on exact models.

    policy : (S,) int or pair layout; start : (S,) distribution of the states in which episodes
    begin, the model's own if None; moot where nothing ends. γ plays no part.

    Raises ModelError where the chain has several recurrent classes, and where some episodes end
    and others go on for ever.
    """
    rows, _, stop = under(mdp, policy)
    if stop is not None and (stop != 0).any():
        visits = occupancy(mdp.replace(gamma=mdp.gamma * 0 + 1), policy, start)
        return visits / visits.sum()
    if isinstance(rows, CSR):
        index = np.repeat(np.arange(mdp.n_states), np.diff(rows.row_ptr))
        P = np.zeros(rows.shape, dtype=rows.values.dtype)
        P[index, rows.columns] = rows.values
        rows = P
    if (classes := _closed_classes(rows)) != 1:
        raise ModelError(
            f"the policy's chain has {classes} recurrent classes: its frequencies depend on "
            "where it begins. Use occupancy() from a start.",
            classes=classes,
        )
    return _invariant(rows)


def _closed_classes(P: np.ndarray) -> int:
    """How many sets of states the chain never leaves, and moves about in."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    origin, target = np.nonzero(P)
    graph = csr_array((np.ones(origin.size), (origin, target)), P.shape)
    n, label = connected_components(graph, connection="strong")
    left = label[origin[label[origin] != label[target]]]
    return n - np.unique(left).size


def _invariant(P: np.ndarray) -> np.ndarray:
    """d = u (I − P + 1uᵀ)⁻¹ for any u with Σ u = 1: on the right eigenvector 1 it acts as 1."""
    from mdpkit.claim.linear import solve

    n = len(P)
    one = 0 * P[0, 0] + 1
    u = np.array([one / n for _ in range(n)])
    matrix = u[None, :] - P
    matrix[np.arange(n), np.arange(n)] += one
    d = np.maximum(solve(matrix.T, u), 0 * one)
    return d / d.sum()


def pair_frequencies(mdp: MDP, policy: Any, start: Any = None) -> np.ndarray:
    """d(s) π(a|s), in pair layout; arguments and errors as for `stationary`."""
    d = np.repeat(stationary(mdp, policy, start), np.diff(mdp.action_ptr))
    return d.reshape(mdp.pair_shape) * probabilities(mdp, policy)
