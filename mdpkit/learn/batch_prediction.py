"""Batch prediction: the same few episodes, gone through until nothing changes any more.

    sweep          v ← v + α Σ_i w_i Σ_t (G^λ_t − v(s_t)) e(s_t)
    fixed point    A v = b,  A = Σ z_t (e(s_t) − d_t e(s_{t+1}))ᵀ,  b = Σ z_t r_t,
                   z_t = d_{t−1} λ z_{t−1} + e(s_t)
    λ = 0          certainty equivalence: the value of the model that the counts describe
    λ = 1          least squares: the mean return from each state, which Monte Carlo ends with

The same data have two answers. In one episode A, 0, B, 0 and seven from B of which six end with
1, both say v(B) = 3/4; of A the first says 3/4, the second 0. Truncated steps bootstrap.
Checked in tests/learn/test_batch_prediction.py. Source: Sutton & Barto (2018), §6.3; Bradtke &
Barto (1996).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdpkit.batch import Trajectories
from mdpkit.mdp import MDP
from mdpkit.operators.bellman import check_shape
from mdpkit.operators.performance import policy_values
from mdpkit.operators.returns import lambda_return


class Sums(NamedTuple):
    """A (…, S, S) and b (…, S) of the fixed point; data are added by adding them."""

    matrix: np.ndarray
    right: np.ndarray


def batch_sweep(batch: Trajectories, v: Any, *, step_size: Any, lam: Any = 0) -> np.ndarray:
    """One pass over the batch: v plus α times the sum of all updates, (S,).

    v : (S,); step_size : one number or (S,). Small enough steps end in `batch_values`.
    """
    v = np.asarray(v)
    check_shape(v, (v.size,), "v")
    taken, states = batch.pairs >= 0, batch.states[:-1]
    G = lambda_return(batch.rewards, batch.discounts, batch.boundary, v[batch.states[1:]], lam)
    total = 0 * v
    np.add.at(total, states[taken], ((G - v[states]) * batch.weight)[taken])
    return v + step_size * total


def batch_sums(batch: Trajectories, n_states: int, lam: Any = 0) -> Sums:
    """A and b of each trajectory, (n, S, S) and (n, S), times its weight."""
    n = batch.weight.size
    each = np.arange(n)
    matrix, right = np.zeros((n, n_states, n_states)), np.zeros((n, n_states))
    z = np.zeros((n, n_states))
    for t, pairs in enumerate(batch.pairs):
        s, after = batch.states[t], batch.states[t + 1]
        z[each, s] += batch.weight * (pairs >= 0)
        matrix[each, :, s] += z
        matrix[each, :, after] -= batch.discounts[t][:, None] * z
        right += batch.rewards[t][:, None] * z
        z *= (lam * batch.discounts[t] * (1 - 1 * batch.boundary[t]))[:, None]
    return Sums(matrix, right)


def solve_sums(sums: Sums, initial: Any = 0.0) -> np.ndarray:
    """The v of A v = b, (…, S); a state that was never left keeps the `initial` value."""
    matrix, right = np.array(sums.matrix), np.array(sums.right)
    unseen = np.asarray(~matrix.any(axis=-1))
    matrix += unseen[..., None] * np.eye(matrix.shape[-1])
    right += unseen * np.asarray(initial)
    return np.linalg.solve(matrix, right[..., None])[..., 0]


def batch_values(
    batch: Trajectories, n_states: int, *, lam: Any = 0, initial: Any = 0.0
) -> np.ndarray:
    """What TD(λ) ends with if it goes through the batch for ever with small steps, (S,).

    λ = 0 is batch TD, λ = 1 batch Monte Carlo. A state that was never left keeps `initial`.
    """
    one = batch_sums(batch, n_states, lam)
    return solve_sums(Sums(one.matrix.sum(axis=0), one.right.sum(axis=0)), initial)


def certainty_equivalence(batch: Trajectories, n_states: int, gamma: float) -> np.ndarray:
    """The value of the model of the observed frequencies, (S,); states never left are worth 0.

    Every trajectory counts once, whatever its weight. At γ = 1 UnboundedError is raised where
    the frequencies say that an episode never ends.
    """
    taken = batch.pairs >= 0
    s, after = batch.states[:-1][taken], batch.states[1:][taken]
    unseen = np.setdiff1d(np.arange(n_states), s)
    s, after = np.append(s, unseen), np.append(after, unseen)
    ended = np.append(batch.discounts[taken] == 0, np.ones(unseen.size, dtype=bool))
    rewards = np.append(batch.rewards[taken], np.zeros(unseen.size))
    data = s, np.zeros_like(s), rewards, after, ended
    mdp = MDP.from_transitions(*data, gamma=gamma, n_states=n_states, n_actions=1).mdp
    return policy_values(mdp, np.zeros(n_states, dtype=np.int64)).v
